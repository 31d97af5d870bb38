"""The permutation null: how high would the best of all neurons score if the labels meant nothing?

A permutation of the labels is a further column of labels, through the same scorers. Labels are permuted within
documents, so that what tells documents apart is no evidence.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import gammaln

from neurosieve.contracts import Scorer
from neurosieve.data import Batch
from neurosieve.engine import score
from neurosieve.ranking import distance

__all__ = ["Null", "arrangements", "permutation_null", "permuted", "strata_of"]

_SCORES_AT_ONCE = 1 << 22
"""How many scores are taken at once, of all permutations and some neurons: 16 MiB of them in float32."""
_RANDOM_BITS = 40
"""How many bits a random number has where labels are sorted by it: ties are too rare to matter."""
_SAME = 1e-5
"""Scores that differ by less than this share count as equal: sums of the same numbers in another order do."""


class Null(NamedTuple):
    """What chance does with the same positions."""

    p: npt.NDArray[np.float64]
    """Per neuron: the share of permutations that score it as far from telling nothing as the true labels do."""
    p_fwer: npt.NDArray[np.float64]
    """Per neuron: the share of permutations in which the best of all neurons is as far."""
    q_fdr: npt.NDArray[np.float64]
    """Per neuron: Benjamini and Hochberg's adjusted p."""
    largest: npt.NDArray[np.float64]
    """Per permutation: how far the best of all neurons is from telling nothing."""


def arrangements(labels: npt.NDArray[np.int8], strata: npt.NDArray[np.int64]) -> float:
    """Return the logarithm of how many ways there are to arrange labels within strata."""
    _, number = np.unique(strata, return_inverse=True)
    size = np.bincount(number)
    present = np.bincount(number, labels == 1)
    return float((gammaln(size + 1) - gammaln(present + 1) - gammaln(size - present + 1)).sum())


def permuted(
    labels: npt.NDArray[np.int8], strata: npt.NDArray[np.int64], columns: int, generator: np.random.Generator
) -> npt.NDArray[np.int8]:
    """Return `columns` random arrangements of labels, 0 and 1, within each stratum, a column each."""
    order = np.argsort(strata, kind="stable")
    number = np.unique(strata[order], return_inverse=True)[1]
    # Sorted by stratum and, within it, by a random number; the label rides along as the last bit, since numpy sorts
    # integers several times as fast as it sorts their places.
    keys = generator.integers(1 << _RANDOM_BITS, size=(columns, len(labels)))
    keys <<= 1
    keys |= labels[order] == 1
    keys |= number << (_RANDOM_BITS + 1)
    keys.sort(axis=1)
    shuffled = np.empty((columns, len(labels)), dtype=np.int8)
    shuffled[:, order] = keys & 1
    return shuffled.T


def strata_of(batch: Batch, scorer: Scorer[Any]) -> npt.NDArray[np.int64]:
    """Return, for each position, the number of the stratum within which its label is permuted."""
    return (batch.token_ids if scorer.permuted_within == "tokens" else batch.documents).numpy()


def permutation_null(
    layers: Iterable[Batch],
    scorer: Scorer[Any],
    draws: int,
    seed: int,
) -> Null:
    """Return how the scores of all neurons compare with those of permuted labels.

    p_fwer is that of Westfall and Young (1993): one more than the permutations whose largest distance from telling
    nothing, over all neurons, is at least this neuron's, over one more than the permutations. Phipson and Smyth (2010)
    for the one more. nan where a score is undefined.

    Args:
        layers: the positions of one behaviour at each layer, in one column of labels, a batch a layer.
        scorer: what to compute on each permutation.
        draws: how many permutations.
        seed: draws them.
    """
    largest = np.zeros(draws)
    far: list[npt.NDArray[np.float64]] = []
    beaten: list[npt.NDArray[np.int64]] = []
    columns: torch.Tensor | None = None
    for batch in layers:
        if columns is None:
            labels = batch.labels[:, 0].numpy()
            drawn = permuted(labels, strata_of(batch, scorer), draws, np.random.default_rng(seed))
            columns = torch.from_numpy(np.concatenate([labels[:, None], drawn], axis=1))
        true, count, best = _layer(batch, columns, scorer)
        far.append(true)
        beaten.append(count)
        np.maximum(largest, best, out=largest)
    observed = np.concatenate(far)
    p = np.where(np.isnan(observed), np.nan, (1 + np.concatenate(beaten)) / (draws + 1))
    # How many permutations' largest are at least as far, by one sort.
    ordered = np.sort(largest)
    reached = draws - np.searchsorted(ordered, observed * (1 - _SAME), side="left")
    p_fwer = np.where(np.isnan(observed), np.nan, (1 + reached) / (draws + 1))
    q = np.full(len(p), np.nan)
    if (known := ~np.isnan(p)).any():
        from scipy.stats import false_discovery_control  # Takes half a second to import.

        q[known] = false_discovery_control(p[known])
    return Null(p, p_fwer, q, largest)


def _layer(
    batch: Batch, columns: torch.Tensor, scorer: Scorer[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return, of one layer, the neurons' true distances, how many permutations reach them, and the largest of each."""
    neurons = batch.activations.shape[1]
    far, beaten = np.empty(neurons), np.empty(neurons, dtype=np.int64)
    largest = np.zeros(columns.shape[1] - 1)
    member = (columns == 1).T.to(torch.float32)
    # A multiple of 64, whole vectors of a processor: a product of any other width takes a quarter longer.
    width = max(1, _SCORES_AT_ONCE // columns.shape[1] // 64) * 64
    for start in range(0, neurons, width):
        chunk = slice(start, start + width)
        some = _some(batch, chunk)
        if (contrast := scorer.contrast(some)) is not None:
            found = contrast.score(member @ contrast.values).sub_(_neutral(some, scorer)).abs_()
        else:
            found = _columnwise(some, columns, scorer).abs()
        true, others = found[0], found[1:]
        far[chunk] = true.double().numpy()
        beaten[chunk] = (others >= true * (1 - _SAME)).sum(dim=0, dtype=torch.int32).numpy()
        np.maximum(largest, others.nan_to_num_(0.0).amax(dim=1).double().numpy(), out=largest)
    return far, beaten, largest


def _some(batch: Batch, neurons: slice) -> Batch:
    return dataclasses.replace(batch, activations=batch.activations[:, neurons])


def _columnwise(batch: Batch, columns: torch.Tensor, scorer: Scorer[Any]) -> torch.Tensor:
    """Return the neurons' distances under every column of labels, by the scorer's own way."""
    every = dataclasses.replace(batch, labels=columns)
    return distance(score([every], {"score": scorer})["score"]).float()


def _neutral(batch: Batch, scorer: Scorer[Any]) -> float:
    return float(torch.as_tensor(score([_some(batch, slice(1))], {"score": scorer})["score"].neutral))
