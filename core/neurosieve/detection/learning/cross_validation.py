"""How good a trained detector is, measured on documents that had no part in its training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from annotated_types import Ge, Gt, Le

from neurosieve.contracts import Learner
from neurosieve.data import Document
from neurosieve.detection.agreement.annotated_sentences import Annotations, Marks, mark_sentences, rate_sentences
from neurosieve.errors import DataError
from neurosieve.fields import check_fields
from neurosieve.wording import plural

__all__ = ["CrossValidation", "Learn", "Threshold", "choose_threshold", "cross_validate", "threshold_curve"]

_ENOUGH_MARKED = 10
"""A threshold that marks fewer sentences than this says nothing of its precision."""


@dataclass(frozen=True)
class Learn:
    """Settings of `learn`."""

    label: str | tuple[str, ...] = ()
    """The annotated label that is the behaviour, or several that are together."""
    precision: Annotated[float, Gt(0), Le(1)] | None = 0.6
    """How many of the marked sentences are to be right, as a share; null for the threshold with the best F1."""
    output: str | None = None
    """The file for the trained detector; `detector.safetensors` in the run's folder, by default."""
    folds: Annotated[int, Ge(3)] = 5
    """Into how many parts the groups are split, each held out in turn."""
    seed: Annotated[int, Ge(0)] = 0
    """Draws the folds and the resamples."""
    interval_bootstraps: Annotated[int, Ge(1)] = 1000
    """Resamples of the groups behind each interval."""
    min_groups: Annotated[int, Ge(2)] = 10
    """With fewer annotated groups there is no interval: resampling so few gives intervals that are far too narrow."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that are the behaviour together."""
        return (self.label,) if isinstance(self.label, str) else self.label


class Threshold(NamedTuple):
    """From which rating on a sentence is marked, and how good that is where it was chosen."""

    value: float
    precision: float
    recall: float
    reached: bool
    """Whether it has the wanted precision; if not, this is the threshold with the highest."""


class CrossValidation(NamedTuple):
    """How detectors rate and mark sentences of groups that had no part in their training."""

    sentences: pd.DataFrame
    """The annotated sentences with the columns `fold, present, chance, threshold, detected, not_known`; the last says
    where the detector can say nothing, as its `unknown` has it."""
    threshold: Threshold
    """Chosen from the ratings of all sentences, for the detector that is trained on all."""
    reached: int
    """In how many folds the threshold has the wanted precision on the other folds."""


def cross_validate(
    learner: Learner,
    documents: Sequence[Document],
    truth: Annotations,
    settings: Learn,
    announce: Callable[..., None],
) -> CrossValidation:
    """Rate every annotated sentence by a detector that was trained without its group, and mark it or not.

    The threshold that a fold's sentences are marked by is chosen on the other folds alone, from ratings by detectors
    that were trained without the sentence's fold and without the fold that is held out. So no sentence has a part in
    anything that decides on it.

    Raises:
        DataError: the behaviour shows in fewer than three groups.
    """
    present = truth.any_of(settings.labels)
    fold_of = _split_groups(truth.sentences["group"], present, settings.folds, settings.seed)
    fold_of_sentence = truth.sentences["group"].map(fold_of).to_numpy()
    folds = range(max(fold_of.values()) + 1)
    left_out = [*((fold,) for fold in folds), *combinations(folds, 2)]
    ratings: dict[tuple[int, ...], npt.NDArray[np.float64]] = {}
    unknown: dict[tuple[int, ...], Marks] = {}
    for number, without in enumerate(left_out, 1):
        held_out = [document for document in documents if fold_of[document.group] in without]
        training = [document for document in documents if fold_of[document.group] not in without]
        fitted = learner.fit(training, settings.labels)
        rated = {document.id: list(fitted.rate(document)) for document in held_out}
        ratings[without] = rate_sentences(truth.sentences, rated)
        unknown[without] = mark_sentences(
            truth.sentences,
            {document.id: document.in_scope(fitted.unknown(document)) for document in held_out},
        )
        announce("stage_progressed", stage="cross-validating", done=number, total=len(left_out), unit="trainings")
    in_fold = [fold_of_sentence == fold for fold in folds]
    chance = np.select(in_fold, [ratings[(fold,)] for fold in folds])
    not_known = np.select(in_fold, [unknown[(fold,)] for fold in folds], default=False)
    thresholds = []
    for fold in folds:
        others = [other for other in folds if other != fold]
        pairs = [(min(fold, other), max(fold, other)) for other in others]
        in_others = [fold_of_sentence == other for other in others]
        inner = np.select(in_others, [ratings[pair] for pair in pairs])
        cannot_tell = np.select(in_others, [unknown[pair] for pair in pairs], default=False)
        rest = (fold_of_sentence != fold) & ~(cannot_tell & np.isneginf(inner))
        thresholds.append(choose_threshold(inner[rest], present[rest], settings.precision, truth.weights[rest]))
    values = np.array([threshold.value for threshold in thresholds])[fold_of_sentence]
    detected = chance >= values
    sentences = truth.sentences.assign(
        fold=fold_of_sentence,
        present=present,
        chance=chance,
        threshold=values,
        detected=detected,
        not_known=not_known & ~detected,
    )
    rated_or_known = ~(not_known & np.isneginf(chance))
    threshold = choose_threshold(
        chance[rated_or_known], present[rated_or_known], settings.precision, truth.weights[rated_or_known]
    )
    return CrossValidation(sentences, threshold, sum(chosen.reached for chosen in thresholds))


