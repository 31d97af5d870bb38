"""Multiply neurons by a factor."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from neurosieve import ConfigError, Intervention, Reference

__all__ = ["Scale"]


@dataclass(frozen=True)
class Scale(Intervention):
    """Neurons are multiplied by `factor`: 2 doubles them, -1 changes their sign.

    >>> import torch
    >>> reference = Reference(controls=torch.tensor([[1.0], [3.0]]), draws=torch.zeros(1, 2))
    >>> Scale(factor=2.0).edit(torch.tensor([[[5.0], [-5.0]]]), reference).flatten().tolist()
    [10.0, -10.0]
    """

    factor: float = 2.0

    def __post_init__(self) -> None:
        if not abs(self.factor) < float("inf"):
            raise ConfigError(f"`factor` of the intervention `scale` is {self.factor}: give a finite number, such as 2")

    def edit(
        self, activations: Float[Tensor, "batch positions neurons"], reference: Reference
    ) -> Float[Tensor, "batch positions neurons"]:
        """Return the activations, scaled."""
        return activations * self.factor
