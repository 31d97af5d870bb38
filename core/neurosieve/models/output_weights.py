"""What a neuron writes when it is 1: its weights in the projection that it enters."""

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel

__all__ = ["is_plain", "output_weights"]

_PLAIN = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
"""Shorter floats are quantized weights: they are scaled by numbers that stand elsewhere."""


def output_weights(model: LanguageModel, atlas: Atlas, layer: int, what_for: str) -> Float[Tensor, "neurons width"]:
    """Return the weights of a layer's projection, a row a neuron, as the model keeps them: they are not copied.

    Raises:
        ModelError: they are quantized, so that `what_for` is not known.
    """
    from transformers.pytorch_utils import Conv1D

    projection = atlas.module(model, layer)
    # A TransformerBridge puts its own module around the model's.
    projection = getattr(projection, "original_component", None) or projection
    weight = getattr(projection, "weight", None)
    if weight is None or not is_plain(weight):
        raise ModelError(
            f"{what_for} of `{model.name}` are not known: the weights of `{atlas.modules[layer]}` are quantized; load "
            "the model unquantized, in bfloat16 or float32"
        )
    # GPT-2 keeps its weights as `[neurons, width]`, all others as `[width, neurons]`.
    by_neuron: Tensor = weight if isinstance(projection, Conv1D) else weight.T
    return by_neuron


def is_plain(weight: Tensor) -> bool:
    """Return whether weights are a matrix of plain numbers, and not quantized."""
    # A quantized tensor may pass for a float, but is of a class of its own.
    return type(weight) in (Tensor, torch.nn.Parameter) and weight.dtype in _PLAIN and weight.ndim == 2
