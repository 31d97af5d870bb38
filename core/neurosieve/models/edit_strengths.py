"""Edits whose effect can be differentiated by their strength, which moves a neuron towards its replacement."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from neurosieve.data import Site
from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel

__all__ = ["EditsOfOneStrength"]


class EditsOfOneStrength:
    """Edits of some texts, all of one strength: at `editable` tokens each neuron moves towards its replacement.

    `strengths`, one for each text and neuron, are what derivatives are taken by.
    """

    def __init__(
        self,
        model: LanguageModel,
        atlas: Atlas,
        editable: Bool[Tensor, "rows positions"],
        replacements: Mapping[Site, Float[Tensor, "neurons"]],
        strength: float,
    ) -> None:
        self.model, self.atlas = model, atlas
        self.strengths: dict[Site, Float[Tensor, "rows neurons"]] = {}
        self.edits: dict[Site, Callable[[Tensor], Tensor]] = {}
        for site, replacement in replacements.items():
            device = next(atlas.module(model, site.layer).parameters()).device
            precision = torch.promote_types(model.dtype, torch.float32)
            shape = (len(editable), len(replacement))
            self.strengths[site] = torch.full(shape, strength, device=device, dtype=precision, requires_grad=True)
            values = replacement.to(device, model.dtype)
            self.edits[site] = partial(_edited, self.strengths[site], strength, values, editable.to(device))

    @contextmanager
    def made(self) -> Iterator[None]:
        """Let passes through the model make the edits."""
        with ExitStack() as stack:
            for site, edit in self.edits.items():
                _hook_projection(stack, self.model, self.atlas, site, edit)
            yield


class _Edited(torch.autograd.Function):
    """An edit, and its derivative by its strengths: how far each value is from its replacement is all that is kept."""

    @staticmethod
    def forward(
        context: Any,
        values: Float[Tensor, "rows positions neurons"],
        strengths: Float[Tensor, "rows neurons"],
        strength: float,
        replacement: Float[Tensor, "neurons"],
        editable: Bool[Tensor, "rows positions"],
    ) -> Float[Tensor, "rows positions neurons"]:
        # The same for every token that is asked for: of their passes back none computes it again.
        distances = (replacement - values).mul_(editable[..., None])
        context.save_for_backward(distances, editable)
        context.strength = strength
        return values + strength * distances if strength else values.view_as(values)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        distances, editable = context.saved_tensors
        by_strength = (distances * gradient).sum(dim=1, dtype=torch.promote_types(gradient.dtype, torch.float32))
        if context.strength:
            gradient = gradient * (1 - context.strength * editable.to(gradient.dtype))[..., None]
        return gradient if context.needs_input_grad[0] else None, by_strength, None, None, None


def _edited(
    strengths: Float[Tensor, "rows neurons"],
    strength: float,
    replacement: Float[Tensor, "neurons"],
    editable: Bool[Tensor, "rows positions"],
    activations: Tensor,
) -> Tensor:
    """Return what enters a projection under an edit; OPT flattens the batch before its MLP."""
    values = activations.reshape(*editable.shape, -1)
    edited: Tensor = _Edited.apply(values, strengths, strength, replacement, editable)  # type: ignore[no-untyped-call]
    return edited.reshape(activations.shape)


def _hook_projection(stack: ExitStack, model: LanguageModel, atlas: Atlas, site: Site, edit: Any) -> None:
    if model.bridge is not None:
        listener = (atlas.hook(site.layer), lambda value, hook: edit(value))
        stack.enter_context(model.bridge.hooks(fwd_hooks=[listener]))
        return
    projection = atlas.module(model, site.layer)
    stack.callback(projection.register_forward_pre_hook(lambda _, arguments: (edit(arguments[0]),)).remove)
