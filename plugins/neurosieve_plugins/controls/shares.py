"""Draw tokens in wanted shares: so many of each word, or of each kind of token."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["draw_in_shares"]

Numbers = npt.NDArray[np.integer[Any]]


def draw_in_shares(
    values: Numbers, wanted: Numbers, candidates: npt.NDArray[np.bool_], count: int, rng: np.random.Generator
) -> list[int]:
    """Return at most `count` of the candidate tokens, whose values have the shares that they have among `wanted`.

    A value that too few candidates have is not replaced by others: there are fewer tokens then.

    >>> values, rng = np.array([1, 1, 1, 2, 2, 3]), np.random.default_rng(0)
    >>> [int(values[token]) for token in draw_in_shares(values, np.array([1, 2]), values > 0, 4, rng)]
    [1, 1, 2, 2]
    """
    kinds, times = np.unique(wanted, return_counts=True)
    tokens_of = [np.flatnonzero(candidates & (values == kind)) for kind in kinds]
    available = np.array([len(tokens) for tokens in tokens_of], dtype=np.int64)
    # Where the sum of the shares is no whole number, one of them may be rounded up by two.
    quotas = np.minimum(_round(np.minimum(count * times / max(1, times.sum()), available), rng), available)
    drawn = [
        int(token)
        for tokens, quota in zip(tokens_of, quotas, strict=True)
        for token in rng.choice(tokens, size=quota, replace=False)
    ]
    return sorted(drawn)


def _round(shares: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Round each share up or down by chance, so that it is right on average and the sum is what it was.

    Rounding to the nearest would never draw a rare token in documents that have few controls each.
    """
    whole = np.floor(shares + 1e-9)
    parts = np.maximum(shares - whole, 0.0)
    ups = round(float(shares.sum() - whole.sum()))
    quotas = whole.astype(np.int64)
    if ups > 0:
        order = rng.permutation(len(shares))
        reached = np.cumsum(parts[order])
        ticks = np.floor(reached / reached[-1] * ups + rng.random())
        quotas[order] += np.diff(ticks, prepend=0.0).astype(np.int64)
    return quotas
