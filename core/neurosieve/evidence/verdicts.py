"""Is it the behaviour, or the word, or the problem? A verdict per neuron, from groups with no part in the ranking."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from neurosieve.activations.reading import labelled_batch
from neurosieve.contracts import Scorer
from neurosieve.evidence.intervals import formula_interval
from neurosieve.evidence.ranked import Ranked
from neurosieve.scoring.engine import score_batch
from neurosieve.scoring.ranking import minus_neutral

__all__ = ["WITHIN_GROUP", "WITHIN_TOKEN", "Strata", "add_verdicts"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Strata(NamedTuple):
    """What is held fixed as a neuron is tested again, and the verdicts on what is left of its effect."""

    field: str
    """That of a batch in which positions of one stratum are equal."""
    columns: str
    """How the names of the columns of intervals begin."""
    more: str
    """The verdict on a neuron that tells the behaviour within strata."""
    less: str
    """The verdict where that is less than half of its effect among all positions."""
    opposite: str
    """The verdict where it has the opposite sign within strata."""


WITHIN_TOKEN = Strata("token_ids", "within_token", "behaviour", "token detector", "reversed")
WITHIN_GROUP = Strata("groups", "within_group", "within groups", "between groups", "reversed within groups")


class _Within(NamedTuple):
    """Intervals of a score minus neutral, within strata."""

    low: Floats
    high: Floats
    simultaneous_low: Floats
    """The interval that holds the truth for all tested neurons and places at once, at the same confidence."""
    simultaneous_high: Floats
    whole: Floats
    """The score minus neutral among all positions, whatever stratum they are in."""


def add_verdicts(
    neurons: pd.DataFrame, ranked: Ranked, within: Scorer[Any], strata: Strata = WITHIN_TOKEN
) -> pd.DataFrame:
    """Return the ranking with a `verdict` per neuron, and the intervals of `within` on the held-out groups.

    Many neurons are tested for knowing more than a word and for anticipating, at one place and the next. These verdicts
    use intervals that hold the truth for all of them at once (Bonferroni): the columns `within_token_simultaneous_low`,
    `within_token_simultaneous_high`, and the same with `prediction`. The interval of a single neuron is in
    `within_token_low`, `within_token_high`: a neuron is called a token detector where it lies inside half of the
    neuron's effect among all positions. A neuron that anticipates has the same sign at the token before, in both parts.

    Where the ranking's scorer has no formula for an interval, there is a verdict only for the best neurons, whose
    interval was resampled. `ranked` has the place `prediction` if neurons that anticipate are to be found; `within`
    compares presence with control within `strata`: among positions that hold the same token, or those of one group,
    such as samples of one problem, where columns and verdicts have other names.
    """
    places = ["", *(place for place in ranked.positions.places if place == "prediction")]
    intervals = {place: _Within(*(np.full(len(neurons), np.nan) for _ in _Within._fields)) for place in places}
    for behaviour in ranked.positions.behaviours:
        _fill(intervals, neurons, ranked, behaviour, within, strata.field)
    columns = {
        f"{strata.columns}{place and '_'}{place}_{name}": values
        for place, interval in intervals.items()
        for name, values in interval._asdict().items()
        if name != "whole"
    }
    return neurons.assign(verdict=_verdicts(neurons, intervals, ranked.rank_by, strata), **columns)


def _fill(
    intervals: Mapping[str, _Within],
    neurons: pd.DataFrame,
    ranked: Ranked,
    behaviour: str,
    within: Scorer[Any],
    field: str,
) -> None:
    """Write the intervals of one behaviour's tested neurons, at every place, into `intervals`."""
    tested = (neurons.behaviour == behaviour) & neurons["replicates"].notna()
    if not tested.any():
        return
    confidence, positions = ranked.settings.confidence, ranked.positions
    simultaneous = 1 - (1 - confidence) / (int(tested.sum()) * len(intervals))
    for place, interval in intervals.items():
        column = positions.column(behaviour, "heldout", place)
        if not ranked.has_min_groups(column):
            continue
        for site in ranked.space.sites:
            rows = np.flatnonzero(tested & (neurons.layer == site.layer))
            if not len(rows):
                continue
            batch = labelled_batch(ranked.space, positions, column, site, neurons.neuron.to_numpy()[rows].tolist())
            single, every = (formula_interval(batch, within, level) for level in (confidence, simultaneous))
            if single is None or every is None:
                continue
            # In one stratum every pair counts.
            alike: dict[str, Any] = {field: torch.zeros_like(getattr(batch, field))}
            one_stratum = dataclasses.replace(batch, **alike)
            whole = minus_neutral(score_batch(one_stratum, within))[0].double().cpu().numpy()
            for cells, values in zip(interval, (*single, *every, whole), strict=True):
                cells[rows] = values


def _verdicts(
    neurons: pd.DataFrame, intervals: Mapping[str, _Within], rank_by: str, strata: Strata
) -> "pd.Series[Any]":
    sign = np.sign(neurons[f"{rank_by}_minus_neutral"].to_numpy())
    tested = neurons["replicates"].notna().to_numpy()
    replicated = neurons["replicates"].fillna(False).to_numpy(dtype=bool)
    within, prediction = intervals[""], intervals.get("prediction")
    half = np.abs(within.whole) / 2
    anticipates = np.zeros(len(neurons), dtype=bool)
    if prediction is not None:
        signs = [np.sign(neurons[f"{rank_by}_minus_neutral_prediction{part}"].to_numpy()) for part in ("", "_heldout")]
        anticipates = _excludes_neutral(sign, prediction) & (signs[0] == sign) & (signs[1] == sign)
    verdict = pd.Series(pd.NA, index=neurons.index, dtype="string")
    for name, mask in (  # A later one overrides an earlier.
        ("replicated", replicated),
        (strata.less, replicated & (within.low > -half) & (within.high < half)),
        (strata.opposite, replicated & _excludes_neutral(-sign, within)),
        (strata.more, replicated & _excludes_neutral(sign, within)),
        ("anticipates", replicated & anticipates),
        ("not replicated", tested & ~replicated),
    ):
        verdict[mask] = name
    return verdict


def _excludes_neutral(sign: Floats, interval: _Within) -> Bools:
    """Return where the simultaneous interval lies wholly on the side of `sign`."""
    excluded: Bools = sign * np.where(sign > 0, interval.simultaneous_low, interval.simultaneous_high) > 0
    return excluded
