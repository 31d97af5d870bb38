"""Switch neurons off."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve import Intervention, Reference

__all__ = ["Zero"]


@dataclass(frozen=True)
class Zero(Intervention):
    """Neurons are 0, as if their columns of the down projection were 0.

    A neuron that is seldom near 0 gets a value that it never has: `mean` and `resample` stay nearer to the activations
    that the model is used to.

    >>> import torch
    >>> reference = Reference(controls=torch.tensor([[1.0], [3.0]]), draws=torch.zeros(1, 2))
    >>> Zero().edit(torch.tensor([[[5.0], [-5.0]]]), reference).flatten().tolist()
    [0.0, 0.0]
    """

    def edit(
        self, activations: Float[Tensor, "batch positions neurons"], reference: Reference
    ) -> Float[Tensor, "batch positions neurons"]:
        """Return zeros."""
        return torch.zeros_like(activations)
