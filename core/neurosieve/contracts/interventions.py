"""What an intervention promises, which edits neurons while the model runs."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from neurosieve.data import Reference

__all__ = ["Intervention"]


class Intervention(ABC):
    """An edit of chosen neurons while the model runs."""

    @abstractmethod
    def edit(
        self, activations: Float[Tensor, "batch positions neurons"], reference: Reference
    ) -> Float[Tensor, "batch positions neurons"]:
        """Return what the chosen neurons are to hold in place of `activations`, which must not be changed."""
