"""What edits do to texts as they stand: to the log-probability of each onset, and at what cost elsewhere."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from neurosieve.ablation.comparison import Measure, Observed
from neurosieve.ablation.conditions import Condition
from neurosieve.ablation.editing import Edits
from neurosieve.ablation.places import Place, generator_of, places_of
from neurosieve.ablation.settings import Ablate
from neurosieve.ablation.surprisal import keeps_logits
from neurosieve.errors import ModelError
from neurosieve.models.batches import batch_budget
from neurosieve.models.hooks import evaluation_mode
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import in_halves, memory_errors
from neurosieve.pipeline.reopening import Reopened

__all__ = ["Forced", "observe_forced", "teacher_forced"]

_NEGLIGIBLE = 1e-4
"""A smaller change of a log-probability, in nats, is none: the model's arithmetic may round as much."""
_LOGITS = 2**27
"""At most so many logits are held at once: half a gibibyte."""


@dataclass(frozen=True)
class Forced:
    """What was measured: a row for each edit, a column for each place."""

    log_p: npt.NDArray[np.float64]
    """Of the token that stands there, unedited; one for each place."""
    change: npt.NDArray[np.float64]
    """Of that log-probability, under each edit."""
    rest: npt.NDArray[np.float64]
    """The change of the mean log-probability of the further tokens of the span; nan where it has none."""
    kl: npt.NDArray[np.float64]
    """Of the distribution of the token that stands there, unedited, from the edited one."""
    forward_passes: int
    tokens: int


def observe_forced(
    opened: Reopened,
    behaviour: str,
    conditions: Sequence[Condition],
    intervention: str,
    settings: Ablate,
    announce: Callable[..., None],
) -> Observed:
    """Return what the conditions do to held-out texts.

    Raises:
        NeurosieveError: there is nothing to look at, or the model cannot be read or edited.
    """
    counts: Counter[str] = Counter()
    documents, table = opened.documents, opened.positions.table
    places, warnings = places_of(
        documents, table, behaviour, settings.documents or 40, settings.positions, settings.seed, counts
    )
    edits = Edits(opened.held, opened.atlas, *(condition.edit for condition in conditions))
    budget = batch_budget(settings.tokens_per_batch, opened.held)
    found = teacher_forced(opened.held, places, edits, settings.seed, budget, announce)
    warnings += [
        f"the {intervention} edit of {one.k:,} neurons changed nothing: they hold already what it gives them"
        for number, one in enumerate(conditions)
        if one.set == "target" and not edits.changed(number)
    ]
    counts.update(forward_passes=found.forward_passes, tokens=found.tokens)
    measures = list(_measures(found, places))
    # What a neuron does at the onset itself is too late for the onset, and shows in the rest of the span.
    judged = sum(measure.name in ("log_p_onset", "log_p_rest") for measure in measures)
    return Observed(
        measures,
        judged,
        {"onsets": _table(found, places, conditions, intervention, behaviour)},
        edits.proof(),
        _NEGLIGIBLE,
        dict(counts),
        warnings,
    )


def _measures(found: Forced, places: Sequence[Place]) -> Iterator[Measure]:
    onset = np.array([place.label == 1 for place in places])
    for name, words, values, units in (
        ("log_p_onset", "the log-probability of the onset", found.change, onset),
        ("log_p_rest", "the log-probability of the rest of the span", found.rest, np.isfinite(found.rest[0])),
        ("kl_control", "the KL divergence at control positions", found.kl, ~onset),
        ("log_p_control", "the log-probability of the token at control positions", found.change, ~onset),
    ):
        if units.any():
            groups = [place.document.group for place, here in zip(places, units, strict=True) if here]
            top = values[:, units]
            yield Measure(name, words, groups, top, np.ones_like(top))


def _table(
    found: Forced, places: Sequence[Place], conditions: Sequence[Condition], intervention: str, behaviour: str
) -> pd.DataFrame:
    """Return a line for each condition and place."""
    where = pd.DataFrame(
        [
            {
                "behaviour": behaviour,
                "document": place.document.id,
                "group": place.document.group,
                "token": place.token,
                "label": place.label,
                "text": place.document.text[place.document.starts[place.token] : place.document.ends[place.token]],
            }
            for place in places
        ]
    )
    tables = [
        where.assign(
            set=condition.set,
            control_set=condition.control_set,
            intervention=intervention,
            strength=condition.edit.strength,
            k=condition.k,
            log_p_unedited=found.log_p,
            log_p=found.log_p + found.change[number],
            log_p_rest_change=found.rest[number],
            kl=found.kl[number],
        )
        for number, condition in enumerate(conditions)
    ]
    return pd.concat(tables, ignore_index=True)


