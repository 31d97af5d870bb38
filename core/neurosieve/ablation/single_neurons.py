"""What the edit of each neuron alone does, beside its matched controls, and the verdict on it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import stats

from neurosieve.ablation.effects import Estimate, Resamples

__all__ = ["Change", "MeasuredChanges", "SingleEffect", "verdict_on"]

_CONFIDENCE = 0.95
"""Of the intervals of all neurons together: that of each is higher."""


class Change(NamedTuple):
    """A mean change of log-probabilities with the interval of its mean, in nats; nan where there are too few groups."""

    value: float
    low: float
    high: float

    def columns(self, name: str) -> dict[str, float]:
        """Return the columns that show it in a table."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}

    def beyond(self, sign: int, least: float = 0.0) -> bool:
        """Return whether the interval lies above `least`, or below its negative where `sign` is -1."""
        return min(sign * self.low, sign * self.high) > least

    def within(self, most: float) -> bool:
        """Return whether the interval lies within `most` of 0, either way."""
        return max(-self.low, self.high) < most


class SingleEffect(NamedTuple):
    """What the edit of one neuron does."""

    effect: Change
    """On the log-probability of the onsets."""
    effect_control_tokens: Change
    """On that of the tokens at control positions."""
    difference: Change
    """Of these two, from the same resamples."""
    effect_rest: Change
    """On that of the rest of each span."""
    controls: Sequence[float]
    """What the same edit of each of its matched control neurons does at the onsets."""

    @property
    def half_width(self) -> float:
        """Half the width of the interval: a smaller effect could not have been told from 0."""
        return (self.effect.high - self.effect.low) / 2

    def columns(self) -> dict[str, float]:
        """Return the columns that show it in a table."""
        return {
            **self.effect.columns("effect"),
            "half_width": self.half_width,
            **self.effect_control_tokens.columns("effect_control_tokens"),
            **self.difference.columns("difference"),
            **self.effect_rest.columns("effect_rest"),
            "controls": len(self.controls),
            "controls_lowest": min(self.controls),
            "controls_highest": max(self.controls),
        }


@dataclass(frozen=True, eq=False)
class MeasuredChanges:
    """The changes of log-probabilities under some edits, and the resamples of the groups of the measured tokens.

    Every mean of them is of the same resamples, so that differences stay paired.
    """

    change: Float[ndarray, "edits tokens"]
    """Of each token, under each edit."""
    rest: Float[ndarray, "edits tokens"]
    """Of the rest of its span; nan where it has none."""
    onset: Bool[ndarray, "tokens"]
    """Whether the token is an onset, and not at a control position."""
    groups: Sequence[str]
    """The group of each token."""
    resamples: Resamples
    min_groups: int
    """In fewer groups there is no interval."""
    confidence: float
    """Of each interval."""

    @classmethod
    def of(
        cls,
        change: Float[ndarray, "edits tokens"],
        rest: Float[ndarray, "edits tokens"],
        onset: Bool[ndarray, "tokens"],
        groups: Sequence[str],
        draws: int,
        seed: int,
        min_groups: int,
        tried: int,
    ) -> "MeasuredChanges":
        """Return the changes, with intervals that hold for all `tried` neurons together (Bonferroni)."""
        resamples = Resamples(groups, draws, seed, min_groups)
        return cls(change, rest, onset, groups, resamples, min_groups, 1 - (1 - _CONFIDENCE) / tried)

    def single(self, edit: int, controls: Sequence[int]) -> SingleEffect:
        """Return what one of the edits does, beside some others of matched control neurons."""
        at_onsets = self._mean(self.change[edit], self.onset)
        elsewhere = self._mean(self.change[edit], ~self.onset)
        return SingleEffect(
            self._with_interval(at_onsets),
            self._with_interval(elsewhere),
            self._with_interval(_less(at_onsets, elsewhere)),
            self._with_interval(self._mean(self.rest[edit], np.isfinite(self.rest[edit]))),
            [float(self.change[control][self.onset].mean()) for control in controls],
        )

    def _mean(self, values: Float[ndarray, "tokens"], chosen: Bool[ndarray, "tokens"]) -> Estimate:
        """Return the mean over the chosen tokens, and its resamples where they are of enough groups."""
        mean = self.resamples.ratio(np.where(chosen, values, 0.0), chosen)
        groups = len({group for group, is_chosen in zip(self.groups, chosen.tolist(), strict=True) if is_chosen})
        return replace(mean, groups=groups, draws=mean.draws if groups >= self.min_groups else mean.draws[:0])

    def _with_interval(self, mean: Estimate) -> Change:
        """Return a mean with its interval, the wider one of two.

        So far in the tails lie few resamples, and a percentile of them may be too near; and Student's interval knows
        nothing of skewed groups.
        """
        low, high = mean.interval(self.confidence)
        if math.isfinite(low) and math.isfinite(error := mean.error):
            reach = float(stats.t.ppf((1 + self.confidence) / 2, mean.groups - 1)) * error
            low, high = min(low, mean.value - reach), max(high, mean.value + reach)
        return Change(mean.value, low, high)


def _less(left: Estimate, right: Estimate) -> Estimate:
    paired = len(left.draws) == len(right.draws)
    draws: npt.NDArray[np.float64] = left.draws - right.draws if paired else np.empty(0)
    return Estimate(left.value - right.value, draws, min(left.groups, right.groups))


def verdict_on(single: SingleEffect, firing_replicates: bool, smallest_effect: float, negligible: float) -> str:
    """Return the verdict on a neuron, one of those of `SINGLE_VERDICTS`.

    `general` needs that the edit changes other tokens, too, in the same direction: that it is not known to change them
    less is not enough. A neuron that changes the rest of the span, or the onset otherwise than tokens elsewhere, does
    more than read the behaviour out; one that is not known to fire with it may not even do that.

    Args:
        firing_replicates: whether the neuron is known to fire with the behaviour on held-out texts, too.
        smallest_effect: the smallest effect worth having, in nats.
        negligible: changes up to this count as none: the model's arithmetic rounds as much.
    """
    effect, rest = single.effect, single.effect_rest
    for sign, name in ((-1, "drives"), (1, "opposes")):
        if effect.beyond(sign, negligible):
            exceeds = single.difference.beyond(sign, negligible)
            if exceeds and sign * effect.value > max(sign * control for control in single.controls):
                return name
            if not exceeds and single.effect_control_tokens.beyond(sign, negligible):
                return "general"
    changes = [effect, single.difference, *([] if math.isnan(rest.value) else [rest])]
    if firing_replicates and all(change.within(smallest_effect) for change in changes):
        return "reads out only"
    return "not settled"
