"""Intervals that allow for what few labels cannot show: a sentence of which resampling never sees the like."""

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from neurosieve.detection.agreement.annotated_sentences import Annotations, Marks
from neurosieve.wording import plural

__all__ = [
    "Estimate",
    "difference_interval",
    "effective_number",
    "hardly_known",
    "ratio_interval",
    "share_estimate",
    "with_far_ends",
]

_TAIL = 0.025
_LARGE_STRATUM, _FEW = 0.5, 30
"""A stratum with more than this share of all sentences decides recall; with fewer labels it is hardly known."""


class Estimate(NamedTuple):
    """A value, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def with_far_ends(agreement: pd.DataFrame, truth: Annotations, marked: Marks, known: Marks) -> pd.DataFrame:
    """Return the agreement of one detector with intervals that are as wide as few labels make them.

    Resampling groups moves no label that is not in the sample: where none of 10 sentences shows the behaviour, and each
    stands for 500, no resample has a sentence that the detector missed. So each end is the wider one of that of
    resampling and of a formula that starts from the shares of what is marked, and of what is not, that show the
    behaviour (`share_estimate`). Recall and F1 are ratios of these two, markedness is their difference.

    Args:
        agreement: a row per label, of `agreement_table`; a row without any interval is left as it is.
        marked: which sentences the detector marks.
        known: of which sentences it says whether they show the behaviour.
    """
    rows = [_row(row, truth, marked & known, known & ~marked) for row in agreement.to_dict("records")]
    return pd.DataFrame(rows, columns=agreement.columns)


def share_estimate(shows: Marks, weights: npt.NDArray[np.float64], groups: npt.NDArray[Any]) -> Estimate:
    """Return the share of sentences that show something, by weight, with an interval that has a width at 0 and 1 too.

    The interval is that of Clopper and Pearson (1934), Biometrika 26, for `effective_number` independent sentences.
    Source: Korn and Graubard (1998), Survey Methodology 24. Without a sentence it is 0 to 1, and the share nan.

    >>> [round(end, 3) for end in share_estimate(np.ones(20, dtype=bool), np.ones(20), np.arange(20))]
    [1.0, 0.832, 1.0]
    """
    if not len(weights):
        return Estimate(np.nan, 0.0, 1.0)
    share = float(weights[shows].sum() / weights.sum())
    number = effective_number(shows, weights, groups)
    instances = share * number
    low = float(stats.beta.ppf(_TAIL, instances, number - instances + 1)) if share > 0 else 0.0
    high = float(stats.beta.ppf(1 - _TAIL, instances + 1, number - instances)) if share < 1 else 1.0
    return Estimate(share, low, high)


def effective_number(shows: Marks, weights: npt.NDArray[np.float64], groups: npt.NDArray[Any]) -> float:
    """Return how many independent sentences of equal weight would tell as much of a share as these sentences do.

    With p the share and v its variance between groups, it is p (1 - p) / v, times the square of the quantile of a
    normal variable over that of Student's t for the number of groups. It is at most the square of the sum of weights
    over the sum of squares: of sentences, which differ in weight. Where all sentences are alike there is no v; it is
    then that of groups: sentences of one group may be alike for that reason. Sources: Korn and Graubard (1998); Kish
    (1965), Survey Sampling, 11.7.
    """
    codes = pd.factorize(groups)[0]
    sums = np.bincount(codes, weights=weights)
    by_groups, by_sentences = (float(each.sum() ** 2 / (each**2).sum()) for each in (sums, weights))
    share = float(weights[shows].sum() / weights.sum())
    if shows.all() or not shows.any() or len(sums) < 2:
        return by_groups
    residuals = np.bincount(codes, weights=weights * (shows - share)) / weights.sum()
    variance = float((residuals**2).sum()) * len(sums) / (len(sums) - 1)
    few_groups = float(stats.norm.ppf(_TAIL) / stats.t.ppf(_TAIL, len(sums) - 1)) ** 2
    number = share * (1 - share) / variance * few_groups if variance > 0 else by_sentences
    return min(max(number, min(by_groups, by_sentences) * few_groups), by_sentences)


def hardly_known(truth: Annotations) -> list[str]:
    """Return a warning for a stratum that holds most sentences of the texts and has few labels."""
    weights = truth.sentences.groupby("stratum")["weight"]
    return [
        f"{plural(int(labels), 'label')} of the stratum “{name}” {'stands' if labels == 1 else 'stand'} for "
        f"{total / truth.weights.sum():.0%} of all sentences: recall is hardly known. Label more sentences: a sample "
        "with more `sentences` has more of them"
        for name, total, labels in zip(weights.sum().index, weights.sum(), weights.size(), strict=True)
        if total > _LARGE_STRATUM * truth.weights.sum() and labels < _FEW and labels < round(total)
    ]


def ratio_interval(above: Estimate, below: Estimate) -> tuple[float, float]:
    """Return the interval of the ratio of two estimates, neither of which is negative.

    Source: Donner and Zou (2012), Statistical Methods in Medical Research 21 (method of variance estimates recovery).

    >>> ratio_interval(Estimate(0.0, 0.0, 0.3), Estimate(1.0, 1.0, 1.0))
    (0.0, 0.3)
    """
    if above.value == 0 or below.value == 0:  # The method is for two estimates above 0: here, the ends themselves.
        return (
            above.low / below.high if below.high > 0 else np.inf,
            above.high / below.low if below.low > 0 else np.inf,
        )
    product = above.value * below.value

    def end(from_above: float, from_below: float, sign: int) -> float:
        denominator = from_below * (2 * below.value - from_below)
        if denominator == 0:
            return np.inf if sign > 0 else 0.0
        root = product**2 - from_above * (2 * above.value - from_above) * denominator
        return float((product + sign * np.sqrt(max(root, 0.0))) / denominator)

    return max(end(above.low, below.high, -1), 0.0), end(above.high, below.low, 1)


def difference_interval(first: Estimate, second: Estimate) -> tuple[float, float]:
    """Return the interval of the first less the second. Source: Donner and Zou (2012), as in `ratio_interval`."""
    value = first.value - second.value
    low = value - np.hypot(first.value - first.low, second.high - second.value)
    return float(low), float(value + np.hypot(first.high - first.value, second.value - second.low))


def _row(row: dict[Hashable, Any], truth: Annotations, marked: Marks, unmarked: Marks) -> dict[Hashable, Any]:
    if np.isnan(row["recall_low"]) and np.isnan(row["precision_low"]):
        return row
    shows, weights, groups = truth.any_of([row["label"]]), truth.weights, truth.sentences["group"].to_numpy()
    right, missed = (share_estimate(shows[rows], weights[rows], groups[rows]) for rows in (marked, unmarked))
    ends = {"precision": right[1:], "false_omission": missed[1:]}
    if marked.any() and unmarked.any():
        times = weights[unmarked].sum() / weights[marked].sum()
        ends["markedness"] = difference_interval(right, missed)
        # With p and q the two shares: 1 / recall is 1 + times q / p, and 2 / F1 is 1 + (1 + times q) / p.
        least, most = ratio_interval(Estimate(*(times * each for each in missed)), right)
        ends["recall"] = 1 / (1 + most), 1 / (1 + least)
        least, most = ratio_interval(Estimate(*(1 + times * each for each in missed)), right)
        ends["f1"] = 2 / (1 + most), min(2 / (1 + least), 1.0)
    elif marked.any() or unmarked.any():
        both = marked | unmarked
        found = share_estimate(marked[both & shows], weights[both & shows], groups[both & shows])
        ends["recall"] = found[1:]
    widened = dict(row)
    for measure, (low, high) in ends.items():
        if not np.isnan(row[measure]):
            # Where too many resamples have no value, the formula's end is the only one.
            widened[f"{measure}_low"] = float(np.fmin(row[f"{measure}_low"], low))
            widened[f"{measure}_high"] = float(np.fmax(row[f"{measure}_high"], high))
    return widened
