"""Passes over a document, unedited and under edits: what the model expected at some tokens.

An edit changes nothing below its lowest layer: passes start there, from what the unedited pass kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve.ablation.completion_likelihood import LOGITS, keeps_logits
from neurosieve.ablation.editing_hooks import Edits
from neurosieve.ablation.measured_tokens import MeasuredToken
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import in_halves, memory_errors
from neurosieve.models.reading_hooks import evaluation_mode
from neurosieve.models.skipped_layers import kept_below, layers_to_start_at, started_at
from neurosieve.texts.draws import generator_of

__all__ = ["EditedPasses", "Forced"]

_PASS = 128
"""A pass takes about as long as so many tokens more in another one, on top of its own tokens."""


@dataclass(frozen=True)
class Forced:
    """What was measured: a row for each edit, a column for each measured token."""

    log_p: npt.NDArray[np.float64]
    """Of the token, unedited; one for each."""
    change: npt.NDArray[np.float64]
    """Of that log-probability, under each edit."""
    rest: npt.NDArray[np.float64]
    """The change of the mean log-probability of the further tokens of the span; nan where it has none."""
    kl: npt.NDArray[np.float64]
    """The divergence of the unedited distribution of the token from the edited one, at control positions; nan at
    onsets."""
    forward_passes: int
    tokens: int


class EditedPasses:
    """Reads documents, each once unedited and then in batches of rows under an edit each."""

    def __init__(self, model: LanguageModel, edits: Edits, seed: int, sample: npt.NDArray[np.integer[Any]]) -> None:
        """Find out, on the token ids of a sample text, at which layers passes can start."""
        self.model, self.edits, self.seed = model, edits, seed
        self.vocabulary = int(model.config.get_text_config().vocab_size)
        self.keeps = keeps_logits(model.module)
        lowest = [min(neuron.layer for neuron in edit.controls) for edit in edits.edits]
        possible = layers_to_start_at(model, edits.atlas, lowest, sample)
        self.starts = [max(layer for layer in possible if layer <= edited) for edited in lowest]
        # Half precision rounds otherwise in a batch of another size, by more than some effects.
        exact = torch.promote_types(model.dtype, torch.float32) == model.dtype
        self.beside: list[None] = [] if exact else [None]

    def document(self, measured: Sequence[MeasuredToken], budget: int) -> Iterator[tuple[Sequence[int], Forced]]:
        """Yield the numbers of some edits, none at first, and what they did to the tokens of one document."""
        text, device = _Text(measured, self.model.device), self.model.device
        length = len(text.ids)
        rows = min(budget // length, LOGITS // (len(text.expected) * self.vocabulary)) - len(self.beside)
        batches = self._batches(max(1, rows), length)
        starts = {min(self.starts[number] for number in batch) for batch in batches} - {0}

        def too_large(_: object) -> str:
            return (
                f"document `{measured[0].document.id}`, {length:,} tokens, does not fit into the memory of {device}: "
                "leave it out, or take a smaller dtype or model"
            )

        [(_, unedited)] = in_halves([[text]], lambda _: self._unedited(text, starts), device, too_large)
        yield [], text.forced(unedited.log_p, [], [], rows=1)
        yield from in_halves(batches, lambda batch: self._edited(text, unedited, batch), device, too_large)

    def _batches(self, rows: int, length: int) -> list[list[int]]:
        """Return which edits share a batch: at most so many, of starts so near that more passes would take longer."""
        layers, batches = len(self.edits.atlas.modules), list[list[int]]()
        for number in sorted(range(len(self.starts)), key=lambda number: -self.starts[number]):
            start, batch = self.starts[number], batches[-1] if batches else []
            needless = len(batch) * length * (self.starts[batch[-1]] - start) if batch else 0
            if batch and len(batch) < rows and needless <= _PASS * (layers - start):
                batch.append(number)
            else:
                batches.append([number])
        return batches

    def _unedited(self, text: "_Text", starts: set[int]) -> "_Unedited":
        with torch.inference_mode(), memory_errors(), kept_below(self.model, self.edits.atlas, starts) as below:
            [logits] = self._logits(text, [None])
            return _Unedited.of(logits, text, below)

    def _edited(self, text: "_Text", unedited: "_Unedited", batch: Sequence[int]) -> Forced:
        rows = [*self.beside, *batch]
        lowest = min(self.starts[number] for number in batch)
        # Half of a batch may start higher up than the batch that was planned.
        start = max((layer for layer in unedited.below if layer <= lowest), default=0)
        begun = started_at(self.model, self.edits.atlas, start, unedited.below[start], len(rows)) if start else None
        with torch.inference_mode(), memory_errors():
            with begun or nullcontext():
                logits = self._logits(text, rows)
            if self.beside:
                unedited, logits = _Unedited.of(logits[0], text, {}), logits[1:]
            # Row by row: a vocabulary is large.
            log_p, kl = zip(*(_compared(unedited.distribution, row, text) for row in logits), strict=True)
        return text.forced(unedited.log_p, log_p, kl, rows=len(rows))

    def _logits(self, text: "_Text", rows: Sequence[int | None]) -> Float[Tensor, "rows tokens vocabulary"]:
        """Run the model over a text in rows of an edit each, None where there is none."""
        # The same draws in each row: conditions differ by their edit alone.
        row_seed = int(generator_of(self.seed, text.id).integers(2**62))
        self.edits.begin([row_seed] * len(rows), [0] * len(rows), rows)
        module = self.model.module
        kept = {"logits_to_keep": text.before} if self.keeps else {}
        with evaluation_mode(module):
            logits: Tensor = module(input_ids=text.ids.expand(len(rows), -1), use_cache=False, **kept).logits
        return logits if self.keeps else logits[:, text.before]


class _Text:
    """A document up to the last token that is needed, and which of its tokens are."""

    def __init__(self, measured: Sequence[MeasuredToken], device: torch.device) -> None:
        document = measured[0].document
        needed = sorted({token for each in measured for token in (each.token, *each.further)})
        column_of = {token: column for column, token in enumerate(needed)}
        self.id = document.id
        # A token is expected at the one before it: nothing after that is read.
        self.ids = torch.from_numpy(document.token_ids[: needed[-1]]).long().to(device)
        self.before = torch.tensor([token - 1 for token in needed], device=device)
        self.expected = torch.from_numpy(document.token_ids[np.array(needed)]).long()
        self.columns = [column_of[each.token] for each in measured]
        self.further = [[column_of[token] for token in each.further] for each in measured]
        self.controls = [number for number, each in enumerate(measured) if each.label != 1]
        self.control_columns = torch.tensor([self.columns[number] for number in self.controls], dtype=torch.int64)

    def of_expected(self, log_p: Float[Tensor, "tokens vocabulary"]) -> Float[Tensor, "tokens"]:
        """Return the log-probability of the expected token at each place."""
        return log_p.gather(1, self.expected[:, None].to(log_p.device))[:, 0]

    def forced(self, unedited: Tensor, log_p: Sequence[Tensor], kl: Sequence[Tensor], rows: int) -> Forced:
        """Return what was measured of the tokens of the document, from what was of the needed ones."""
        before = unedited.double().cpu().numpy()
        change = np.array([row.double().cpu().numpy() - before for row in log_p]).reshape(-1, len(before))
        rest, divergence = (np.full((len(change), len(self.columns)), np.nan) for _ in "ab")
        for number, columns in enumerate(self.further):
            if columns:
                rest[:, number] = change[:, columns].mean(axis=1)
        for row, values in enumerate(kl):
            divergence[row, self.controls] = values.double().cpu().numpy()
        return Forced(before[self.columns], change[:, self.columns], rest, divergence, 1, rows * len(self.ids))


class _Unedited(NamedTuple):
    """What the unedited model gave."""

    log_p: Float[Tensor, "tokens"]
    distribution: Float[Tensor, "controls vocabulary"]
    """Log-probabilities at control positions."""
    below: Mapping[int, Any]
    """By layer, what left the one below it."""

    @classmethod
    def of(cls, logits: Float[Tensor, "tokens vocabulary"], text: _Text, below: Mapping[int, Any]) -> "_Unedited":
        log_p = _log_softmax(logits)
        return cls(text.of_expected(log_p), log_p[text.control_columns], below)


def _log_softmax(logits: Float[Tensor, "tokens vocabulary"]) -> Float[Tensor, "tokens vocabulary"]:
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)


def _compared(
    unedited: Float[Tensor, "controls vocabulary"], logits: Float[Tensor, "tokens vocabulary"], text: _Text
) -> tuple[Float[Tensor, "tokens"], Float[Tensor, "controls"]]:
    """Return the log-probabilities of the expected tokens, and the divergences of the unedited distributions."""
    edited = _log_softmax(logits)
    # Where the unedited model rules a token out, it adds nothing, whatever the edited one gives.
    p = unedited.exp()
    kl = torch.where(p > 0, p * (unedited - edited[text.control_columns]), 0).sum(dim=-1)
    return text.of_expected(edited), kl
