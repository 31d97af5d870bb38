"""A measure under each edit, with its interval, beside the same edit of control neurons; and what to say of it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from neurosieve.ablation.conditions import Condition
from neurosieve.ablation.hooks import Proof
from neurosieve.ablation.effects import Estimate, Resamples, Verdict, average, chance_among, verdict_of

__all__ = ["Comparison", "Judgement", "Measure", "Observed"]


_COSTS = ("forward_passes", "tokens")
"""What is counted of each reading; all else is of the texts."""


def _as_it_is(estimate: Estimate) -> Estimate:
    return estimate


@dataclass(frozen=True, eq=False)
class Measure:
    """What is measured of the same units under each condition: the sum of `numerator` over that of `denominator`."""

    name: str
    words: str
    """What it is, for people."""
    groups: Sequence[str]
    """The group of each unit."""
    numerator: Float[ndarray, "conditions units"]
    denominator: Float[ndarray, "conditions units"]
    unedited: tuple[npt.ArrayLike, npt.ArrayLike] | None = None
    """The same of the unedited model; None where `numerator` is a change from it already."""
    read_as: Callable[[Estimate], Estimate] = _as_it_is
    """What is reported of the ratio."""
    p: Sequence[float] | None = None
    """The p-value of each condition's change, where a test goes with the measure."""

    def joined(self, other: "Measure") -> "Measure":
        """Return this with the same measure of the same units under further conditions, of neither of which is a p."""
        return replace(
            self,
            numerator=np.concatenate([self.numerator, other.numerator]),
            denominator=np.concatenate([self.denominator, other.denominator]),
        )


@dataclass(frozen=True, eq=False)
class Observed:
    """What was seen of a model under some conditions."""

    measures: list[Measure]
    """What the edit is judged by, and then what it costs."""
    judged: int
    """How many of them it is judged by."""
    tables: dict[str, pd.DataFrame]
    proof: Proof
    negligible: float
    """A change up to this of what it is judged by is none."""
    counts: dict[str, Any]
    warnings: list[str]

    def joined(self, other: "Observed") -> "Observed":
        """Return this with what was seen under further conditions, in the same places."""
        return Observed(
            [mine.joined(theirs) for mine, theirs in zip(self.measures, other.measures, strict=True)],
            self.judged,
            {name: pd.concat([table, other.tables[name]], ignore_index=True) for name, table in self.tables.items()},
            self.proof.joined(other.proof),
            self.negligible,
            self.counts | {name: self.counts[name] + other.counts[name] for name in _COSTS},
            list(dict.fromkeys([*self.warnings, *other.warnings])),
        )


class Judgement(NamedTuple):
    """What is to be said of one dose of an edit."""

    k: int
    strength: float
    measure: str
    verdict: Verdict
    sentence: str


class Comparison:
    """One measure under each condition, by the same resamples of the groups."""

    def __init__(
        self, measure: Measure, conditions: Sequence[Condition], draws: int, seed: int, min_groups: int
    ) -> None:
        self.measure, self.conditions = measure, conditions
        self.resamples = Resamples(measure.groups, draws, seed, min_groups)
        self.unedited, self._silent = None, False
        if measure.unedited is not None:
            self._silent = not np.any(measure.numerator) and not np.any(measure.unedited[0])
            self.unedited = measure.read_as(self.resamples.ratio(*measure.unedited))
        self.values = [
            measure.read_as(self.resamples.ratio(numerator, denominator))
            for numerator, denominator in zip(measure.numerator, measure.denominator, strict=True)
        ]
        self.changes = [value if self.unedited is None else value - self.unedited for value in self.values]
        self.chance = self._chance()
        """Of each condition on the targets, by its number: how often a set of controls is as far from 0."""

    def lines(self, intervention: str) -> Iterator[dict[str, Any]]:
        """Yield a line of the table of effects for the unedited model, where it has a value, and for each condition.

        `change` is from the unedited model; `difference` is that of the targets from the mean of their control sets,
        and `p_controls` how often a set of controls would be as far from 0, corrected for the doses that were tried.
        """
        size = {"n": self.resamples.units, "groups": self.resamples.groups}
        if self.unedited is not None:
            told = {"set": "unedited", "control_set": -1, "intervention": "none", "strength": 0.0, "k": 0}
            yield {**told, "measure": self.measure.name, **_with_interval("value", self.unedited), **size}
        for number, condition in enumerate(self.conditions):
            difference = None
            if condition.set == "target":
                difference = self.values[number] - average([self.values[other] for other in self._controls(condition)])
            yield {
                "set": condition.set,
                "control_set": condition.control_set,
                "intervention": intervention,
                "strength": condition.edit.strength,
                "k": condition.k,
                "measure": self.measure.name,
                **_with_interval("value", self.values[number]),
                **_with_interval("change", self.changes[number]),
                "detectable": self.changes[number].detectable,
                "p": math.nan if self.measure.p is None else self.measure.p[number],
                **(_with_interval("difference", difference) if difference is not None else {}),
                "p_controls": self.chance.get(number, math.nan),
                **size,
            }

    def judgements(self, negligible: float = 0.0) -> Iterator[Judgement]:
        """Yield what is to be said of each dose; changes up to `negligible` are none."""
        for number, condition in enumerate(self.conditions):
            if condition.set != "target":
                continue
            target = self.changes[number]
            controls = [self.changes[other] for other in self._controls(condition)]
            verdict = verdict_of(target, controls, self.chance[number], negligible)
            if self._silent:
                verdict = "the behaviour never shows"
            low, high = target.interval()
            sure = "" if math.isnan(low) else f" (95 % interval {low:+.3g} to {high:+.3g})"
            beside = _beside([control.value for control in controls], self.chance[number])
            half = f" at strength {condition.edit.strength:g}" if condition.edit.strength != 1 else ""
            yield Judgement(
                condition.k,
                condition.edit.strength,
                self.measure.name,
                verdict,
                f"{condition.k:,} neuron{'s' * (condition.k != 1)} edited{half}: {self.measure.words} changes by "
                f"{target.value:+.3g}{sure}, with {beside}: {verdict}",
            )

    def _chance(self) -> dict[int, float]:
        doses = [number for number, one in enumerate(self.conditions) if one.set == "target"]
        sets = [[number, *self._controls(self.conditions[number])] for number in doses]
        changes = np.array([[self.changes[number].value for number in numbers] for numbers in sets]).T
        return dict(zip(doses, chance_among(changes).tolist(), strict=True))

    def _controls(self, target: Condition) -> list[int]:
        return [
            number
            for number, one in enumerate(self.conditions)
            if one.set == "control" and (one.k, one.edit.strength) == (target.k, target.edit.strength)
        ]


def _beside(changes: Sequence[float], chance: float) -> str:
    if len(changes) == 1:
        return f"the control neurons by {changes[0]:+.3g}"
    return (
        f"{len(changes):,} sets of control neurons by {np.mean(changes):+.3g} on average ({min(changes):+.3g} to "
        f"{max(changes):+.3g}; p = {chance:.2g} among them)"
    )


def _with_interval(name: str, estimate: Estimate) -> dict[str, float]:
    low, high = estimate.interval()
    ends = {"low": low, "high": high} if name == "value" else {f"{name}_low": low, f"{name}_high": high}
    return {name: estimate.value, **ends}
