"""The smallest effect that so many positions could show, before a model is read."""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import ndtri

from neurosieve.contracts import Scorer
from neurosieve.data import Batch
from neurosieve.evidence.exchange import Exchange
from neurosieve.evidence.permutation import FEWEST, contributions_of, rearranged
from neurosieve.scoring.engine import score_batch
from neurosieve.scoring.ranking import minus_neutral

__all__ = ["minimum_detectable_auc", "noise_of_auc", "noise_of_exchange", "noise_of_flips"]

_ARRANGEMENTS = 64
"""The spread of noise is averaged over so many arrangements of the labels."""


def noise_of_auc(labels: npt.NDArray[np.int8], strata: npt.NDArray[np.int64]) -> float:
    """Return the standard deviation of a noise neuron's AUC as labels are permuted within strata; nan where none is.

    A permutation within strata draws the ranks of each without replacement, so that their sum has the variance
    sum over strata of n1 n0 / n times the variance of ranks there; that is N (N + 1) / 12 on average where the neuron
    does not depend on strata. In one stratum it is that of Mann and Whitney.

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


def noise_of_exchange(batch: Batch, scorer: Scorer[Any], exchange: Exchange) -> float:
    """Return the standard deviation of a noise neuron's score as labels change places; nan where none is.

    `batch` holds independent noise in place of activations.
    """
    labels = batch.labels[:, 0].numpy()
    drawn = torch.from_numpy(rearranged(labels, exchange, _ARRANGEMENTS, np.random.default_rng(0)))
    effects = minus_neutral(score_batch(dataclasses.replace(batch, labels=drawn), scorer))
    return float(effects.square().mean().sqrt()) or math.nan


def noise_of_flips(batch: Batch, scorer: Scorer[Any]) -> float:
    """Return the standard deviation of a noise neuron's score as the sums of groups are flipped; nan where none is.

    `batch` holds independent noise in place of activations, and `scorer` is `between_documents`.
    """
    shares = contributions_of(batch, scorer)
    names, number = torch.unique(batch.groups, return_inverse=True)
    sums = torch.zeros(len(names), shares.shape[1]).index_add_(0, number, shares.float().cpu())
    return float(sums.square().sum(dim=0).mean().sqrt()) or math.nan


def minimum_detectable_auc(
    noise: float, arrangements: float, neurons: int, permutations: int, level: float = 0.05
) -> float:
    """Return the AUC above 0.5 that chance alone gives the best of so many neurons in `level` of all runs.

    It assumes independent noise of normal ranks; real neurons depend on each other, and their null is narrower.
    nan where no AUC could be told from chance: too few arrangements of the labels, permutations, or positions.

    Args:
        noise: the standard deviation of a noise neuron's AUC under the null.
        arrangements: the logarithm of how many ways the null has.
    """
    if math.exp(min(700.0, arrangements)) < FEWEST or 1 / (permutations + 1) > level:
        return math.nan
    # The chance that the furthest of so many independent neurons, either way, is as far; expm1 for the tiny tail.
    tail = -math.expm1(math.log1p(-level) / neurons) / 2
    reached = 0.5 - float(ndtri(tail)) * noise
    return reached if reached <= 1 else math.nan
