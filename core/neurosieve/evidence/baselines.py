"""How well the text alone predicts a behaviour, without the model: a neuron is worth reporting where it beats that."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.sparse import csr_matrix

from neurosieve.activations.capture import batch_of
from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Site
from neurosieve.evidence.baseline_features import baseline_features
from neurosieve.evidence.intervals import clustered_interval
from neurosieve.evidence.settings import Evidence
from neurosieve.runs.columns import HELDOUT, minus_neutral_heldout
from neurosieve.runs.columns import minus_neutral as minus_neutral_column
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import columns_of, minus_neutral
from neurosieve.texts.positions import PARTS, Positions

__all__ = ["add_beats_baselines", "baseline_table", "baselines_by"]

_FOLDS = 5
_CHANCE_AREA = 0.5


class _Part(NamedTuple):
    """The rows of `Positions` that are compared for one behaviour in one part."""

    column: int
    """Of the labels."""
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    groups: npt.NDArray[np.int64]


_Fold = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class _Compared(NamedTuple):
    """What every baseline of one behaviour is fitted on and scored on at one place."""

    place: str
    ranking: _Part
    held_out: _Part
    folds: list[_Fold]
    """Of the ranking part."""


def baselines_by(scorers: Mapping[str, Scorer[Any]], rank_by: str) -> str | None:
    """Return the scorer that neurons and baselines are compared by, None where a run has none.

    Log-odds have another unit than activations. So it is the scorer that ranks where this does not depend on the unit,
    or rates neurons jointly; else the first that is an AUC.
    """
    if _unit_free(scorers[rank_by]) or scorers[rank_by].joint:
        return rank_by
    return next((name for name, scorer in scorers.items() if scorer.area and not scorer.joint), None)


def baseline_table(
    positions: Positions, scorers: Mapping[str, Scorer[Any]], by: str, settings: Evidence
) -> pd.DataFrame:
    """Return a line per behaviour and baseline: `behaviour, baseline`, then the scores, as of a neuron, at each place.

    A baseline is a logistic regression of presence on its features. Its log-odds are scored as if they were a neuron's
    activations: on the ranking part those of positions whose groups had no part in fitting it (in 5 folds), on the
    held-out part those of the regression fitted on the ranking part. Scores that depend on the unit of the activations
    are left out: log-odds have another. Scores of several neurons together, and scores where there are too few groups
    to leave some out, are nan; so are, on the ranking part, scores that compare between documents, which would compare
    the log-odds of one fold with those of another. `by` is the scorer of the effects, whose intervals are those of the
    ranking's own place.
    """
    features, lines = baseline_features(positions, settings), []
    unit_free = {name: scorer for name, scorer in scorers.items() if name == by or _unit_free(scorer)}
    for behaviour in positions.behaviours:
        compared = [_compared(positions, behaviour, place, settings.seed) for place in positions.places]
        for name, of_baseline in features[positions.scope(behaviour)].items():
            scores = _baseline(positions, of_baseline, compared, unit_free, by, settings)
            lines.append({"behaviour": behaviour, "baseline": name} | scores)
    return pd.DataFrame(lines)


def add_beats_baselines(
    neurons: pd.DataFrame, baselines: pd.DataFrame, rank_by: str, by: str | None = None
) -> pd.DataFrame:
    """Return the ranking with `beats_baselines`: whether, held out, a neuron has a larger effect than every baseline.

    Both effects are those of the scorer `by`, an AUC, or else of `rank_by`; a neuron's has the sign of the ranking.
    Missing where a neuron or every baseline has no held-out score. Likewise of each additional place, in columns that
    end in its name.
    """
    columns = {}
    by = by or rank_by
    first, last = minus_neutral_column(by), HELDOUT
    for held_out in (name for name in map(str, baselines) if name.startswith(first) and name.endswith(last)):
        place = held_out.removeprefix(first).removesuffix(last)
        # A baseline of the wrong sign predicts nothing: it was fitted with a sign.
        best = baselines.groupby("behaviour")[held_out].max().clip(lower=0)
        bar = neurons.behaviour.map(best).to_numpy(dtype=np.float64)
        own = neurons[held_out] if by == rank_by else neurons[f"{by}{place}{last}"] - _CHANCE_AREA
        effect = (np.sign(neurons[minus_neutral_column(rank_by)]) * own).to_numpy()
        beats = pd.array(effect > bar, dtype="boolean")
        beats[np.isnan(effect) | np.isnan(bar)] = pd.NA
        columns[f"beats_baselines{place}"] = beats
    return neurons.assign(**columns)


def _unit_free(scorer: Scorer[Any]) -> bool:
    return scorer.unit_free or scorer.area


def _baseline(
    positions: Positions,
    features: csr_matrix,
    compared: Sequence[_Compared],
    scorers: Mapping[str, Scorer[Any]],
    by: str,
    settings: Evidence,
) -> dict[str, float]:
    scores: dict[str, float] = {}
    # Log-odds of different folds cannot be compared, nor does one neuron have a joint score.
    within_documents = {name: scorer for name, scorer in scorers.items() if not scorer.between_documents}
    for place, ranking, held_out, folds in compared:
        across_folds = _as_neuron(positions, ranking, _out_of_fold(features, ranking, folds))
        fitted = _log_odds(features[ranking.rows], ranking.labels, features[held_out.rows])
        new_groups = _as_neuron(positions, held_out, fitted)
        suffix = f"{place and '_'}{place}"
        scores |= dict.fromkeys((f"{name}{suffix}" for name in scorers if not scorers[name].joint), np.nan)
        scores |= _scores(across_folds, within_documents, by, suffix)
        scores |= _scores(new_groups, scorers, by, f"{suffix}_heldout")
        if not place:
            low, high, scorer, draws = np.nan, np.nan, scorers[by], settings.interval_bootstraps
            enough = len(np.unique(held_out.groups[held_out.labels == 1])) >= settings.min_groups
            if new_groups is not None and enough and not scorer.joint:
                ends = clustered_interval(new_groups, scorer, settings.seed, draws, settings.confidence)
                low, high = (float(end[0]) for end in ends)
            scores |= {f"{minus_neutral_heldout(by)}_low": low, f"{minus_neutral_heldout(by)}_high": high}
    return scores


def _compared(positions: Positions, behaviour: str, place: str, seed: int) -> _Compared:
    ranking, held_out = (_part(positions, positions.column(behaviour, part, place)) for part in PARTS)
    return _Compared(place, ranking, held_out, _folds(ranking, seed))


def _part(positions: Positions, column: int) -> _Part:
    labels = positions.labels[:, column]
    rows = np.flatnonzero(labels >= 0)
    return _Part(column, rows, labels[rows], positions.groups[positions.document_of_row[rows]])


def _folds(part: _Part, seed: int) -> list[_Fold]:
    """Return which positions each regression is fitted on and which it then sees; none with too few groups."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(_FOLDS, *(len(np.unique(part.groups[part.labels == label])) for label in (0, 1)))
    if folds < 2:
        return []
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(split.split(part.rows, part.labels, part.groups))


