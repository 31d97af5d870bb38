"""Add a constant to neurons."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from neurosieve import ConfigError, Intervention, Reference

__all__ = ["Add"]


@dataclass(frozen=True)
class Add(Intervention):
    """Each neuron is `amount` of its own standard deviations higher; a negative amount makes it lower.

    The standard deviation is that over control positions. To steer a model, start with 1 to 5.

    >>> import torch
    >>> reference = Reference(controls=torch.tensor([[1.0], [3.0]]), draws=torch.zeros(1, 2))
    >>> Add(amount=2.0).edit(torch.tensor([[[5.0], [-5.0]]]), reference).flatten().tolist()
    [7.0, -3.0]
    """

    amount: float = 1.0

    def __post_init__(self) -> None:
        if not abs(self.amount) < float("inf"):
            raise ConfigError(f"`amount` of the intervention `add` is {self.amount}: give a finite number, such as 1")

    def edit(
        self, activations: Float[Tensor, "batch positions neurons"], reference: Reference
    ) -> Float[Tensor, "batch positions neurons"]:
        """Return the activations, each with its neuron's share added."""
        return activations + self.amount * reference.controls.std(dim=0, correction=0).to(activations)