def choose_threshold(
    chance: npt.NDArray[np.float64],
    present: npt.NDArray[np.bool_],
    precision: float | None,
    weights: npt.NDArray[np.float64] | None = None,
) -> Threshold:
    """Return the threshold with the most recall among those with the wanted precision, or with the best F1.

    `weights` say how many sentences of the texts each sentence stands for; without them it stands for itself.

    >>> choose_threshold(np.array([0.9] * 12 + [0.5] * 12), np.array([True] * 16 + [False] * 8), 0.8)
    Threshold(value=0.7, precision=1.0, recall=0.75, reached=True)
    """
    points = threshold_curve(chance, present, weights)
    # A threshold that marks next to nothing is right by luck.
    points = points[points["marked"] >= min(_ENOUGH_MARKED, points["marked"].max())]
    candidates = points if precision is None else points[points["precision"] >= precision]
    best = ["f1"] if precision is None else ["recall", "precision"]
    reached = not candidates.empty
    if not reached:
        candidates, best = points, ["precision", "recall"]
    chosen = candidates.sort_values(best, ascending=False, kind="stable").iloc[0]
    return Threshold(float(chosen.threshold), float(chosen.precision), float(chosen.recall), reached)


def threshold_curve(
    chance: npt.NDArray[np.float64], present: npt.NDArray[np.bool_], weights: npt.NDArray[np.float64] | None = None
) -> pd.DataFrame:
    """Return a row per threshold that marks other sentences: `threshold, marked, precision, recall, f1`.

    `marked` counts sentences as they are; the measures are of sums of `weights`, how many sentences each stands for. A
    threshold stands halfway between two ratings, so that it does not depend on the last digit of one.
    """
    order = np.argsort(-chance, kind="stable")
    each = np.ones(len(chance)) if weights is None else weights
    sorted_chance, right, every = chance[order], np.cumsum((present * each)[order]), np.cumsum(each[order])
    below = np.append(sorted_chance[1:], -np.inf)
    last = np.flatnonzero((sorted_chance > below) & np.isfinite(sorted_chance))
    marked = last + 1
    between = np.where(np.isfinite(below), (sorted_chance + np.maximum(below, 0)) / 2, sorted_chance / 2)[last]
    showing = (present * each).sum()
    precision, recall = right[last] / every[last], right[last] / (showing or 1)
    f1 = 2 * right[last] / (every[last] + showing)
    return pd.DataFrame({"threshold": between, "marked": marked, "precision": precision, "recall": recall, "f1": f1})


def _split_groups(groups: pd.Series, present: npt.NDArray[np.bool_], folds: int, seed: int) -> Mapping[str, int]:
    """Return each group's fold: those with the behaviour come first, so that no fold is without it."""
    showing = pd.Series(present).groupby(groups.to_numpy(), sort=True).any()
    count = int(showing.sum())
    if count < 3:
        raise DataError(
            f"the behaviour is annotated in {plural(count, 'group')} of documents, and at least 3 are needed to "
            "measure it on groups that had no part in its training, nor in the choice of its threshold: give more "
            "documents"
        )
    shuffled = np.random.default_rng(seed).permutation(len(showing))
    ordered = sorted(shuffled, key=lambda place: not showing.iat[place])
    # No more folds than groups with the behaviour: each held-out part has some to find.
    return {str(showing.index[place]): number % min(folds, count) for number, place in enumerate(ordered)}
