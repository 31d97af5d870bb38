"""How well the text alone tells a behaviour, without the model: a neuron is worth reporting where it beats that."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.sparse import csr_matrix

from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Scores, Site
from neurosieve.evidence.intervals import clustered_interval
from neurosieve.evidence.permutation import flips_groups
from neurosieve.evidence.settings import Evidence
from neurosieve.runs.columns import BASELINES
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import columns_of, distance
from neurosieve.texts.positions import PARTS, Positions

__all__ = ["add_beats_baselines", "baseline_table"]

_BEFORE = 20
_PLACES = 20
"""Positions are told by which twentieth of the completion they are in, so that they may tell in any shape."""
_FOLDS = 5


class _Part(NamedTuple):
    """The rows of `Positions` that are compared for one behaviour in one part."""

    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    groups: npt.NDArray[np.int64]


def baseline_table(
    positions: Positions,
    scorers: Mapping[str, Scorer[Any]],
    rank_by: str,
    settings: Evidence,
) -> pd.DataFrame:
    """Return a line per behaviour and baseline: `behaviour, baseline`, then the scores, as of a neuron, at each place.

    A baseline is a logistic regression of presence on what it goes by. Its log-odds are scored as if they were a
    neuron's activations: on the ranking part those of positions whose groups had no part in fitting it (in 5 folds),
    on the replication part those of the regression that was fitted on the ranking part. Scores of several neurons
    together, and scores where there are too few groups to leave some out, are nan; so are, on the ranking part, those
    among positions of one token id, which would compare the log-odds of one fold with those of another. Intervals are
    those of the ranking's own place.
    """
    lines = []
    features = _features(positions)
    for behaviour in positions.behaviours:
        for name in BASELINES:
            told: dict[str, Any] = {"behaviour": behaviour, "baseline": name}
            for place in positions.places:
                ranking, held_out = (_part(positions, positions.column(behaviour, part, place)) for part in PARTS)
                one = _as_neuron(positions, ranking, _out_of_fold(features[name], ranking, settings.seed))
                other = _as_neuron(positions, held_out, _held_out(features[name], ranking, held_out))
                # Among positions of one token id the log-odds of several folds would be compared with each other.
                unmixed = {
                    key: scorer for key, scorer in scorers.items() if one is None or not flips_groups(one, scorer)
                }
                suffix = f"{place and '_'}{place}"
                told |= dict.fromkeys((f"{key}{suffix}" for key in scorers if not scorers[key].joint), np.nan)
                told |= _scores(one, unmixed, rank_by, suffix)
                told |= _scores(other, scorers, rank_by, f"{suffix}_heldout")
                if not place:
                    shown = len(np.unique(held_out.groups[held_out.labels == 1]))
                    told |= _reach(other if shown >= settings.min_groups else None, scorers, rank_by, settings)
            lines.append(told)
    return pd.DataFrame(lines)


def add_beats_baselines(neurons: pd.DataFrame, baselines: pd.DataFrame, rank_by: str) -> pd.DataFrame:
    """Return the ranking with `beats_baselines`: whether, held out, a neuron is further from telling nothing than all.

    Missing where a neuron or every baseline has no held-out score. Likewise of each further place, in columns that end
    in its name.
    """
    columns = {}
    first, last = f"{rank_by}_minus_neutral", "_heldout"
    for held_out in (name for name in map(str, baselines) if name.startswith(first) and name.endswith(last)):
        # A baseline that tells the behaviour the wrong way round has told nothing: it was fitted with a sign.
        best = baselines.groupby("behaviour")[held_out].max().clip(lower=0)
        bar = neurons.behaviour.map(best).to_numpy(dtype=np.float64)
        mine = (np.sign(neurons[first]) * neurons[held_out]).to_numpy()
        told = pd.array(mine > bar, dtype="boolean")
        told[np.isnan(mine) | np.isnan(bar)] = pd.NA
        columns[f"beats_baselines{held_out.removeprefix(first).removesuffix(last)}"] = told
    return neurons.assign(**columns)


def _reach(
    batch: Batch | None, scorers: Mapping[str, Scorer[Any]], rank_by: str, settings: Evidence
) -> dict[str, float]:
    """Return the held-out interval of a baseline; nan where there is none."""
    low = high = np.nan
    if batch is not None and not scorers[rank_by].joint:
        sides = clustered_interval(
            batch, scorers[rank_by], settings.seed, settings.interval_bootstraps, settings.confidence
        )
        low, high = (float(side[0]) for side in sides)
    held_out = f"{rank_by}_minus_neutral_heldout"
    return {f"{held_out}_low": low, f"{held_out}_high": high}


def _part(positions: Positions, column: int) -> _Part:
    labels = positions.labels[:, column]
    rows = np.flatnonzero(labels >= 0)
    return _Part(rows, labels[rows], positions.groups[positions.document_of_row[rows]])


def _features(positions: Positions) -> dict[str, csr_matrix]:
    """Return what each baseline goes by at every row of `positions`, as sparse columns of 0 and 1."""
    documents, tokens = positions.document_of_row, positions.token_of_row
    ids = positions.token_ids
    relative = np.array([positions.documents[d].relative[t] for d, t in zip(documents, tokens, strict=True)])
    place = np.clip((np.nan_to_num(relative) * _PLACES).astype(np.int64), 0, _PLACES - 1)
    before = [
        np.unique(positions.documents[d].token_ids[max(0, t - _BEFORE) : t])
        for d, t in zip(documents, tokens, strict=True)
    ]
    ends = np.arange(len(ids) + 1)
    return {
        "token": _ones(ends, ids),
        "position": _ones(ends, place),
        "previous tokens": _ones(np.cumsum([0, *map(len, before)]), np.concatenate(before)),
    }


def _ones(ends: npt.NDArray[np.int64], values: npt.NDArray[np.integer[Any]]) -> csr_matrix:
    """Return a row for each stretch of `values`, which `ends` bound, with a 1 in the column of each value in it."""
    _, columns = np.unique(values, return_inverse=True)
    shape = (len(ends) - 1, int(columns.max(initial=-1)) + 1)
    return csr_matrix((np.ones(len(values)), columns.astype(np.int32), ends), shape=shape)


def _out_of_fold(features: csr_matrix, part: _Part, seed: int) -> npt.NDArray[np.float64]:
    """Return the log-odds of each position by a regression on the positions of other groups."""
    from sklearn.model_selection import StratifiedGroupKFold

    odds = np.full(len(part.rows), np.nan)
    folds = min(_FOLDS, *(len(np.unique(part.groups[part.labels == label])) for label in (0, 1)))
    if folds < 2:
        return odds
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in split.split(part.rows, part.labels, part.groups):
        odds[test] = _log_odds(features[part.rows[train]], part.labels[train], features[part.rows[test]])
    return odds


def _held_out(features: csr_matrix, ranking: _Part, held_out: _Part) -> npt.NDArray[np.float64]:
    return _log_odds(features[ranking.rows], ranking.labels, features[held_out.rows])


def _log_odds(features: csr_matrix, labels: npt.NDArray[np.int8], there: csr_matrix) -> npt.NDArray[np.float64]:
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2 or not there.shape[0]:
        return np.full(there.shape[0], np.nan)
    fitted = LogisticRegression(C=1.0, solver="liblinear").fit(features, labels)
    odds: npt.NDArray[np.float64] = fitted.decision_function(there)
    return odds


def _as_neuron(positions: Positions, part: _Part, odds: npt.NDArray[np.float64]) -> Batch | None:
    """Return log-odds as the activations of one neuron; None where they are undefined or tell nothing apart."""
    if not len(part.rows) or np.isnan(odds).any() or len(np.unique(part.labels)) < 2:
        return None
    documents = positions.document_of_row[part.rows]
    return Batch(
        Site(0),
        torch.from_numpy(odds).float()[:, None],
        torch.from_numpy(part.labels)[:, None],
        torch.from_numpy(documents),
        torch.from_numpy(part.groups),
        torch.from_numpy(positions.token_ids[part.rows]),
    )


def _scores(
    batch: Batch | None, scorers: Mapping[str, Scorer[Any]], rank_by: str, suffix: str
) -> Iterator[tuple[str, float]]:
    single = {name: scorer for name, scorer in scorers.items() if not scorer.joint}
    yield from ((f"{name}{suffix}", np.nan) for name in single)
    found: Mapping[str, Scores] = score([batch], single) if batch is not None and single else {}
    for name, scores in found.items():
        for column, value in columns_of(name, scores).items():
            yield f"{column}{suffix}", float(value[0, 0])
    known = rank_by in found
    yield f"{rank_by}_minus_neutral{suffix}", float(distance(found[rank_by])[0, 0]) if known else np.nan
