"""The reading that every other is built on: a neuron's activation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from neurosieve.contracts import Readable, Reading
from neurosieve.data import Site

__all__ = ["Activation"]


@dataclass(frozen=True)
class Activation(Reading):
    """The activation of each neuron at a position: what fires there."""

    at_every_token: ClassVar[bool] = True
    streams: ClassVar[Literal["activations"]] = "activations"
    pools: ClassVar[bool] = True
    signs: ClassVar[tuple[str, str, str]] = ("fires less", "firing within chance", "fires more")

    def start(self, texts: Readable) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Start to read the activations, and return what gives them."""
        return texts.activations()