def _out_of_fold(features: csr_matrix, part: _Part, folds: Sequence[_Fold]) -> npt.NDArray[np.float64]:
    """Return the log-odds of each position by a regression on the positions of other groups."""
    odds = np.full(len(part.rows), np.nan)
    for train, test in folds:
        odds[test] = _log_odds(features[part.rows[train]], part.labels[train], features[part.rows[test]])
    return odds


def _log_odds(features: csr_matrix, labels: npt.NDArray[np.int8], elsewhere: csr_matrix) -> npt.NDArray[np.float64]:
    """Return the log-odds at other rows by a regression on some; nan where these lack a class."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2 or not elsewhere.shape[0]:
        return np.full(elsewhere.shape[0], np.nan)
    if _never_varies(features):  # What never varies predicts nothing, also not which fold a position is in.
        return np.zeros(elsewhere.shape[0])
    fitted = LogisticRegression(C=1.0, solver="liblinear").fit(features, labels)
    return np.asarray(fitted.decision_function(elsewhere), dtype=np.float64)


def _never_varies(features: csr_matrix) -> bool:
    column = features.toarray() if features.shape[1] == 1 else np.zeros(0)
    return features.shape[1] == 1 and bool((column == column[0]).all())


def _as_neuron(positions: Positions, part: _Part, odds: npt.NDArray[np.float64]) -> Batch | None:
    """Return log-odds as the activations of one neuron; None where they are undefined or a class is absent."""
    if not len(part.rows) or np.isnan(odds).any() or len(np.unique(part.labels)) < 2:
        return None
    return batch_of(Site(0), torch.from_numpy(odds).float()[:, None], positions, part.rows, [part.column])


def _scores(
    batch: Batch | None, scorers: Mapping[str, Scorer[Any]], by: str, suffix: str
) -> Iterator[tuple[str, float]]:
    single = {name: scorer for name, scorer in scorers.items() if not scorer.joint}
    yield from ((f"{name}{suffix}", np.nan) for name in single)
    scored = score([batch], single) if batch is not None and single else {}
    for name, scores in scored.items():
        for column, value in columns_of(name, scores).items():
            yield f"{column}{suffix}", float(value[0, 0])
    effect = float(minus_neutral(scored[by])[0, 0]) if by in scored else np.nan
    yield f"{by}_minus_neutral{suffix}", effect
