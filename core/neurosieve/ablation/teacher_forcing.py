"""The effect of edits on given texts: on the log-probability of each onset, and at what cost elsewhere."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import compress

import numpy as np
import pandas as pd

from neurosieve.ablation.comparison import Measure, Observed
from neurosieve.ablation.conditions import Condition, columns_of
from neurosieve.ablation.edited_passes import EditedPasses, Forced
from neurosieve.ablation.editing_hooks import Edits
from neurosieve.ablation.measured_tokens import MeasuredToken, measured_tokens
from neurosieve.ablation.settings import Ablate
from neurosieve.errors import ModelError
from neurosieve.models.batches import batch_budget
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.reopening import Reopened

__all__ = ["NEGLIGIBLE", "observe_forced", "teacher_forced"]

NEGLIGIBLE = 1e-4
"""A smaller change of a log-probability, in nats, counts as none: the model's arithmetic may round as much."""


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
    """Return a row for each condition and measured token; `kl` is nan at onsets, and measured at control positions."""
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
    """Read each document once unedited, then under every edit, and compare what the model expected.

    Passes under an edit start at its lowest edited layer, where the model allows it: what leaves the layers below is
    kept from the unedited pass.

    Raises:
        ModelError: a document does not fit into memory, the model gives no numbers, or an edit did not take place.
    """
    shape = (len(edits.edits), len(measured))
    log_p, change, rest, kl = np.empty(len(measured)), np.empty(shape), np.empty(shape), np.empty(shape)
    passes = tokens = 0
    reader = EditedPasses(model, edits, seed, measured[0].document.token_ids)
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
    controls = [column for column, token in enumerate(measured) if token.label != 1]
    if not (np.isfinite(change).all() and np.isfinite(kl[:, controls]).all()):
        raise ModelError(
            f"`{model.name}` in {str(model.dtype).removeprefix('torch.')} gave log-probabilities that are NaN or "
            "infinite: run it with `model.dtype=float32`, or a weaker edit"
        )
    return Forced(log_p, change, rest, kl, passes, tokens)
