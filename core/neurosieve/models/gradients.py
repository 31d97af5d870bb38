"""What an edit of each neuron would do to the log-probability of tokens, to first order: one gradient for all neurons.

An edit of strength `s` moves what enters a projection from `a` to `a + s (r - a)` at every token that `ablate` edits.
The derivative by the strengths, one for each text and neuron, is the sum over those tokens of `(r - a)` times the
gradient: the graph adds it up, and the gradients of single tokens are never held.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from neurosieve.data import Site
from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas
from neurosieve.models.blocks import block_of, replaced_forwards
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import memory_errors
from neurosieve.models.propagation import propagation_rules
from neurosieve.models.reading_hooks import TokenIds, Tokens, check_known, evaluation_mode

__all__ = ["edit_effects", "read_together"]

_SAVED_BYTES = 2**30
"""So many bytes a forward pass may save for the way back: as many documents are read together. Where one document alone
would save more, each layer is computed again instead."""
_LOGITS = 2**25
"""So many logits are held at once."""
_PER_NEURON, _PER_DIMENSION = 5, 16
"""Roughly so many values a layer saves of each token, for each of its neurons and of its dimensions."""


def edit_effects(
    model: LanguageModel,
    atlas: Atlas,
    token_ids: TokenIds,
    tokens: Tokens,
    replacements: Mapping[Site, Float[Tensor, "neurons"]],
    strengths: Sequence[float] = (0.0,),
    length: int = 1,
    rules: Literal["gradient", "relevance"] = "gradient",
) -> dict[Site, Float[Tensor, "positions neurons"]]:
    """Return the effect of editing each neuron on the log-probability of tokens, in nats, to first order.

    A row is a token of a document, as in `read`: its log-probability given the text before it, or the mean over the
    `length` tokens from there on, as far as the document goes. The edit sets a neuron to its replacement at every
    earlier token but special ones. With `strengths` of all edits at once, effects are the mean over them: at midpoints
    of equal steps from 0 to 1 they are integrated gradients, and sum over all neurons to the effect of all edits.

    Source: attribution patching, Syed et al. (2023), arXiv 2310.10348;
    integrated gradients, Sundararajan et al. (2017).

    Raises:
        ModelError: the model gives no gradients, or such as are not finite.
        ConfigError: the sites enter no projection.
        ValueError: one of the tokens is the first of its document.
        MemoryError: the batch does not fit into the device's memory.
    """
    check_known(model, token_ids)
    _check_differentiable(model)
    atlas.check_editable()
    pieces = []
    for documents in read_together(model, atlas, list(map(len, token_ids)), replacements):
        batch = _Batch(model, token_ids[documents], tokens[documents], length)
        with propagation_rules(model, atlas) if rules == "relevance" else nullcontext():
            at_strengths = [_effects_at(model, atlas, batch, replacements, strength) for strength in strengths]
        pieces.append(
            {site: torch.stack([effects[site] for effects in at_strengths]).mean(dim=0).cpu() for site in replacements}
        )
    effects = {site: torch.cat([piece[site] for piece in pieces]) for site in replacements}
    _check_finite(model, effects)
    return effects


def read_together(
    model: LanguageModel, atlas: Atlas, lengths: Sequence[int], sites: Collection[Site]
) -> Iterator[slice]:
    """Yield which of some documents, in their order, go through the model together: by what their layers save."""
    bytes_of_token = _saved_bytes(model, atlas, sites)
    start = longest = 0
    for number, length in enumerate(lengths):
        longest, rows = max(longest, length), number + 1 - start
        if rows > 1 and rows * longest * bytes_of_token > _SAVED_BYTES:
            yield slice(start, number)
            start, longest = number, length
    yield slice(start, len(lengths))


class _Batch:
    """Documents, padded to rows of one length, and the tokens whose log-probabilities are asked for.

    Raises:
        ValueError: one of the tokens is the first of its document.
    """

    def __init__(self, model: LanguageModel, token_ids: TokenIds, tokens: Tokens, length: int) -> None:
        self.units = [np.asarray(wanted) for wanted in tokens]
        if any((wanted < 1).any() for wanted in self.units):
            raise ValueError("the first token of a text follows nothing, and has no log-probability: leave it out")
        ends = [min(int(wanted[-1]) + length, len(ids)) for ids, wanted in zip(token_ids, self.units, strict=True)]
        # Padded on the right and causal: no token sees the padding. What a token is expected at stands before it.
        ids = np.zeros((len(token_ids), max(ends) - 1), dtype=np.int64)
        editable = np.zeros(ids.shape, dtype=np.bool_)
        special = sorted(set(model.tokenizer.all_special_ids))
        units = max(map(len, self.units))
        before = np.zeros((len(ids), units, length), dtype=np.int64)
        expected, counted = np.zeros_like(before), np.zeros(before.shape, dtype=np.bool_)
        for row, (document, wanted, end) in enumerate(zip(token_ids, self.units, ends, strict=True)):
            ids[row, : end - 1] = document[: end - 1]
            editable[row, : end - 1] = ~np.isin(document[: end - 1], special)
            targets = wanted[:, None] + np.arange(length)
            inside = targets < end
            targets = np.where(inside, targets, wanted[:, None])
            before[row, : len(wanted)], counted[row, : len(wanted)] = targets - 1, inside
            expected[row, : len(wanted)] = np.asarray(document)[targets]
        device = model.device
        self.ids, self.editable, self.before, self.expected, self.counted = (
            torch.from_numpy(array).to(device) for array in (ids, editable, before, expected, counted)
        )

    def log_probabilities(
        self, logits: Float[Tensor, "rows places vocabulary"], units: slice
    ) -> Float[Tensor, "rows units"]:
        """Return the log-probability of some units of each row, the mean over its tokens."""
        expected, counted = self.expected[:, units].to(logits.device), self.counted[:, units].to(logits.device)
        log_p = (
            logits.to(torch.promote_types(logits.dtype, torch.float32))
            .log_softmax(dim=-1)
            .gather(-1, expected.flatten(1)[..., None])
        )
        return (log_p.view(expected.shape) * counted).sum(dim=-1) / counted.sum(dim=-1).clamp(min=1)


def _effects_at(
    model: LanguageModel, atlas: Atlas, batch: _Batch, replacements: Mapping[Site, Tensor], strength: float
) -> dict[Site, Tensor]:
    """Return the derivatives by the strength of each edit, where all of them have a given strength."""
    module = model.module
    with _frozen(module), evaluation_mode(module), memory_errors(), torch.enable_grad():
        edits = _Edits(model, atlas, batch, replacements, strength)
        saved = batch.ids.numel() * _saved_bytes(model, atlas, replacements)
        again = saved > _SAVED_BYTES
        with edits.made(), _recomputed(model, atlas, replacements) if again else nullcontext():
            hidden = _before_the_head(model, batch)
        gradients = _gradients_at_the_head(model, batch, hidden.detach())
        # Where layers are computed again on the way back, they are so once for several units, as far as memory goes.
        at_once = int(_SAVED_BYTES // (saved / _layers_above(atlas, replacements) / 2)) if again else 1
        with edits.made():
            return _on_the_way_back(batch, edits.strengths, hidden, gradients, max(1, at_once))


class _Edits:
    """Edits of a batch, all at one strength, and the strengths that derivatives are taken by."""

    def __init__(
        self, model: LanguageModel, atlas: Atlas, batch: _Batch, replacements: Mapping[Site, Tensor], strength: float
    ) -> None:
        self.model, self.atlas = model, atlas
        self.strengths: dict[Site, Float[Tensor, "rows neurons"]] = {}
        self.edits: dict[Site, Callable[[Tensor], Tensor]] = {}
        for site, replacement in replacements.items():
            device = next(atlas.module(model, site.layer).parameters()).device
            precision = torch.promote_types(model.dtype, torch.float32)
            shape = (len(batch.ids), len(replacement))
            self.strengths[site] = torch.full(shape, strength, device=device, dtype=precision, requires_grad=True)
            values = replacement.to(device, model.dtype)
            self.edits[site] = partial(_edited, self.strengths[site], strength, values, batch.editable.to(device))

    @contextmanager
    def made(self) -> Iterator[None]:
        """Let passes through the model make the edits."""
        with ExitStack() as stack:
            for site, edit in self.edits.items():
                _hook_projection(stack, self.model, self.atlas, site, edit)
            yield


def _before_the_head(model: LanguageModel, batch: _Batch) -> Float[Tensor, "rows units length width"]:
    """Run the model up to its LM head, and return what would enter that where tokens are expected.

    A vocabulary is large: nothing of the head is kept for the way back.
    """
    entering: list[Tensor] = []

    def reach(_: Any, arguments: tuple[Tensor, ...]) -> None:
        places = batch.before.flatten(1).to(arguments[0].device)
        gathered = arguments[0].gather(1, places[..., None].expand(-1, -1, arguments[0].shape[-1]))
        entering.append(gathered.view(*batch.before.shape, -1))
        raise _HeadReachedError

    with _head_hook(model, reach), suppress(_HeadReachedError):
        model.module(input_ids=batch.ids, use_cache=False)
    return entering[0]


class _HeadReachedError(Exception):
    """Raised inside the forward pass before the LM head."""


def _gradients_at_the_head(
    model: LanguageModel, batch: _Batch, hidden: Float[Tensor, "rows units length width"]
) -> Float[Tensor, "rows units length width"]:
    """Return the gradient of each unit's log-probability by what enters the head for it.

    Places do not depend on each other there: a few units at a time go through the head, of however many.
    """
    entering: list[Tensor] = []

    def replace(_: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (entering[0], *arguments[1:])

    vocabulary = int(model.config.get_text_config().vocab_size)
    rows, units, length, width = hidden.shape
    at_once = max(1, _LOGITS // (rows * length * vocabulary))
    gradients = torch.empty_like(hidden)
    with _head_hook(model, replace):
        for start in range(0, units, at_once):
            part = slice(start, start + at_once)
            entering[:] = [hidden[:, part].flatten(1, 2).requires_grad_()]
            # What the model's code does behind the head, such as capping logits, is done; of the text it needs nothing.
            logits = model.module(input_ids=batch.ids[:1, :1], use_cache=False).logits
            [gradient] = torch.autograd.grad(batch.log_probabilities(logits, part).sum(), entering)
            gradients[:, part] = gradient.view(rows, -1, length, width)
    return gradients


def _on_the_way_back(
    batch: _Batch,
    strengths: Mapping[Site, Float[Tensor, "rows neurons"]],
    hidden: Float[Tensor, "rows units length width"],
    gradients: Float[Tensor, "rows units length width"],
    at_once: int,
) -> dict[Site, Float[Tensor, "positions neurons"]]:
    """Return the derivatives of each unit's log-probability by the strengths, document by document.

    `at_once` units share a pass back. That takes as long as a pass for each, unless layers are computed again for it.
    """
    positions, units = sum(map(len, batch.units)), hidden.shape[1]
    total = {site: strength.new_zeros(positions, strength.shape[-1]).float() for site, strength in strengths.items()}
    first = np.cumsum([0, *map(len, batch.units)])[:-1]
    for start in range(0, units, at_once):
        part = range(start, min(start + at_once, units))
        of_units = gradients.new_zeros(len(part), *gradients.shape)
        for number, unit in enumerate(part):
            of_units[number, :, unit] = gradients[:, unit]
        several = len(part) > 1
        by_strength = torch.autograd.grad(
            hidden,
            list(strengths.values()),
            of_units if several else of_units[0],
            is_grads_batched=several,
            retain_graph=part.stop < units,
        )
        for site, derivatives in zip(strengths, by_strength, strict=True):
            for unit, derivative in zip(part, derivatives if several else derivatives[None], strict=True):
                # Rows do not depend on each other: one pass back serves a unit of each.
                having = [row for row, wanted in enumerate(batch.units) if unit < len(wanted)]
                total[site][first[having] + unit] = derivative[having].float()
    return total


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
    edited: Tensor = _Edited.apply(values, strengths, strength, replacement, editable)
    return edited.reshape(activations.shape)


def _hook_projection(stack: ExitStack, model: LanguageModel, atlas: Atlas, site: Site, edit: Any) -> None:
    if model.bridge is not None:
        listener = (atlas.hook(site.layer), lambda value, hook: edit(value))
        stack.enter_context(model.bridge.hooks(fwd_hooks=[listener]))
        return
    projection = atlas.module(model, site.layer)
    stack.callback(projection.register_forward_pre_hook(lambda _, arguments: (edit(arguments[0]),)).remove)


def _head(model: LanguageModel) -> Any:
    head = model.module.get_output_embeddings()
    if model.has_no_head or head is None:
        raise ModelError(
            f"`{model.name}` has no LM head, and gives no probabilities of tokens that an edit could change: load it "
            "with `AutoModelForCausalLM`"
        )
    return head


@contextmanager
def _head_hook(model: LanguageModel, hook: Any) -> Iterator[None]:
    handle = _head(model).register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _saved_bytes(model: LanguageModel, atlas: Atlas, sites: Collection[Site]) -> int:
    """Return roughly how many bytes the forward pass saves of each token for the way back."""
    layers = _layers_above(atlas, sites)
    width = model.config.get_text_config().hidden_size
    values = layers * (_PER_NEURON * atlas.neurons + _PER_DIMENSION * width)
    return int(values * torch.empty((), dtype=model.dtype).element_size())


def _layers_above(atlas: Atlas, sites: Collection[Site]) -> int:
    """Return how many layers there are from the lowest edit on."""
    return len(atlas.modules) - min(site.layer for site in sites)


@contextmanager
def _recomputed(model: LanguageModel, atlas: Atlas, sites: Mapping[Site, Tensor]) -> Iterator[None]:
    """Save what enters each layer alone, and compute the layer again on the way back."""
    layers = range(min(site.layer for site in sites), len(atlas.modules))
    blocks = [block_of(model, atlas, layer) for layer in layers]
    forwards = [partial(checkpoint, block.forward, use_reentrant=False) for block in blocks]
    with replaced_forwards(blocks, forwards):
        yield


@contextmanager
def _frozen(module: Any) -> Iterator[None]:
    """Ask for no gradients of weights, and leave a model that was handed over as it was."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _check_differentiable(model: LanguageModel) -> None:
    """Raise ModelError where the weights give no gradients."""
    parameters = list(model.module.parameters())
    reason = ""
    if any(parameter.is_inference() for parameter in parameters):
        reason = "its weights were loaded in `torch.inference_mode()`: load it outside of it"
    elif getattr(model.config, "quantization_config", None) or not all(p.is_floating_point() for p in parameters):
        reason = "its weights are quantized: load it in `bfloat16` or `float32`"
    elif any(
        hasattr(part, "_orig_mod") or getattr(part, "_compiled_call_impl", None) for part in model.module.modules()
    ):
        reason = "it is compiled: hand over the model before `torch.compile`"
    if reason:
        raise ModelError(f"attribution needs gradients, and `{model.name}` gives none, because {reason}")


def _check_finite(model: LanguageModel, effects: Mapping[Site, Tensor]) -> None:
    layers = [str(site.layer) for site, values in effects.items() if not torch.isfinite(values).all()]
    if layers:
        raise ModelError(
            f"`{model.name}` in {model.dtype_name} gave gradients that are NaN or infinite, in layer "
            f"{', '.join(layers)}; nothing was scored: run it with `model.dtype=float32`, or check its weights"
        )
