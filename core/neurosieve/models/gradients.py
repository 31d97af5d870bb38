"""What an edit of each neuron would do to the log-probability of tokens, to first order: one gradient for all neurons.

An edit of strength `s` moves what enters a projection from `a` to `a + s (r - a)` at every token that `ablate` edits.
The derivative by the strengths, one for each text and neuron, is the sum over those tokens of `(r - a)` times the
gradient: the graph adds it up, and the gradients of single tokens are never held.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
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
from neurosieve.models.edit_strengths import EditsOfOneStrength
from neurosieve.models.head import before_head, gradients_at_head
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import memory_errors
from neurosieve.models.propagation import propagation_rules
from neurosieve.models.reading_hooks import TokenIds, Tokens, check_known, evaluation_mode

__all__ = ["edit_effects", "read_together"]

_SAVED_BYTES = 2**30
"""So many bytes a forward pass may save for the way back: as many documents are read together. Where one document alone
would save more, as many layers as need be are computed again instead."""
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
    counts: Counter[str] | None = None,
) -> dict[Site, Float[Tensor, "positions neurons"]]:
    """Return the effect of editing each neuron on the log-probability of tokens, in nats, to first order.

    A row is a token of a document, as in `read`: its log-probability given the text before it, or the mean over the
    `length` tokens from there on, as far as the document goes. The edit sets a neuron to its replacement at every
    earlier token but special ones. With `strengths` of all edits at once, effects are the mean over them: at midpoints
    of equal steps from 0 to 1 they are integrated gradients, and sum over all neurons to the effect of all edits.

    `counts` gains the passes forth, and back: one for a token of each document of a batch; and the tokens that went
    through the model forth, and the padding among them.

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
        if counts is not None:
            counts.update({name: len(strengths) * count for name, count in batch.passes().items()})
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
        self.padding = ids.size - sum(ends) + len(ends)
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

    def passes(self) -> dict[str, int]:
        """Return what a gradient of each unit takes."""
        tokens = self.ids.numel()
        return {"forward_passes": 1, "backward_passes": self.before.shape[1], "tokens": tokens, "padding": self.padding}

    def log_probabilities(
        self, logits: Float[Tensor, "units length vocabulary"], units: slice
    ) -> Float[Tensor, "units"]:
        """Return the log-probability of some of the units that are asked for, the mean over its tokens."""
        expected, counted = (part[self.asked][units].to(logits.device) for part in (self.expected, self.counted))
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        log_p = logits.log_softmax(dim=-1).gather(-1, expected[..., None])[..., 0]
        return (log_p * counted).sum(dim=-1) / counted.sum(dim=-1)

    @property
    def asked(self) -> Bool[Tensor, "rows units"]:
        """Which units of each row are asked for: some documents have fewer than others."""
        return self.counted.any(dim=-1)


def _effects_at(
    model: LanguageModel, atlas: Atlas, batch: _Batch, replacements: Mapping[Site, Tensor], strength: float
) -> dict[Site, Tensor]:
    """Return the derivatives by the strength of each edit, where all of them have a given strength."""
    module = model.module
    with _frozen(module), evaluation_mode(module), memory_errors(), torch.enable_grad():
        edits = EditsOfOneStrength(model, atlas, batch.editable, replacements, strength)
        saved = batch.ids.numel() * _saved_bytes(model, atlas, replacements)
        again = saved > _SAVED_BYTES
        with (
            edits.made(),
            _recomputed(model, atlas, replacements, 1 - _SAVED_BYTES / saved) if again else nullcontext(),
        ):
            hidden = before_head(model, batch.ids, batch.before)
        gradients = _gradients_by(model, batch, hidden.detach())
        # Where layers are computed again on the way back, they are so once for several units, as far as memory goes.
        at_once = int(_SAVED_BYTES // (saved / _layers_above(atlas, replacements) / 2)) if again else 1
        with edits.made():
            return _on_the_way_back(batch, edits.strengths, hidden, gradients, max(1, at_once))


def _gradients_by(
    model: LanguageModel, batch: _Batch, hidden: Float[Tensor, "rows units length width"]
) -> Float[Tensor, "rows units length width"]:
    """Return the gradient of each unit's log-probability by what enters the LM head for it; 0 where none is asked."""
    asked = batch.asked.to(hidden.device)
    at_once = max(1, _LOGITS // (hidden.shape[2] * int(model.config.get_text_config().vocab_size)))
    gradients = torch.zeros_like(hidden)
    gradients[asked] = gradients_at_head(model, hidden[asked], batch.log_probabilities, at_once)
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
    start = 0
    while start < units:
        part = range(start, min(start + at_once, units))
        try:
            derivatives = _derivatives(hidden, gradients, part, list(strengths.values()))
        except RuntimeError:
            if at_once == 1:
                raise
            at_once = 1  # Not every operation can go back for several at once, and several may not fit into memory.
            continue
        for site, of_units in zip(strengths, derivatives, strict=True):
            for unit, derivative in zip(part, of_units, strict=True):
                # Rows do not depend on each other: one pass back serves a unit of each.
                having = [row for row, wanted in enumerate(batch.units) if unit < len(wanted)]
                total[site][first[having] + unit] = derivative[having].float()
        start = part.stop
    return total


def _derivatives(
    hidden: Float[Tensor, "rows units length width"],
    gradients: Float[Tensor, "rows units length width"],
    part: range,
    strengths: list[Float[Tensor, "rows neurons"]],
) -> list[Float[Tensor, "part rows neurons"]]:
    """Return the derivatives of some of the units by the strengths, in one pass back."""
    of_units = gradients.new_zeros(len(part), *gradients.shape)
    for number, unit in enumerate(part):
        of_units[number, :, unit] = gradients[:, unit]
    last = len(part) == 1 and part.stop == hidden.shape[1]
    if len(part) == 1:
        return [each[None] for each in torch.autograd.grad(hidden, strengths, of_units[0], retain_graph=not last)]
    return list(torch.autograd.grad(hidden, strengths, of_units, is_grads_batched=True, retain_graph=True))


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
def _recomputed(model: LanguageModel, atlas: Atlas, sites: Mapping[Site, Tensor], share: float) -> Iterator[None]:
    """Save, of a share of the layers, what enters each alone, and compute the layer again on the way back."""
    lowest = min(site.layer for site in sites)
    layers = range(lowest, lowest + math.ceil(share * _layers_above(atlas, sites)))
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
