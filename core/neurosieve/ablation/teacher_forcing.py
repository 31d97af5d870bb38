"""The effect of edits on given texts: on the log-probability of each onset, and at what cost elsewhere."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from neurosieve.ablation.comparison import Measure, Observed
from neurosieve.ablation.conditions import Condition, columns_of
from neurosieve.ablation.hooks import Edits
from neurosieve.ablation.likelihood import LOGITS, keeps_logits
from neurosieve.ablation.measured_tokens import MeasuredToken, measured_tokens
from neurosieve.ablation.settings import Ablate
from neurosieve.errors import ModelError
from neurosieve.models.batches import batch_budget
from neurosieve.models.hooks import evaluation_mode
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import in_halves, memory_errors
from neurosieve.pipeline.reopening import Reopened
from neurosieve.texts.draws import generator_of

__all__ = ["NEGLIGIBLE", "Forced", "observe_forced", "teacher_forced"]

NEGLIGIBLE = 1e-4
"""A smaller change of a log-probability, in nats, counts as none: the model's arithmetic may round as much."""


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
    """The divergence of the unedited distribution of the token from the edited one."""
    forward_passes: int
    tokens: int


def observe_forced(
    opened: Reopened, behaviour: str, conditions: Sequence[Condition], settings: Ablate, announce: Callable[..., None]
) -> Observed:
    """Measure the conditions on held-out texts.

    Raises:
        NeurosieveError: there is nothing to measure, or the model cannot be read or edited.
    """
    counts: Counter[str] = Counter()
    table = opened.positions.table
    tokens, warnings = measured_tokens(
        opened.documents, table, behaviour, settings.documents or 40, settings.positions, settings.seed, counts
    )
    edits = Edits(opened.lm, opened.atlas, *(condition.edit for condition in conditions))
    budget = batch_budget(settings.tokens_per_batch, opened.lm)
    forced = teacher_forced(opened.lm, tokens, edits, settings.seed, budget, announce)
    warnings += [
        f"the {condition.edit.name} edit of {condition.k:,} neurons changed nothing: they have these values already"
        for number, condition in enumerate(conditions)
        if condition.set == "target" and not edits.changed(number)
    ]
    counts.update(forward_passes=forced.forward_passes, tokens=forced.tokens)
    measures = list(_measures(forced, tokens))
    # What a neuron does at the onset itself is too late for the onset, and shows in the rest of the span.
    with_verdict = sum(measure.name in ("log_p_onset", "log_p_rest") for measure in measures)
    tables = {"onsets": _table(forced, tokens, conditions, behaviour)}
    return Observed(measures, with_verdict, tables, edits.proof(), NEGLIGIBLE, dict(counts), warnings)


def _measures(forced: Forced, tokens: Sequence[MeasuredToken]) -> Iterator[Measure]:
    onset = np.array([token.label == 1 for token in tokens])
    for name, words, values, units in (
        ("log_p_onset", "the log-probability of the onset", forced.change, onset),
        ("log_p_rest", "the log-probability of the rest of the span", forced.rest, np.isfinite(forced.rest[0])),
        ("kl_control", "the KL divergence at control positions", forced.kl, ~onset),
        ("log_p_control", "the log-probability of the token at control positions", forced.change, ~onset),
    ):
        if units.any():
            groups = [token.document.group for token in compress(tokens, units)]
            yield Measure(name, words, groups, values[:, units], np.ones_like(values[:, units]))


def _table(
    forced: Forced, tokens: Sequence[MeasuredToken], conditions: Sequence[Condition], behaviour: str
) -> pd.DataFrame:
    """Return a row for each condition and measured token."""
    where = pd.DataFrame(
        [
            {
                "behaviour": behaviour,
                "document": document.id,
                "group": document.group,
                "token": token,
                "label": label,
                "text": document.text[document.starts[token] : document.ends[token]],
            }
            for document, token, label, _ in tokens
        ]
    )
    tables = [
        where.assign(
            **columns_of(condition),
            log_p_unedited=forced.log_p,
            log_p=forced.log_p + forced.change[number],
            log_p_rest_change=forced.rest[number],
            kl=forced.kl[number],
        )
        for number, condition in enumerate(conditions)
    ]
    return pd.concat(tables, ignore_index=True)


