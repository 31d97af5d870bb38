"""What an edit of each neuron would do to the log-probability of tokens, to first order: one gradient for all neurons.

An edit of strength `s` moves what enters a projection from `a` to `a + s (r - a)` at every token that `ablate` edits.
The derivative by the strengths, one for each text and neuron, is the sum over those tokens of `(r - a)` times the
gradient: the graph adds it up, and the gradients of single tokens are never held.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
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

__all__ = ["edit_effects"]

_SAVED_BYTES = 2**30
"""So many bytes a forward pass may save for the way back: as many documents are read together. Where one document alone
would save more, each layer is computed again instead."""
_LOGITS = 2**25
"""So many logits are differentiated at once."""
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
    for documents in _pieces(model, atlas, token_ids, tokens, replacements, length):
        batch = _Batch(model, token_ids[documents], tokens[documents], length)
        with propagation_rules(model, atlas) if rules == "relevance" else nullcontext():
            at_strengths = [_effects_at(model, atlas, batch, replacements, strength) for strength in strengths]
        pieces.append(
            {site: torch.stack([effects[site] for effects in at_strengths]).mean(dim=0).cpu() for site in replacements}
        )
    effects = {site: torch.cat([piece[site] for piece in pieces]) for site in replacements}
    _check_finite(model, effects)
    return effects


def _pieces(
    model: LanguageModel,
    atlas: Atlas,
    token_ids: TokenIds,
    tokens: Tokens,
    sites: Mapping[Site, Tensor],
    length: int,
) -> Iterator[slice]:
    """Yield documents that are read together, in their order."""
    vocabulary = int(model.config.get_text_config().vocab_size)
    bytes_of_token = _saved_bytes(model, atlas, sites)
    start = longest = units = 0
    for number, (ids, wanted) in enumerate(zip(token_ids, tokens, strict=True)):
        longest, units, rows = max(longest, len(ids)), max(units, len(wanted)), number + 1 - start
        if rows > 1 and (
            rows * longest * bytes_of_token > _SAVED_BYTES or rows * units * length * vocabulary > _LOGITS
        ):
            yield slice(start, number)
            start, longest, units = number, len(ids), len(wanted)
    yield slice(start, len(token_ids))


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

    def log_probabilities(self, logits: Float[Tensor, "rows places vocabulary"]) -> Float[Tensor, "rows units"]:
        """Return the log-probability of each unit of each row, the mean over its tokens."""
        expected, counted = self.expected.to(logits.device), self.counted.to(logits.device)
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
    rows, module = len(batch.ids), model.module
    strengths: dict[Site, Tensor] = {}
    with ExitStack() as stack:
        for context in (_frozen(module), evaluation_mode(module), memory_errors(), torch.enable_grad()):
            stack.enter_context(context)
        for site, replacement in replacements.items():
            projection = atlas.module(model, site.layer)
            device, dtype = next(projection.parameters()).device, model.dtype
            shape = (rows, 1, len(replacement))
            strengths[site] = torch.full(shape, strength, device=device, dtype=dtype, requires_grad=True)
            edit = partial(_edited, strengths[site], replacement.to(device, dtype), batch.editable.to(device))
            _hook_projection(stack, model, atlas, site, edit)
        stack.callback(_head(model).register_forward_pre_hook(partial(_gathered, batch.before)).remove)
        if batch.ids.numel() * _saved_bytes(model, atlas, replacements) > _SAVED_BYTES:
            stack.enter_context(_recomputed(model, atlas, replacements))
        log_p = batch.log_probabilities(module(input_ids=batch.ids, use_cache=False).logits)
        total = {
            site: strength.new_zeros(sum(map(len, batch.units)), strength.shape[-1]).float()
            for site, strength in strengths.items()
        }
        units = log_p.shape[1]
        first = np.cumsum([0, *map(len, batch.units)])[:-1]
        for unit in range(units):
            # Rows do not depend on each other: the gradient of their sum is the gradient of each.
            gradients = torch.autograd.grad(
                log_p[:, unit].sum(), list(strengths.values()), retain_graph=unit < units - 1
            )
            having = [row for row, wanted in enumerate(batch.units) if unit < len(wanted)]
            for site, gradient in zip(strengths, gradients, strict=True):
                total[site][first[having] + unit] = gradient[having, 0].float()
    return total


def _edited(
    strength: Float[Tensor, "rows 1 neurons"],
    replacement: Float[Tensor, "neurons"],
    editable: Bool[Tensor, "rows positions"],
    activations: Tensor,
) -> Tensor:
    """Return what enters a projection under an edit; OPT flattens the batch before its MLP."""
    values = activations.reshape(*editable.shape, -1)
    edited = values + strength * editable[..., None] * (replacement - values)
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


def _gathered(before: Int[Tensor, "rows units length"], _: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Keep, of what enters the LM head, the places where a token is expected: a vocabulary is large."""
    hidden = arguments[0]
    places = before.flatten(1).to(hidden.device)
    return (hidden.gather(1, places[..., None].expand(-1, -1, hidden.shape[-1])), *arguments[1:])


def _saved_bytes(model: LanguageModel, atlas: Atlas, sites: Mapping[Site, Tensor]) -> int:
    """Return roughly how many bytes the forward pass saves of each token for the way back."""
    layers = len(atlas.modules) - min(site.layer for site in sites)
    width = model.config.get_text_config().hidden_size
    values = layers * (_PER_NEURON * atlas.neurons + _PER_DIMENSION * width)
    return int(values * torch.empty((), dtype=model.dtype).element_size())


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
