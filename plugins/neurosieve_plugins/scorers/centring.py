"""Activations about their mean: what scores of differences of means sum."""

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

__all__ = ["centred", "sums_of_squares"]

# On a processor numpy reads float32 as float64 piece by piece, and leaves no copy of the whole in float64.
_NEURONS_AT_ONCE = 1024
"""Of so many neurons a GPU holds a copy in float64."""


def centred(activations: Float[Tensor, "positions neurons"]) -> Float32[Tensor, "positions neurons"]:
    """Return each neuron's activations less their mean: exactly 0 for a neuron that never changes."""
    if activations.device.type != "cpu":
        return _centred_on_a_gpu(activations)
    values = activations.float().numpy()
    # float64 holds the sum of up to 2^29 equal float32 numbers exactly, so that a constant leaves no rounding.
    mean = np.add.reduce(values, axis=0, dtype=np.float64) / max(1, len(values))
    about = np.empty_like(values)
    np.subtract(values, mean, out=about, dtype=np.float64, casting="same_kind")
    return torch.from_numpy(about)


def _centred_on_a_gpu(activations: Float[Tensor, "positions neurons"]) -> Float32[Tensor, "positions neurons"]:
    about = torch.empty_like(activations, dtype=torch.float32)
    for start in range(0, activations.shape[1], _NEURONS_AT_ONCE):
        values = activations[:, start : start + _NEURONS_AT_ONCE].float().double()
        about[:, start : start + _NEURONS_AT_ONCE] = values - values.sum(dim=0) / max(1, len(values))
    return about


def sums_of_squares(values: Float32[Tensor, "positions neurons"]) -> Float64[Tensor, "neurons"]:
    """Return the sum of each neuron's squares, taken in float64."""
    if values.device.type != "cpu":
        starts = range(0, values.shape[1], _NEURONS_AT_ONCE)
        return torch.cat([values[:, at : at + _NEURONS_AT_ONCE].double().square_().sum(dim=0) for at in starts])
    numbers = values.numpy()
    return torch.from_numpy(np.einsum("pn,pn->n", numbers, numbers, dtype=np.float64))
