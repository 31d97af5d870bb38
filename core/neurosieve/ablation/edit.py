"""One edit of some neurons, and the random numbers that it may use."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve.contracts import Intervention
from neurosieve.data import Neuron, Reference
from neurosieve.errors import PluginError
from neurosieve.models.splitmix import GOLDEN, mix64, shift_right
from neurosieve.registry import describe

__all__ = ["Edit", "draws_at"]


@dataclass(frozen=True, eq=False)
class Edit:
    """An intervention on some neurons."""

    intervention: Intervention
    controls: Mapping[Neuron, Float[Tensor, "controls"]]
    """The neurons, each with its activations at the same control positions, which the intervention may use."""
    strength: float = 1.0
    """How much of it is made: 1 all of it, 0.5 goes half of the way."""

    @property
    def name(self) -> str:
        """The name of the intervention."""
        return str(describe(self.intervention)["_target_"]).rpartition("/")[2]

    @cached_property
    def address(self) -> str:
        """A hash of the edit, its content address."""
        digest = hashlib.sha256(json.dumps([describe(self.intervention), self.strength], sort_keys=True).encode())
        for neuron, controls in self.controls.items():
            digest.update(json.dumps([*neuron, *controls.shape]).encode())
            digest.update(controls.detach().cpu().float().contiguous().numpy().tobytes())
        return digest.hexdigest()[:24]

    def of(
        self, activations: Float[Tensor, "batch positions neurons"], reference: Reference
    ) -> Float[Tensor, "batch positions neurons"]:
        """Return the edited activations of the neurons of one layer.

        Raises:
            PluginError: the intervention returns another shape.
        """
        exact = activations.to(torch.promote_types(activations.dtype, torch.float32))
        edited = self.intervention.edit(exact, reference)
        if edited.shape != exact.shape:
            raise PluginError(
                f"the intervention {type(self.intervention).__name__} returned {tuple(edited.shape)} for activations "
                f"of shape {tuple(exact.shape)}: correct it, as an edit must keep the shape"
            )
        if self.strength != 1:
            edited = exact + self.strength * (edited - exact)
        return edited.to(activations.dtype)


def draws_at(seeds: npt.NDArray[np.uint64], places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return a random number in [0, 1) for each row and place, which depends on its row's seed and place alone.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood 2014), here of a counter.
    """
    rows = mix64(torch.from_numpy(seeds.view(np.int64))[:, None] + GOLDEN)
    # The upper 24 bits: as many as a float32 holds, so that none is rounded up to 1.
    upper = shift_right(mix64(rows + GOLDEN * torch.from_numpy(places)), 40)
    return upper.numpy().astype(np.float32) * np.float32(2.0**-24)
