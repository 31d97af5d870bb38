"""One edit of some neurons, and the chance that it may go by."""

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
    """What is done to some neurons."""

    intervention: Intervention
    controls: Mapping[Neuron, Float[Tensor, "controls"]]
    """The neurons, each with what it held at the same control positions: the intervention may go by that."""
    strength: float = 1.0
    """How much of it is done: 1 all of it, 0.5 goes half of the way."""

    @cached_property
    def address(self) -> str:
        """What tells this edit from any other."""
        digest = hashlib.sha256(json.dumps([describe(self.intervention), self.strength], sort_keys=True).encode())
        for neuron, controls in self.controls.items():
            digest.update(json.dumps([*neuron, *controls.shape]).encode())
            digest.update(controls.detach().cpu().float().contiguous().numpy().tobytes())
        return digest.hexdigest()[:24]

    def of(
        self, held: Float[Tensor, "batch positions neurons"], reference: Reference
    ) -> Float[Tensor, "batch positions neurons"]:
        """Return what the neurons of one layer are to hold in place of `held`.

        Raises:
            PluginError: the intervention returns another shape.
        """
        exact = held.to(torch.promote_types(held.dtype, torch.float32))
        edited = self.intervention.edit(exact, reference)
        if edited.shape != exact.shape:
            raise PluginError(
                f"the intervention {type(self.intervention).__name__} returned {tuple(edited.shape)} for activations "
                f"of shape {tuple(exact.shape)}: mend it, for an edit keeps the shape"
            )
        if self.strength != 1:
            edited = exact + self.strength * (edited - exact)
        return edited.to(held.dtype)


def draws_at(seeds: npt.NDArray[np.uint64], places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return a random number from 0 to below 1 for each row and place, that depends on its row's seed and place alone.

    Args:
        seeds: a seed for each row.
        places: a row of places for each row.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood 2014), here of a counter.
    """
    rows = mix64(torch.from_numpy(seeds.view(np.int64))[:, None] + GOLDEN)
    # The upper 24 bits: as many as a float32 holds, so that none is rounded up to 1.
    upper = shift_right(mix64(rows + GOLDEN * torch.from_numpy(places)), 40)
    return upper.numpy().astype(np.float32) * np.float32(2.0**-24)
