"""Activations about their mean: what scores of differences of means sum."""

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

__all__ = ["centred", "sums_of_squares"]

# numpy reads float32 as float64 piece by piece, and leaves no copy of the whole in float64.


def centred(activations: Float[Tensor, "positions neurons"]) -> Float32[Tensor, "positions neurons"]:
    """Return each neuron's activations less their mean: exactly 0 for a neuron that never changes."""
    values = activations.float().cpu().numpy()
    # float64 holds the sum of up to 2^29 equal float32 numbers exactly, so that a constant leaves no rounding.
    mean = np.add.reduce(values, axis=0, dtype=np.float64) / max(1, len(values))
    about = np.empty_like(values)
    np.subtract(values, mean, out=about, dtype=np.float64, casting="same_kind")
    return torch.from_numpy(about).to(activations.device)


def sums_of_squares(values: Float32[Tensor, "positions neurons"]) -> Float64[Tensor, "neurons"]:
    """Return the sum of each neuron's squares, taken in float64."""
    numbers = values.cpu().numpy()
    return torch.from_numpy(np.einsum("pn,pn->n", numbers, numbers, dtype=np.float64)).to(values.device)