def teacher_forced(
    model: LanguageModel,
    measured: Sequence[MeasuredToken],
    edits: Edits,
    seed: int,
    tokens_per_batch: int,
    announce: Callable[..., None],
) -> Forced:
    """Read each document unedited and under every edit, in one batch, and compare what the model expected.

    Raises:
        ModelError: a document does not fit into memory, the model gives no numbers, or an edit did not take place.
    """
    shape = (len(edits.edits), len(measured))
    log_p, change, rest, kl = np.empty(len(measured)), np.empty(shape), np.full(shape, np.nan), np.empty(shape)
    passes = tokens = 0
    reader = _Reader(model, edits, seed)
    by_document: dict[str, list[int]] = {}
    for column, token in enumerate(measured):
        by_document.setdefault(token.document.id, []).append(column)
    with edits:
        for number, columns in enumerate(by_document.values(), 1):
            of_document = [measured[column] for column in columns]
            for numbers, forced in reader.document(of_document, tokens_per_batch):
                rows = np.ix_(numbers, columns)
                log_p[columns] = forced.log_p
                change[rows], rest[rows], kl[rows] = forced.change, forced.rest, forced.kl
                passes, tokens = passes + 1, tokens + forced.tokens
                announce("batch_read", documents=1, tokens=forced.tokens, positions=len(columns))
            announce("stage_progressed", stage="teacher forcing", done=number, total=len(by_document), unit="documents")
    if not (np.isfinite(change).all() and np.isfinite(kl).all()):
        raise ModelError(
            f"`{model.name}` in {str(model.dtype).removeprefix('torch.')} gave log-probabilities that are NaN or "
            "infinite: run it with `model.dtype=float32`, or a weaker edit"
        )
    return Forced(log_p, change, rest, kl, passes, tokens)


class _Reader:
    """Reads documents, each a batch of its own: the first row unedited, the others under an edit each."""

    def __init__(self, model: LanguageModel, edits: Edits, seed: int) -> None:
        self.model, self.edits, self.seed = model, edits, seed
        self.vocabulary = int(model.config.get_text_config().vocab_size)
        self.keeps = keeps_logits(model.module)

    def document(self, measured: Sequence[MeasuredToken], budget: int) -> Iterator[tuple[Sequence[int], Forced]]:
        """Yield the numbers of some edits, and what they did to the tokens of one document, until all are done."""
        needed = sorted({token for each in measured for token in (each.token, *each.further)})
        length = needed[-1]  # A token is expected at the one before it: nothing after that is read.
        rows = min(budget // length, LOGITS // (len(needed) * self.vocabulary))
        numbers, size = list(range(len(self.edits.edits))), max(1, rows - 1)
        yield from in_halves(
            [numbers[start : start + size] for start in range(0, len(numbers), size)],
            lambda batch: self._batch(measured, needed, batch),
            self.model.device,
            lambda _: (
                f"document `{measured[0].document.id}`, {length:,} tokens, does not fit into the memory of "
                f"{self.model.device} twice: leave it out, or take a smaller dtype or model"
            ),
        )

    def _batch(self, measured: Sequence[MeasuredToken], needed: Sequence[int], batch: Sequence[int]) -> Forced:
        document = measured[0].document
        device, rows = self.model.device, 1 + len(batch)
        ids = torch.from_numpy(document.token_ids[: needed[-1]]).long().to(device).expand(rows, -1)
        keep = torch.tensor([token - 1 for token in needed], device=device)
        # The same draws in each row: conditions differ by their edit alone.
        row_seed = int(generator_of(self.seed, document.id).integers(2**62))
        self.edits.begin([row_seed] * rows, [0] * rows, [None, *batch])
        module = self.model.module
        with torch.inference_mode(), memory_errors(), evaluation_mode(module):
            kept = {"logits_to_keep": keep} if self.keeps else {}
            logits = module(input_ids=ids, use_cache=False, **kept).logits
            logits = logits if self.keeps else logits[:, keep]
            expected = torch.from_numpy(document.token_ids[np.array(needed)]).long().to(logits.device)
            log_p, kl = (values.double().cpu().numpy() for values in _compare(logits, expected))
        column_of = {token: column for column, token in enumerate(needed)}
        columns = [column_of[each.token] for each in measured]
        change = log_p[1:] - log_p[0]
        rest = np.full((len(batch), len(measured)), np.nan)
        for number, each in enumerate(measured):
            if each.further:
                rest[:, number] = change[:, [column_of[token] for token in each.further]].mean(axis=1)
        return Forced(log_p[0, columns], change[:, columns], rest, kl[1:, columns], 1, rows * len(ids[0]))


def _compare(logits: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for each row and token, the log-probability of the expected token, and the KL of row 0 from the row."""
    unedited = logits[0].float().log_softmax(dim=-1)
    p = unedited.exp()
    log_p, kl = [], []
    for row in logits:  # Row by row: a vocabulary is large.
        edited = row.float().log_softmax(dim=-1)
        log_p.append(edited.gather(1, expected[:, None])[:, 0])
        # Where the unedited model rules a token out, it adds nothing, whatever the edited one gives.
        kl.append(torch.where(p > 0, p * (unedited - edited), 0).sum(dim=-1))
    return torch.stack(log_p), torch.stack(kl)
