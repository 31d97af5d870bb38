"""Activations about their mean: what scores of differences of means sum."""

from jaxtyping import Float, Float32
from torch import Tensor

__all__ = ["centred"]


def centred(activations: Float[Tensor, "positions neurons"]) -> Float32[Tensor, "positions neurons"]:
    """Return each neuron's activations less their mean: exactly 0 for a neuron that never changes."""
    values = activations.double()
    # About the first, so that a constant leaves no rounding.
    values = values - values[:1]
    return (values - values.mean(dim=0)).float()