def teacher_forced(
    model: LanguageModel,
    places: Sequence[Place],
    edits: Edits,
    seed: int,
    tokens_per_batch: int,
    announce: Callable[..., None],
) -> Forced:
    """Read each document unedited and under every edit, side by side, and compare what the model expected.

    Raises:
        ModelError: a document does not fit into memory, the model gives no numbers, or an edit did not take place.
    """
    shape = (len(edits.edits), len(places))
    log_p, change, rest, kl = np.empty(len(places)), np.empty(shape), np.full(shape, np.nan), np.empty(shape)
    passes = tokens = 0
    read = _Reader(model, edits, seed)
    documents = list(_by_document(places))
    with edits:
        for number, columns in enumerate(documents, 1):
            here = [places[column] for column in columns]
            for numbers, found in read.document(here, tokens_per_batch):
                rows = np.ix_(numbers, columns)
                log_p[columns] = found.log_p
                change[rows], rest[rows], kl[rows] = found.change, found.rest, found.kl
                passes, tokens = passes + 1, tokens + found.tokens
                announce("batch_read", documents=1, tokens=found.tokens, positions=len(here))
            announce("stage_progressed", stage="teacher forcing", done=number, total=len(documents), unit="documents")
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

    def document(self, places: Sequence[Place], budget: int) -> Iterator[tuple[Sequence[int], Forced]]:
        """Yield the numbers of some edits, and what they did at the places of one document, until all are done."""
        needed = sorted({token for place in places for token in (place.token, *place.further)})
        length = needed[-1]  # A token is expected at the one before it: nothing behind that is read.
        rows = min(budget // length, _LOGITS // (len(needed) * self.vocabulary))
        numbers, size = list(range(len(self.edits.edits))), max(1, rows - 1)
        yield from in_halves(
            [numbers[start : start + size] for start in range(0, len(numbers), size)],
            lambda batch: self._batch(places, needed, batch),
            self.model.device,
            lambda _: (
                f"document `{places[0].document.id}`, {length:,} tokens, does not fit into the memory of "
                f"{self.model.device} twice: leave it out, or take a smaller dtype or model"
            ),
        )

    def _batch(self, places: Sequence[Place], needed: Sequence[int], batch: Sequence[int]) -> Forced:
        document = places[0].document
        device, rows = self.model.device, 1 + len(batch)
        ids = torch.from_numpy(document.token_ids[: needed[-1]]).long().to(device).expand(rows, -1)
        keep = torch.tensor([token - 1 for token in needed], device=device)
        # The same draws in each row: conditions differ by their edit alone.
        drawn = int(generator_of(self.seed, document.id).integers(2**62))
        self.edits.begin([drawn] * rows, [0] * rows, [None, *batch])
        module = self.model.module
        with torch.inference_mode(), memory_errors(), evaluation_mode(module):
            kept = {"logits_to_keep": keep} if self.keeps else {}
            logits = module(input_ids=ids, use_cache=False, **kept).logits
            logits = logits if self.keeps else logits[:, keep]
            expected = torch.from_numpy(document.token_ids[np.array(needed)]).long().to(logits.device)
            found = _compared(logits, expected)
        log_p, kl = (one.double().cpu().numpy() for one in found)
        at = {token: place for place, token in enumerate(needed)}
        columns = [at[place.token] for place in places]
        moved = log_p[1:] - log_p[0]
        rest = [
            moved[:, [at[token] for token in place.further]].mean(axis=1)
            if place.further
            else np.full(len(batch), np.nan)
            for place in places
        ]
        return Forced(
            log_p[0, columns], moved[:, columns], np.stack(rest, axis=1), kl[1:, columns], 1, rows * len(ids[0])
        )


def _compared(logits: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for each row and place, the log-probability of the expected token, and the KL of row 0 from the row."""
    unedited = logits[0].float().log_softmax(dim=-1)
    p = unedited.exp()
    log_p, kl = [], []
    for row in logits:  # Row by row: a vocabulary is large.
        edited = row.float().log_softmax(dim=-1)
        log_p.append(edited.gather(1, expected[:, None])[:, 0])
        # Where the unedited model rules a token out, it adds nothing, whatever the other says.
        kl.append(torch.where(p > 0, p * (unedited - edited), 0).sum(dim=-1))
    return torch.stack(log_p), torch.stack(kl)


def _by_document(places: Sequence[Place]) -> Iterator[list[int]]:
    found: dict[str, list[int]] = {}
    for column, place in enumerate(places):
        found.setdefault(place.document.id, []).append(column)
    return iter(found.values())
