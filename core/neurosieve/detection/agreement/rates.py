"""Precision, recall and what follows from them, in whole samples and in resamples of groups alike."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float, Int

__all__ = ["group_sums", "rates", "weights_of"]


def weights_of(sentences: pd.DataFrame) -> Float[np.ndarray, "sentences"]:
    """Return how many sentences of the texts each of some sentences stands for: its `weight`, or 1 without any."""
    weights = sentences["weight"] if "weight" in sentences else np.ones(len(sentences))
    return np.asarray(weights, dtype=np.float64)


def group_sums(
    values: Float[np.ndarray, "cells rows"], groups: Int[np.ndarray, "rows"], number: int
) -> Float[np.ndarray, "cells groups"]:
    """Return the sums of values within each of a number of groups, which are numbered from 0.

    With `sums @ weights.T` the sums of many resamples of groups are one matrix product.
    """
    return np.stack([np.bincount(groups, weights=cell, minlength=number) for cell in values])


def rates(cells: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float64]]:
    """Return precision, recall and what follows from true and false positives, false and true negatives.

    `cells` has these four along its first axis. `false_omission` is the share of what is not marked that bears the
    label all the same, and `markedness` is precision less that (Powers, 2011). Undefined, and nan, are precision, F1
    and markedness where no mark could be wrong, recall and F1 where nothing is to be found.

    >>> {name: float(value) for name, value in rates(np.array([1.0, 1, 3, 5])).items()}
    {'precision': 0.5, 'recall': 0.25, 'f1': 0.3333333333333333, 'false_omission': 0.375, 'markedness': 0.125}
    """
    true_positive, false_positive, false_negative, true_negative = cells
    could_be_wrong = false_positive + true_negative > 0
    shown = true_positive + false_negative
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(could_be_wrong, true_positive / (true_positive + false_positive), np.nan)
        false_omission = false_negative / (false_negative + true_negative)
        f1 = 2 * true_positive / (2 * true_positive + false_positive + false_negative)
        return {
            "precision": precision,
            "recall": true_positive / shown,
            "f1": np.where(could_be_wrong & (shown > 0), f1, np.nan),
            "false_omission": false_omission,
            "markedness": precision - false_omission,
        }
