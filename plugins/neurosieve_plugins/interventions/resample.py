"""Set neurons to their activations at another position."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from neurosieve import Intervention, Reference

__all__ = ["Resample"]


@dataclass(frozen=True)
class Resample(Intervention):
    """At each position the neurons have the activations that they have, all together, at a random control position.

    >>> import torch
    >>> reference = Reference(controls=torch.tensor([[1.0, 10.0], [3.0, 30.0]]), draws=torch.tensor([[0.2, 0.7]]))
    >>> Resample().edit(torch.zeros(1, 2, 2), reference).tolist()
    [[[1.0, 10.0], [3.0, 30.0]]]
    """

    def edit(
        self, activations: Float[Tensor, "batch positions neurons"], reference: Reference
    ) -> Float[Tensor, "batch positions neurons"]:
        """Return a whole row of the controls for each position."""
        # In float64: the nearest float32 below 1, times many rows, may round up to their number.
        rows = (reference.draws.double() * len(reference.controls)).long()
        return reference.controls[rows].to(activations)
