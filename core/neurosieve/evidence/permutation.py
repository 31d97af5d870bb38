"""The null of a ranking: how high would the best of all neurons score if the labels meant nothing?

Labels are permuted within documents, so that what tells documents apart is no evidence: a permutation is a further
column of labels, through the same scorers. This takes the positions of a document to be exchangeable.

A score whose comparisons lie between documents, such as an area over pairs that share a token id, has too few of them
inside one; and permuted across documents the positions of one document would count as independent, which they are not:
pure noise with a level per document would pass. There the sum of what each group of documents adds to the score is
flipped in sign. This takes groups to be independent, and the sum of each to be as likely its negative where labels mean
nothing; positions of one group may depend on each other in any way. Ranks join groups by a little, so that it is exact
only as groups become many.

Source: Winkler et al. (2014), Permutation inference for the general linear model, NeuroImage 92, for flipping the signs
of whole blocks; Hemerik, Goeman and Finos (2020), Robust testing in generalized linear models by sign flipping score
contributions, J. R. Stat. Soc. B 82, for flipping what each unit adds to a score.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import gammaln

from neurosieve.contracts import Scorer
from neurosieve.data import Batch
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import distance

__all__ = ["FEWEST", "Null", "arrangements", "arrangements_of", "flips_groups", "permutation_null", "permuted"]

FEWEST = 20
"""Fewer arrangements than this can never give a p of 0.05."""
_SCORES_AT_ONCE = 1 << 22
"""How many scores are taken at once, of all permutations and some neurons: 16 MiB of them in float32."""
_KEYS_AT_ONCE = 1 << 21
"""How many labels are arranged at once, of some permutations: 16 MiB of what they are sorted by."""
_POSITIONS_AT_ONCE = 1 << 13
"""How many positions a product sums over at once; whole bytes of bits."""
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


def flips_groups(batch: Batch, scorer: Scorer[Any]) -> bool:
    """Return whether the null of a scorer flips whole groups, and permutes no labels."""
    return scorer.contributions(_some(batch, slice(1))) is not None


def arrangements_of(batch: Batch, scorer: Scorer[Any]) -> float:
    """Return the logarithm of how many different scores the null of a scorer could draw for a neuron.

    Flipping all groups gives the distance of flipping none.
    """
    shares = scorer.contributions(_some(batch, slice(64)))
    if shares is None:
        return arrangements(batch.labels[:, 0].numpy(), batch.documents.numpy())
    groups = len(torch.unique(batch.groups[(shares != 0).any(dim=1).cpu()]))
    return max(0, groups - 1) * math.log(2)


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

    A scorer that has `contributions` gets flips of whole groups in place of permutations; the rest is the same.

    Args:
        layers: the positions of one behaviour at each layer, in one column of labels, a batch a layer.
        scorer: what to compute on each permutation.
        draws: how many permutations.
        seed: draws them.
    """
    largest = np.zeros(draws)
    far: list[npt.NDArray[np.float64]] = []
    beaten: list[npt.NDArray[np.int64]] = []
    distances: _Distances | None = None
    for batch in layers:
        if distances is None:
            drawn = _of_flips if flips_groups(batch, scorer) else _of_labels
            distances = drawn(batch, scorer, draws, np.random.default_rng(seed))
        true, count, best = _layer(batch, distances, draws)
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


_Distances = Callable[[Batch], torch.Tensor]
"""What gives the distances of some neurons from telling nothing: in the first line the true ones, then those drawn."""


def _of_labels(batch: Batch, scorer: Scorer[Any], draws: int, generator: np.random.Generator) -> _Distances:
    """Return what scores neurons under the true labels, and under labels permuted within documents."""
    labels, documents = batch.labels[:, 0].numpy(), batch.documents.numpy()
    # A bit a label, and a few draws at a time: this is held as long as layers are read.
    lines, at_once = [np.packbits(labels[None] == 1, axis=1)], max(1, _KEYS_AT_ONCE // len(labels))
    for first in range(0, draws, at_once):
        drawn = permuted(labels, documents, min(at_once, draws - first), generator)
        lines.append(np.packbits(drawn.T == 1, axis=1))
    bits = np.concatenate(lines)

    def present(positions: slice) -> torch.Tensor:
        held = bits[:, positions.start // 8 : -(-positions.stop // 8)]
        return torch.from_numpy(np.unpackbits(held, axis=1, count=positions.stop - positions.start))

    def distances(some: Batch) -> torch.Tensor:
        if (contrast := scorer.contrast(some)) is None:
            columns = present(slice(0, len(labels))).T.to(torch.int8)
            return _columnwise(some, columns, scorer).abs()
        sums = torch.zeros(len(bits), contrast.values.shape[1])
        for first in range(0, len(labels), _POSITIONS_AT_ONCE):
            here = slice(first, min(first + _POSITIONS_AT_ONCE, len(labels)))
            sums.addmm_(present(here).to(torch.float32), contrast.values[here])
        return contrast.score(sums).sub_(_neutral(some, scorer)).abs_()

    return distances


def _of_flips(batch: Batch, scorer: Scorer[Any], draws: int, generator: np.random.Generator) -> _Distances:
    """Return what sums up the contributions to the score, and does so with the signs of groups drawn."""
    names, number = torch.unique(batch.groups, return_inverse=True)
    drawn = torch.from_numpy(generator.integers(2, size=(draws, len(names)))).to(torch.float32) * 2 - 1
    signs = torch.cat([torch.ones(1, len(names)), drawn])

    def distances(some: Batch) -> torch.Tensor:
        shares = scorer.contributions(some)
        assert shares is not None
        sums = torch.zeros(len(names), shares.shape[1]).index_add_(0, number, shares.float().cpu())
        return (signs @ sums).abs_()

    return distances


def _layer(
    batch: Batch, distances: _Distances, draws: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return, of one layer, the neurons' true distances, how many permutations reach them, and the largest of each."""
    neurons = batch.activations.shape[1]
    far, beaten = np.empty(neurons), np.empty(neurons, dtype=np.int64)
    largest = np.zeros(draws)
    # A multiple of 64, whole vectors of a processor: a product of any other width takes a quarter longer.
    width = max(1, _SCORES_AT_ONCE // (draws + 1) // 64) * 64
    for start in range(0, neurons, width):
        chunk = slice(start, start + width)
        found = distances(_some(batch, chunk))
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
