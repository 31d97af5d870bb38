"""The interval of precision or recall where no labelled sentence is an exception: resampling sees none either."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.detection.agreement.annotated_sentences import Annotations, Marks

__all__ = ["far_end", "with_far_ends"]


def with_far_ends(agreement: pd.DataFrame, truth: Annotations, marked: Marks, known: Marks) -> pd.DataFrame:
    """Return the agreement of one detector with the far end of each interval that has no width at 0 or 1.

    Args:
        agreement: a row per label, of `agreement_table`.
        marked: which sentences the detector marks.
        known: of which sentences it says whether they show the behaviour.
    """
    rows = [_row(row, truth, marked & known, known) for row in agreement.to_dict("records")]
    return pd.DataFrame(rows, columns=agreement.columns)


def far_end(weights: npt.NDArray[np.float64], groups: npt.NDArray[Any]) -> float:
    """Return how small a share may be of which every sampled sentence is an instance, as the end of a 95 % interval.

    It is that of Clopper and Pearson (1934), Biometrika 26, for n of n: 0.025 to the power of 1 / n. Sentences of one
    group may be alike, so n is the number of groups, less where their weights differ: the square of the sum of weights
    over the sum of squares. Source: Kish (1965), Survey Sampling, 11.7.

    >>> round(far_end(np.ones(20), np.arange(20)), 3)
    0.832
    """
    sums = np.bincount(pd.factorize(groups)[0], weights=weights)
    return float(0.025 ** ((sums**2).sum() / sums.sum() ** 2))


def _row(row: dict[Hashable, Any], truth: Annotations, marked: Marks, known: Marks) -> dict[Hashable, Any]:
    shows = truth.any_of([row["label"]]) & known
    groups = truth.sentences["group"].to_numpy()
    if np.isnan(row["recall_low"]) and np.isnan(row["precision_low"]):
        return row
    ends = dict(row)
    moved = set()
    for measure, rows in (("precision", marked), ("recall", shows), ("false_omission", known & ~marked)):
        if row[measure] in (0.0, 1.0) and rows.any():
            far = far_end(truth.weights[rows], groups[rows])
            whole = row[measure] == 1
            ends[f"{measure}_low"], ends[f"{measure}_high"] = (far, 1.0) if whole else (0.0, 1 - far)
            moved.add(measure)
    if moved & {"precision", "false_omission"}:  # Markedness is their difference.
        low = ends["precision_low"] - ends["false_omission_high"]
        high = ends["precision_high"] - ends["false_omission_low"]
        ends["markedness_low"] = min(row["markedness_low"], low)
        ends["markedness_high"] = max(row["markedness_high"], high)
    if row["f1"] in (0.0, 1.0):
        side = "low" if row["f1"] == 1 else "high"
        precision, recall = ends[f"precision_{side}"], ends[f"recall_{side}"]
        ends[f"f1_{side}"] = 2 * precision * recall / (precision + recall) if precision + recall > 0 else np.nan
    return ends
