"""Train a detector from annotations, and say honestly how good it is: on documents that had no part in its training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.data import Document
from neurosieve.detection.agreement import Annotated, rated
from neurosieve.detection.learnable import Learnable
from neurosieve.errors import ConfigError, DataError

__all__ = ["CrossValidated", "Learn", "Threshold", "cross_validated", "curve", "threshold_for"]

_ENOUGH_MARKED = 10
"""A threshold that marks fewer sentences than this says nothing of its precision."""


@dataclass(frozen=True)
class Learn:
    """What `learn` is told besides its source and the detectors to compare with."""

    label: str | tuple[str, ...] = ()
    """The annotated label that is the behaviour, or several that are together."""
    learner: str = ""
    """Which detector learns: a registered one that can."""
    precision: float | None = 0.6
    """How many of the marked sentences are to be right, as a share; null for the threshold with the best F1."""
    output: str | None = None
    """The file for the trained detector; `detector.safetensors` in the run's folder, by default."""
    folds: int = 5
    """Into how many parts the groups are split, each held out in turn."""
    seed: int = 0
    """Deals the groups, and draws the resamples."""
    interval_bootstraps: int = 1000
    """Resamples of the groups behind each interval."""
    min_groups: int = 10
    """With fewer annotated groups there is no interval: resampling so few gives intervals that are far too narrow."""

    def __post_init__(self) -> None:
        for name, least in (("folds", 3), ("seed", 0), ("interval_bootstraps", 1), ("min_groups", 2)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} is {value!r}: give a whole number, at least {least}")
        if self.precision is not None and not (isinstance(self.precision, int | float) and 0 < self.precision <= 1):
            raise ConfigError(
                f"precision is {self.precision!r}: give the share of marked sentences that are to be right, above 0 "
                "and at most 1, or null for the best F1"
            )

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
    """Whether the wanted precision is reached; if not, this is the threshold with the highest."""


@dataclass(frozen=True)
class CrossValidated:
    """What a detector says of sentences of groups that had no part in its training."""

    sentences: pd.DataFrame
    """The annotated sentences, with `fold`, `present`, `chance`, `threshold` and `detected`."""
    threshold: Threshold
    """Chosen from the ratings of all sentences, each by a detector that was trained without its group."""
    reached: int
    """In how many folds the wanted precision was reached on the other folds."""


def cross_validated(
    detector: type[Learnable],
    documents: Sequence[Document],
    truth: Annotated,
    settings: Learn,
    announce: Callable[..., None],
) -> CrossValidated:
    """Rate every annotated sentence by a detector that was trained without its group, and mark it or not.

    The threshold that a fold's sentences are marked by is chosen on the other folds alone, from ratings by detectors
    that were trained without the sentence's fold and without the fold that is held out. So no sentence has a part in
    anything that decides on it.

    Raises:
        DataError: the behaviour shows in fewer than three groups.
    """
    present = truth.any_of(settings.labels)
    fold_of = _dealt(truth.sentences["group"], present, settings.folds, settings.seed)
    fold = truth.sentences["group"].map(fold_of).to_numpy()
    folds = range(max(fold_of.values()) + 1)
    left_out = [*((one,) for one in folds), *combinations(folds, 2)]
    ratings: dict[tuple[int, ...], npt.NDArray[np.float64]] = {}
    for number, without in enumerate(left_out, 1):
        fitted = detector.fit([one for one in documents if fold_of[one.group] not in without], settings.labels)
        held_out = [one for one in documents if fold_of[one.group] in without]
        ratings[without] = rated(truth.sentences, {one.id: list(fitted.rate(one)) for one in held_out})
        announce("stage_progressed", stage="cross-validating", done=number, total=len(left_out), unit="trainings")
    chance = np.select([fold == one for one in folds], [ratings[(one,)] for one in folds])
    thresholds = []
    for one in folds:
        others = [other for other in folds if other != one]
        inner = np.select([fold == other for other in others], [ratings[_pair(one, other)] for other in others])
        thresholds.append(threshold_for(inner[fold != one], present[fold != one], settings.precision))
    values = np.array([threshold.value for threshold in thresholds])[fold]
    sentences = truth.sentences.assign(
        fold=fold, present=present, chance=chance, threshold=values, detected=chance >= values
    )
    return CrossValidated(
        sentences, threshold_for(chance, present, settings.precision), sum(one.reached for one in thresholds)
    )


def threshold_for(
    chance: npt.NDArray[np.float64], present: npt.NDArray[np.bool_], precision: float | None
) -> Threshold:
    """Return the threshold with the most recall among those with the wanted precision, or with the best F1.

    >>> threshold_for(np.array([0.9] * 12 + [0.5] * 12), np.array([True] * 16 + [False] * 8), 0.8)
    Threshold(value=0.7, precision=1.0, recall=0.75, reached=True)
    """
    points = curve(chance, present)
    # A threshold that marks next to nothing is right by luck.
    points = points[points["marked"] >= min(_ENOUGH_MARKED, points["marked"].max())]
    right = points if precision is None else points[points["precision"] >= precision]
    best = ["f1"] if precision is None else ["recall", "precision"]
    if right.empty:
        right, best = points, ["precision", "recall"]
        reached = False
    else:
        reached = True
    chosen = right.sort_values(best, ascending=False, kind="stable").iloc[0]
    return Threshold(float(chosen.threshold), float(chosen.precision), float(chosen.recall), reached)


def curve(chance: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return a line per threshold that marks other sentences: `threshold, marked, precision, recall, f1`.

    A threshold stands halfway between two ratings, so that it does not hang on the last digit of one.
    """
    order = np.argsort(-chance, kind="stable")
    sorted_chance, right = chance[order], np.cumsum(present[order])
    below = np.append(sorted_chance[1:], -np.inf)
    last = np.flatnonzero((sorted_chance > below) & np.isfinite(sorted_chance))
    marked = last + 1
    between = np.where(np.isfinite(below), (sorted_chance + np.maximum(below, 0)) / 2, sorted_chance / 2)[last]
    precision, recall = right[last] / marked, right[last] / max(1, present.sum())
    f1 = 2 * right[last] / (marked + present.sum())
    return pd.DataFrame({"threshold": between, "marked": marked, "precision": precision, "recall": recall, "f1": f1})


def _pair(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)


def _dealt(groups: pd.Series, present: npt.NDArray[np.bool_], folds: int, seed: int) -> Mapping[str, int]:
    """Return each group's fold: those with the behaviour come first, so that none is trained without."""
    with_it = pd.Series(present).groupby(groups.to_numpy(), sort=True).any()
    count = int(with_it.sum())
    if count < 3:
        raise DataError(
            f"the behaviour is annotated in {count} group(s) of documents, and at least 3 are needed to measure it on "
            "groups that had no part in its training, nor in the choice of its threshold: give more documents"
        )
    shuffled = np.random.default_rng(seed).permutation(len(with_it))
    ordered = sorted(shuffled, key=lambda place: not with_it.iat[place])
    # No more folds than groups with the behaviour: each held-out part has some to find.
    return {str(with_it.index[place]): number % min(folds, count) for number, place in enumerate(ordered)}
