"""How many sentences of each stratum a person is to label, so that precision and recall of each detector are precise.

A stratum is the sentences of which all detectors say the same.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int

from neurosieve.detection.annotation.population import FOUND, MARKS, OUT_OF_SCOPE

__all__ = ["Stratum", "allocate", "importance", "plan"]

_LEAST = 2
"""So many sentences of each stratum are drawn at least, where it has them: one alone says nothing of the spread."""
_SENTENCES_PER_STRATUM = 3
"""There are no more strata than allow so many sentences each: the rarest ones are drawn from together."""
_CHANCE = {"found": 0.5, "near-miss": 0.3, "not found": 0.05, "out of scope": 0.0}
"""How likely a sentence shows the behaviour, by what its detector says. Where this is wrong, the estimates are as
right, and only less precise than they could be."""


class Stratum(NamedTuple):
    """The sentences of which all detectors say the same, or of several such sets that are rare."""

    patterns: tuple[int, ...]
    """Which patterns of marks it holds, by number."""
    sentences: int
    drawn: int


def plan(
    patterns: Int[np.ndarray, "patterns detectors"], sizes: Int[np.ndarray, "patterns"], number: int
) -> list[Stratum]:
    """Return the strata, and how many of `number` sentences are drawn from each.

    Args:
        patterns: what each detector says, as places of `MARKS`.
        sizes: how many sentences have each pattern.
    """
    weight = importance(patterns, sizes)
    order = np.argsort(-weight, kind="stable")
    alone = max(1, number // _SENTENCES_PER_STRATUM)
    members: list[tuple[int, ...]] = [(int(pattern),) for pattern in order]
    if len(members) > alone:
        members = [*members[: alone - 1], tuple(int(pattern) for pattern in order[alone - 1 :])]
    totals = np.array([sizes[list(of_stratum)].sum() for of_stratum in members])
    weights = np.array([weight[list(of_stratum)].sum() for of_stratum in members])
    drawn = allocate(totals, weights, number)
    return [Stratum(*stratum) for stratum in zip(members, totals.tolist(), drawn.tolist(), strict=True)]


def importance(
    patterns: Int[np.ndarray, "patterns detectors"], sizes: Int[np.ndarray, "patterns"]
) -> Float[np.ndarray, "patterns"]:
    """Return in which shares to draw from the strata, so that all the detectors' estimates are precise together.

    The variance of an estimate is a sum over strata of c / n, with n the number that is drawn there. The sum of the
    variances of all detectors' precision and recall is smallest where n goes with the root of the sum of their c:
    Cochran (1977), Sampling Techniques, 5.5 and 5A.4, with the ratio that recall is made linear as in 6.3. With N
    sentences in a stratum, a chance p that a sentence there shows the behaviour, M sentences that the detector finds,
    T that show the behaviour and R its recall, c = N² p (1 - p) ((1/M)² + ((1 - R)/T)²) in a stratum that it finds, and
    N² p (1 - p) (R/T)² in one that it does not find. A near-miss is planned for as not found: it has no part in the
    estimates, and what people call it says whether it should be found.
    """
    total = np.zeros(len(sizes))
    for marks in patterns.T:
        chance = np.array([_CHANCE[MARKS[mark]] for mark in marks])
        found = marks == FOUND
        shown, shown_and_found = (chance * sizes).sum(), (chance * sizes)[found].sum()
        recall = shown_and_found / max(shown, 1e-12)
        slope = np.where(found, 1 - recall, recall) / max(shown, 1e-12)
        if not found.any():  # Its recall is 0 for certain, but how much there is to find is worth knowing.
            slope = np.full(len(sizes), 1 / max(shown, 1e-12))
        precision = found / max(sizes[found].sum(), 1)
        total += (sizes**2.0) * chance * (1 - chance) * (precision**2 + slope**2) * (marks != OUT_OF_SCOPE)
    return np.sqrt(total)


def allocate(
    sizes: Int[np.ndarray, "strata"], weights: Float[np.ndarray, "strata"], number: int
) -> npt.NDArray[np.int64]:
    """Return how many to draw from each stratum: in the shares of `weights`, but some of each, and no more than it has.

    `number` is at most the sum of `sizes`.

    >>> allocate(np.array([1000, 50, 3]), np.array([6.0, 3.0, 0.1]), 100).tolist()
    [65, 33, 2]
    """
    lowest = np.minimum(sizes, min(_LEAST, max(1, number // len(sizes))))
    largest = float(weights.max())
    weights = np.maximum(weights / largest, 1e-9) if largest > 0 else np.ones(len(sizes))
    low, high = 0.0, float((sizes / weights).max())
    for _ in range(200):  # Bisection for the factor at which the clipped shares sum to the number.
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(middle * weights, lowest, sizes).sum() < number else (low, middle)
    shares = np.clip(high * weights, lowest, sizes)
    drawn = np.floor(shares + 1e-9).astype(np.int64)
    spare = number - int(drawn.sum())
    for stratum in np.argsort(-(shares - drawn), kind="stable"):
        if spare > 0 and drawn[stratum] < sizes[stratum]:
            drawn[stratum], spare = drawn[stratum] + 1, spare - 1
    return drawn
