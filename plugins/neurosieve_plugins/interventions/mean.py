"""Set neurons to their mean."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from neurosieve import Intervention, Reference

__all__ = ["Mean"]


@dataclass(frozen=True)
class Mean(Intervention):
    """Each neuron has its mean over control positions, everywhere: it no longer carries information.

    >>> import torch
    >>> reference = Reference(controls=torch.tensor([[1.0], [3.0]]), draws=torch.zeros(1, 2))
    >>> Mean().edit(torch.tensor([[[5.0], [-5.0]]]), reference).flatten().tolist()
    [2.0, 2.0]
    """

    def edit(
        self, activations: Float[Tensor, "batch positions neurons"], reference: Reference
    ) -> Float[Tensor, "batch positions neurons"]:
        """Return the means, the same at every position."""
        return reference.controls.mean(dim=0).to(activations).expand_as(activations)
