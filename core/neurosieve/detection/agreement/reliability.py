"""How far raters of the same sentences agree beyond chance: Cohen's kappa of two, Krippendorff's alpha of several."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.detection.agreement.raters import Raters
from neurosieve.detection.agreement.rates import group_sums, weights_of
from neurosieve.evidence.intervals import percentile_interval, resample_weights

__all__ = ["cohens_kappa", "krippendorffs_alpha", "pairs_table", "reliability_table"]

_CELLS = ("both", "only_first", "only_second", "neither")


def cohens_kappa(cells: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the agreement of two raters beyond chance; nan where both only ever say the same one thing.

    `cells` has along its first axis how many sentences both mark, only the first, only the second, and neither. With
    p the share on which they agree and e the share expected of raters who mark as often but at random, kappa is
    (p - e) / (1 - e). Source: Cohen (1960), Educ. Psychol. Meas. 20.

    >>> float(cohens_kappa(np.array([20.0, 5, 10, 15])))
    0.4
    """
    both, only_first, only_second, neither = cells
    first, second = both + only_first, both + only_second
    # (1 - e) times the square of the number of sentences, without a difference of large numbers.
    by_chance = first * (only_first + neither) + second * (only_second + neither)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - (only_first + only_second) * cells.sum(axis=0) / by_chance, dtype=np.float64)


def krippendorffs_alpha(sums: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the agreement of any number of raters beyond chance, for marked and unmarked as names (nominal).

    `sums` has along its first axis the sums over sentences that m >= 2 raters know of: of u v / (m - 1), of u, and of
    v, where u raters mark the sentence, and v do not. nan where all only ever say the same one thing.

    Source: Krippendorff (2011), Computing Krippendorff's alpha-reliability, with its correction for small samples.
    """
    disagreement, marked, unmarked = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        alpha = 1 - (marked + unmarked - 1) * disagreement / (marked * unmarked)
    return np.where(marked * unmarked > 0, alpha, np.nan)


def pairs_table(raters: Raters, draws: int, seed: int, min_groups: int) -> pd.DataFrame:
    """Return a row per pair of raters: what they say of the sentences that both know of.

    Returns:
        `first, second, kappa, both, only_first, only_second, neither, sentences, not_known, stands_for, over,
        kappa_low, kappa_high`. The counts are of sentences as they are, kappa is of sums of weights; `not_known` is how
        many sentences one of the two does not know of. The interval of 95 % is from resampling whole groups, and nan
        with fewer than `min_groups` groups of which both know a sentence.
    """
    codes, groups = pd.factorize(raters.sentences["group"])
    draw_weights, rows = resample_weights(len(groups), draws, seed), []
    for first, second in raters.pairs:
        marks = raters.marks[first], raters.marks[second]
        known = raters.known[first] & raters.known[second]
        cells = np.stack([marks[0] & marks[1], marks[0] & ~marks[1], ~marks[0] & marks[1], ~(marks[0] | marks[1])])
        cells &= known
        sums = group_sums(cells * weights_of(raters.sentences), codes, len(groups))
        row: dict[str, Any] = {"first": first, "second": second, "kappa": float(cohens_kappa(sums.sum(axis=1)))}
        row |= dict(zip(_CELLS, cells.sum(axis=1).tolist(), strict=True))
        row |= {"sentences": int(known.sum()), "not_known": int((~known).sum()), "stands_for": float(sums.sum())}
        row |= {"over": raters.over}
        enough = len(np.unique(codes[known])) >= min_groups
        rows.append(row | _interval("kappa", cohens_kappa(sums @ draw_weights.T), enough))
    return pd.DataFrame(rows)


def reliability_table(raters: Raters, draws: int, seed: int, min_groups: int) -> pd.DataFrame:
    """Return a row per set of raters that may be asked the same question: all detectors, with each annotated label.

    Returns:
        `raters, number, alpha, sentences, stands_for, over, alpha_low, alpha_high`, where `sentences` is how many at
        least two of the raters know of, which alone count. A sentence that a rater does not know of is a missing value.
        There is no interval with fewer than `min_groups` groups of which a sentence counts.
    """
    codes, groups = pd.factorize(raters.sentences["group"])
    draw_weights, rows = resample_weights(len(groups), draws, seed), []
    for names in raters.sets:
        known = np.stack([raters.known[name] for name in names])
        marks = np.stack([raters.marks[name] for name in names]) & known
        raters_of, marked = known.sum(axis=0), marks.sum(axis=0)
        counts = raters_of >= 2
        unmarked = raters_of - marked
        values = np.stack([marked * unmarked / np.maximum(raters_of - 1, 1), marked, unmarked]) * counts
        sums = group_sums(values * weights_of(raters.sentences), codes, len(groups))
        row: dict[str, Any] = {"raters": ", ".join(names), "number": len(names)}
        row |= {"alpha": float(krippendorffs_alpha(sums.sum(axis=1))), "sentences": int(counts.sum())}
        row |= {"stands_for": float(weights_of(raters.sentences)[counts].sum()), "over": raters.over}
        enough = len(np.unique(codes[counts])) >= min_groups
        rows.append(row | _interval("alpha", krippendorffs_alpha(sums @ draw_weights.T), enough))
    return pd.DataFrame(rows)


def _interval(measure: str, resampled: npt.NDArray[np.float64], enough: bool) -> dict[str, float]:
    low, high = percentile_interval(resampled) if enough else (np.nan, np.nan)
    return {f"{measure}_low": float(low), f"{measure}_high": float(high)}
