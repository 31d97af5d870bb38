"""What each neuron adds to the residual stream, as a share of what its layer's MLP adds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from neurosieve import Readable, Reading, Site

__all__ = ["Contribution"]


@dataclass(frozen=True)
class Contribution(Reading):
    """What a neuron adds to the residual stream at a position, as a share of all that its layer's MLP adds there.

    The share is `|activation| * norm(the neuron's weights in the down projection) / norm(the down projection's
    output)`. A neuron that fires weakly but writes much has a large one. It has no sign, is never negative, and the
    shares of a layer do not sum to 1, as what neurons add points in many directions. The output counts with its bias,
    and before any norm behind the MLP. For MLP neurons alone (`site=mlp_post`).

    >>> Contribution().kinds
    ('mlp_post',)

    Source: CETT of H-Neurons, Gao et al. (2025), arXiv 2512.01797.
    """

    at_every_token: ClassVar[bool] = True
    streams: ClassVar[Literal["contributions"]] = "contributions"
    pools: ClassVar[bool] = True
    kinds: ClassVar[tuple[str, ...]] = ("mlp_post",)
    signs: ClassVar[tuple[str, str, str]] = ("adds less", "adding within chance", "adds more")

    def start(self, texts: Readable) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Start to read the shares, and return what gives them."""
        return texts.contributions()
