"""Keep neurons within their usual range."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve import ConfigError, Intervention, Reference

__all__ = ["Clamp"]


@dataclass(frozen=True)
class Clamp(Intervention):
    """Each neuron stays between two quantiles of its own activations at control positions.

    Usual activations stay the same; only bursts, such as those at a behaviour, are cut.

    >>> import torch
    >>> reference = Reference(controls=torch.arange(101.0)[:, None], draws=torch.zeros(1, 3))
    >>> Clamp(low=0.05, high=0.95).edit(torch.tensor([[[-7.0], [50.0], [99.0]]]), reference).flatten().tolist()
    [5.0, 50.0, 95.0]
    """

    low: float = 0.05
    high: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise ConfigError(
                f"the intervention `clamp` goes from quantile {self.low} to {self.high}: give `low` and `high` "
                "from 0 to 1, such as 0.05 and 0.95"
            )

    def edit(
        self, activations: Float[Tensor, "batch positions neurons"], reference: Reference
    ) -> Float[Tensor, "batch positions neurons"]:
        """Return the activations, cut to their neuron's quantiles."""
        ordered = reference.controls.to(activations).sort(dim=0).values  # `torch.quantile` refuses large tensors.
        return activations.clamp(_quantile(ordered, self.low), _quantile(ordered, self.high))


def _quantile(ordered: Float[Tensor, "controls neurons"], share: float) -> Float[Tensor, "neurons"]:
    """Return each neuron's quantile, interpolated between the two nearest of its values."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return torch.lerp(ordered[below], ordered[above], place - below)
