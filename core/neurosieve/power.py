"""What so many positions could show at all, before a model is read."""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from neurosieve.permutation import arrangements

__all__ = ["noise_of_auc", "smallest_auc"]

_FEWEST = 20
"""Fewer arrangements of the labels than this can never give a p of 0.05."""


def noise_of_auc(labels: npt.NDArray[np.int8], strata: npt.NDArray[np.int64]) -> float:
    """Return the standard deviation of a noise neuron's AUC as labels are permuted within strata; nan where none is.

    A permutation within strata draws the ranks of each without replacement, so that their sum has the variance
    sum over strata of n1 n0 / n times the variance of ranks there; that is N (N + 1) / 12 on average where the neuron
    knows nothing of strata. In one stratum it is Mann and Whitney's.

    Source: van Elteren (1960), On the combination of independent two sample tests of Wilcoxon; Lehmann (1975),
    Nonparametrics, chapter 3.
    """
    _, number = np.unique(strata, return_inverse=True)
    size = np.bincount(number).astype(np.float64)
    present = np.bincount(number, labels == 1)
    total, shown = len(labels), int((labels == 1).sum())
    if not 0 < shown < total:
        return math.nan
    spread = float((present * (size - present) / size).sum()) * total * (total + 1) / 12
    return math.sqrt(spread) / (shown * (total - shown)) if spread else math.nan


def smallest_auc(
    labels: npt.NDArray[np.int8],
    strata: npt.NDArray[np.int64],
    neurons: int,
    permutations: int,
    level: float = 0.05,
) -> float:
    """Return the smallest AUC above 0.5 that could be the best of so many neurons by chance in `level` of all runs.

    It takes the neurons for independent noise of normal ranks, which no real ones are: their null reaches less far.
    nan where no AUC could: there are too few arrangements of the labels, or permutations, or positions.
    """
    if math.exp(min(700.0, arrangements(labels, strata))) < _FEWEST or 1 / (permutations + 1) > level:
        return math.nan
    # The chance that the furthest of so many independent neurons, either way, is as far; expm1 for the tiny tail.
    tail = -math.expm1(math.log1p(-level) / neurons) / 2
    reached = 0.5 + -float(ndtri(tail)) * noise_of_auc(labels, strata)
    return reached if reached <= 1 else math.nan
