"""How large an effect is, with its interval: groups are resampled, the same for every condition; pairs stay pairs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from numpy import ndarray
from scipy import stats

from neurosieve.ablation.settings import ENOUGH_SETS
from neurosieve.evidence.intervals import percentile_interval, resample_weights

__all__ = [
    "FEW_SETS",
    "Estimate",
    "Resamples",
    "Verdict",
    "average",
    "chance_among",
    "few_groups_warning",
    "sign_test",
    "verdict_of",
]

Verdict = Literal[
    "matters more than its controls",
    "no effect beyond its controls",
    "too few control sets to tell",
    "too few groups to tell",
    "the behaviour never shows",
]

FEW_SETS: Verdict = "too few control sets to tell"
_CHANCE = 0.05


@dataclass(frozen=True, eq=False)
class Estimate:
    """A number, and its value on each resample; estimates of the same resamples can be subtracted and averaged."""

    value: float
    draws: npt.NDArray[np.float64]
    """Empty where there are too few groups to resample."""
    groups: int
    """How many groups it is measured in."""

    def __sub__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.value - other.value, self.draws - other.draws, self.groups)

    def exp(self) -> "Estimate":
        """Return e to this number."""
        return Estimate(math.exp(self.value), np.exp(self.draws), self.groups)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the expanded percentile interval; nan where there are too few groups, or it is seldom defined.

        A percentile interval of few groups is too narrow: this one takes the quantiles of the resamples that make it
        as wide as Student's t does where the groups are normal.

        Source: Hesterberg (2015), What teachers should know about the bootstrap, The American Statistician 69 (4).
        """
        if not len(self.draws) or not math.isfinite(self.value):
            return math.nan, math.nan
        wide = stats.t.ppf((1 - confidence) / 2, self.groups - 1) * math.sqrt(self.groups / (self.groups - 1))
        low, high = percentile_interval(self.draws, float(stats.norm.cdf(wide)))
        return float(low), float(high)

    @property
    def error(self) -> float:
        """The standard error; nan where no group differs from another, which says nothing of those not seen."""
        defined = self.draws[np.isfinite(self.draws)]
        if len(defined) <= 0.9 * len(self.draws) or np.ptp(defined) == 0:
            return math.nan
        return float(defined.std(ddof=1)) * math.sqrt(self.groups / (self.groups - 1))

    @property
    def detectable(self) -> float:
        """The smallest true effect that four of five such experiments would detect, at the 5 % level.

        Source: Bloom (1995), Minimum detectable effects, Evaluation Review 19 (5).
        """
        normal = NormalDist()
        return (normal.inv_cdf(0.975) + normal.inv_cdf(0.8)) * self.error


class Resamples:
    """Resamples of whole groups of units, the same ones for every ratio; none with fewer groups than `min_groups`.

    Source: Field and Welsh (2007), Bootstrapping clustered data, J. R. Stat. Soc. B 69.
    """

    def __init__(self, groups: Sequence[str], draws: int, seed: int, min_groups: int) -> None:
        names, self._group = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
        self.groups = len(names)
        self.units = len(groups)
        self._weights = resample_weights(self.groups, draws if self.groups >= min_groups else 0, seed)

    def ratio(self, numerator: npt.ArrayLike, denominator: npt.ArrayLike | None = None) -> Estimate:
        """Return the sum of `numerator` over that of `denominator`: the mean of `numerator` where that is not given."""
        numerator = np.asarray(numerator, dtype=np.float64)
        denominator = np.ones_like(numerator) if denominator is None else np.asarray(denominator, dtype=np.float64)
        over, under = (np.bincount(self._group, values, self.groups) for values in (numerator, denominator))
        with np.errstate(invalid="ignore", divide="ignore"):  # Nothing by nothing is nan: undefined.
            return Estimate(
                float(np.divide(over.sum(), under.sum())), (self._weights @ over) / (self._weights @ under), self.groups
            )


def average(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean of several estimates."""
    value = float(np.mean([estimate.value for estimate in estimates]))
    draws = np.mean([estimate.draws for estimate in estimates], axis=0)
    return Estimate(value, draws, estimates[0].groups)


def sign_test(change: npt.ArrayLike, groups: Sequence[str]) -> float:
    """Return the p-value of as many groups going up as down, two-sided and exact; groups that do neither do not count.

    With one unit of 0 or 1 a group this is McNemar's exact test.

    Source: McNemar (1947), Note on the sampling error of the difference between correlated proportions, Psychometrika
    12; Dixon and Mood (1946), The statistical sign test, JASA 41.
    """
    names, group = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    summed = np.bincount(group, np.asarray(change, dtype=np.float64), len(names))
    up, down = int((summed > 1e-9).sum()), int((summed < -1e-9).sum())
    return float(stats.binomtest(up, up + down).pvalue) if up + down else 1.0


def chance_among(changes: Float[ndarray, "sets doses"]) -> Float[ndarray, "doses"]:
    """Return, per dose, how often the change of a set of neurons is as far from 0 as that of the first set.

    This is a permutation test. Its null is that the first set was drawn in the same way as the others. Its p-value is
    exact, and at least 1 / sets. With several doses each set counts with its furthest one, in units of the dose's root
    mean square over all sets: this corrects for the number of doses.

    Source: Phipson and Smyth (2010), Permutation p-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9;
    Westfall and Young (1993), Resampling-based multiple testing, for the doses.
    """
    known = np.isfinite(changes).all(axis=0)
    size = np.abs(np.where(known, changes, 0))
    scale = np.sqrt((size**2).mean(axis=0))
    furthest = np.divide(size, scale, out=np.zeros_like(size), where=scale > 0)
    beyond = furthest.max(axis=1)[1:, None] >= furthest[0]
    chance: Float[ndarray, "doses"] = np.where(known, (1 + beyond.sum(axis=0)) / len(size), np.nan)
    return chance


def few_groups_warning(groups: int, min_groups: int) -> list[str]:
    """Return what a reader must know where there are too few groups for an interval; nothing where there are enough."""
    if groups >= min_groups:
        return []
    return [
        f"the effect is measured in {groups} groups: with fewer than {min_groups} there is no interval and no verdict"
    ]


def verdict_of(target: Estimate, controls: Sequence[Estimate], chance: float, negligible: float = 0.0) -> Verdict:
    """Return the verdict on the change under an edit, compared with the same edit of each set of control neurons.

    The neurons matter more where the interval of their change excludes 0, that of its difference from the mean of the
    controls does too, and the change is further from 0 than that of every set of controls, of which there are enough.

    Args:
        chance: the p-value of the target among its controls.
        negligible: changes up to this count as none: the model's arithmetic rounds as much.
    """
    difference = target - average(controls)
    own, between = target.interval(), difference.interval()
    if math.isnan(own[0]) or math.isnan(between[0]):
        return "too few groups to tell"
    beyond = min(abs(target.value) - max(abs(control.value) for control in controls), abs(difference.value))
    if beyond <= 0 or abs(target.value) <= negligible or between[0] <= 0 <= between[1] or own[0] <= 0 <= own[1]:
        return "no effect beyond its controls"
    if len(controls) < ENOUGH_SETS:
        return FEW_SETS
    return "matters more than its controls" if chance <= _CHANCE else "no effect beyond its controls"
