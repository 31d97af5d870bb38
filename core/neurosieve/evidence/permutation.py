"""The null of a ranking: how high would the best of all neurons score if labels were random?

Labels are permuted within documents, so that differences between documents are not evidence: a permutation is one more
column of labels for the same scorers. This assumes that the positions of a document are exchangeable. Of whole texts
they are permuted within groups, or exchanged between groups (`exchange`).

A score whose comparisons lie between documents, such as an area over pairs that share a token id, has too few of them
inside one; and permuted across documents the positions of one document would count as independent, which they are not:
pure noise with a level per document would pass. There the sum of what each group of documents adds to the score is
flipped in sign. This assumes that groups are independent, and that under random labels the sum of each is as likely as
its negative; positions of one group may depend on each other in any way. Ranks make groups slightly dependent, so that
it is exact only as the number of groups grows.

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
from neurosieve.evidence.exchange import Exchange, block_arrangements, exchanged_blocks
from neurosieve.scoring.engine import score_batch
from neurosieve.scoring.ranking import minus_neutral

__all__ = [
    "FEWEST",
    "Null",
    "arrangements",
    "arrangements_of",
    "contributions_of",
    "permutation_null",
    "permuted",
    "rearranged",
]

FEWEST = 20
"""Fewer arrangements than this can never give a p of 0.05."""
_SCORES_AT_ONCE = 1 << 22
"""How many scores are computed at once, of all permutations and some neurons: 16 MiB of them in float32."""
_KEYS_AT_ONCE = 1 << 21
"""How many labels are arranged at once, of some permutations: 16 MiB of what they are sorted by."""
_POSITIONS_AT_ONCE = 1 << 13
"""How many positions a product sums over at once; whole bytes of bits."""
_RANDOM_BITS = 40
"""How many bits a random number has where labels are sorted by it: ties are too rare to matter."""
_SAME = 1e-5
"""Scores that differ by less than this share count as equal: sums of the same numbers in another order do so."""


class Null(NamedTuple):
    """How the neurons compare with permuted labels. The effect of a neuron is its absolute score minus neutral."""

    p: npt.NDArray[np.float64]
    """Per neuron: the share of permutations in which its effect is at least that under the true labels."""
    p_fwer: npt.NDArray[np.float64]
    """Per neuron: the share of permutations in which the largest effect of all neurons is at least its own."""
    q_fdr: npt.NDArray[np.float64]
    """Per neuron: Benjamini and Hochberg's adjusted p."""
    largest: npt.NDArray[np.float64]
    """Per permutation: the largest effect of all neurons."""


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
    # Sorted by stratum and, within it, by a random number; the label is the last bit, since numpy sorts integers
    # several times as fast as it sorts their places.
    keys = generator.integers(1 << _RANDOM_BITS, size=(columns, len(labels)))
    keys <<= 1
    keys |= labels[order] == 1
    keys |= number << (_RANDOM_BITS + 1)
    keys.sort(axis=1)
    shuffled = np.empty((columns, len(labels)), dtype=np.int8)
    shuffled[:, order] = keys & 1
    return shuffled.T


def rearranged(
    labels: npt.NDArray[np.int8], exchange: Exchange, columns: int, generator: np.random.Generator
) -> npt.NDArray[np.int8]:
    """Return `columns` random arrangements of labels, 0 and 1, as far as an exchange allows, a column each."""
    strata, blocks = exchange
    if blocks is None:
        return permuted(labels, strata, columns, generator)
    return exchanged_blocks(labels, blocks, strata, columns, generator)


def arrangements_of(batch: Batch, scorer: Scorer[Any], exchange: Exchange | None = None) -> float:
    """Return the logarithm of how many different effects the null of a scorer could draw for a neuron.

    Flipping all groups gives the same effect as flipping none. `exchange` says which labels may change places: those of
    one document, by default.
    """
    if not scorer.between_documents:
        labels, (strata, blocks) = batch.labels[:, 0].numpy(), exchange or _within_documents(batch)
        return arrangements(labels, strata) if blocks is None else block_arrangements(labels, blocks, strata)
    shares = contributions_of(_some(batch, slice(64)), scorer)
    groups = len(torch.unique(batch.groups[(shares != 0).any(dim=1).cpu()]))
    return max(0, groups - 1) * math.log(2)


def contributions_of(batch: Batch, scorer: Scorer[Any]) -> torch.Tensor:
    """Return the contributions of a scorer that is `between_documents`.

    Raises:
        TypeError: it has none, against what it declares.
    """
    shares = scorer.contributions(batch)
    if shares is None:
        raise TypeError(f"{scorer} declares `between_documents`, and its `contributions` are None")
    return shares


def _within_documents(batch: Batch) -> Exchange:
    return Exchange(batch.documents.numpy())


def permutation_null(
    layers: Iterable[Batch], scorer: Scorer[Any], draws: int, seed: int, exchange: Exchange | None = None
) -> Null:
    """Return how the effects of all neurons compare with those of permuted labels.

    p_fwer is that of Westfall and Young (1993): (1 + b) / (1 + draws), where b is the number of permutations whose
    largest effect over all neurons is at least this neuron's; the added 1 is from Phipson and Smyth (2010). nan where a
    score is undefined. A scorer that is `between_documents` gets flips of whole groups in place of permutations.

    `layers` gives the positions of one behaviour at each layer, in one column of labels, a batch a layer. `exchange`
    says which labels may change places: those of one document, by default.
    """
    largest = np.zeros(draws)
    true_effects, exceeded = list[npt.NDArray[np.float64]](), list[npt.NDArray[np.int32]]()
    # A multiple of 64, whole vectors of a processor: a product of any other width takes a quarter longer.
    width = max(1, _SCORES_AT_ONCE // (draws + 1) // 64) * 64
    effects: _Effects | None = None
    for batch in layers:
        if effects is None:
            generator = np.random.default_rng(seed)
            if scorer.between_documents:
                effects = _of_flips(batch, scorer, draws, generator)
            else:
                effects = _of_labels(batch, scorer, draws, generator, exchange or _within_documents(batch))
        for start in range(0, batch.activations.shape[1], width):
            values = effects(_some(batch, slice(start, start + width)))
            true, drawn = values[0], values[1:]
            true_effects.append(true.double().numpy())
            exceeded.append((drawn >= true * (1 - _SAME)).sum(dim=0, dtype=torch.int32).numpy())
            np.maximum(largest, drawn.nan_to_num_(0.0).amax(dim=1).double().numpy(), out=largest)
    observed = np.concatenate(true_effects)
    p = np.where(np.isnan(observed), np.nan, (1 + np.concatenate(exceeded)) / (draws + 1))
    # How many permutations have a largest effect that is at least as large, by one sort.
    ordered = np.sort(largest)
    reached = draws - np.searchsorted(ordered, observed * (1 - _SAME), side="left")
    p_fwer = np.where(np.isnan(observed), np.nan, (1 + reached) / (draws + 1))
    q = np.full(len(p), np.nan)
    if (known := ~np.isnan(p)).any():
        from scipy.stats import false_discovery_control  # Takes half a second to import.

        q[known] = false_discovery_control(p[known])
    return Null(p, p_fwer, q, largest)


_Effects = Callable[[Batch], torch.Tensor]
"""Returns the effects of some neurons: in the first line under the true labels, then under those drawn."""


def _of_labels(
    batch: Batch, scorer: Scorer[Any], draws: int, generator: np.random.Generator, exchange: Exchange
) -> _Effects:
    """Return a function of effects under the true labels, and under labels that have changed places."""
    labels = batch.labels[:, 0].numpy()
    # A bit a label, and a few draws at a time: these stay in memory while layers are read.
    lines, at_once = [np.packbits(labels[None] == 1, axis=1)], max(1, _KEYS_AT_ONCE // len(labels))
    for first in range(0, draws, at_once):
        drawn = rearranged(labels, exchange, min(at_once, draws - first), generator)
        lines.append(np.packbits(drawn.T == 1, axis=1))
    bits = np.concatenate(lines)

    def present(positions: slice) -> torch.Tensor:
        some_bits = bits[:, positions.start // 8 : -(-positions.stop // 8)]
        return torch.from_numpy(np.unpackbits(some_bits, axis=1, count=positions.stop - positions.start))

    def effects(some: Batch) -> torch.Tensor:
        if (contrast := scorer.contrast(some)) is None:
            columns = present(slice(0, len(labels))).T.to(torch.int8)
            return minus_neutral(score_batch(dataclasses.replace(some, labels=columns), scorer)).float().abs()
        sums = torch.zeros(len(bits), contrast.values.shape[1])
        for first in range(0, len(labels), _POSITIONS_AT_ONCE):
            chunk = slice(first, min(first + _POSITIONS_AT_ONCE, len(labels)))
            sums.addmm_(present(chunk).to(torch.float32), contrast.values[chunk])
        neutral = float(torch.as_tensor(score_batch(_some(some, slice(1)), scorer).neutral))
        return contrast.score(sums).sub_(neutral).abs_()

    return effects


def _of_flips(batch: Batch, scorer: Scorer[Any], draws: int, generator: np.random.Generator) -> _Effects:
    """Return a function of the sums of contributions, with the true signs of groups and with those drawn."""
    names, number = torch.unique(batch.groups, return_inverse=True)
    drawn = torch.from_numpy(generator.integers(2, size=(draws, len(names)))).to(torch.float32) * 2 - 1
    signs = torch.cat([torch.ones(1, len(names)), drawn])

    def effects(some: Batch) -> torch.Tensor:
        shares = contributions_of(some, scorer)
        sums = torch.zeros(len(names), shares.shape[1]).index_add_(0, number, shares.float().cpu())
        return (signs @ sums).abs_()

    return effects


def _some(batch: Batch, neurons: slice) -> Batch:
    return dataclasses.replace(batch, activations=batch.activations[:, neurons])
