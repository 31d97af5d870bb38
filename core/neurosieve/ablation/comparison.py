"""A measure under each edit, with its interval, compared with the same edit of control neurons; and its verdict."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from neurosieve.ablation.conditions import Condition, columns_of
from neurosieve.ablation.editing_hooks import Proof
from neurosieve.ablation.effects import Estimate, Resamples, Verdict, average, chance_among, verdict_of
from neurosieve.wording import plural

__all__ = ["Comparison", "Judgement", "Measure", "Observed"]

_COSTS = ("forward_passes", "tokens")
"""Counts that grow with each reading; all others are of the texts."""


@dataclass(frozen=True, eq=False)
class Measure:
    """What is measured of the same units under each condition: the sum of `numerator` over that of `denominator`."""

    name: str
    words: str
    """The measure in words, for people."""
    groups: Sequence[str]
    """The group of each unit."""
    numerator: Float[ndarray, "conditions units"]
    denominator: Float[ndarray, "conditions units"]
    unedited: tuple[npt.ArrayLike, npt.ArrayLike] | None = None
    """Numerator and denominator of the unedited model; None where `numerator` is a change from it already."""
    transform: Callable[[Estimate], Estimate] = lambda estimate: estimate
    """Makes what is reported out of the ratio."""
    p: Sequence[float] | None = None
    """The p-value of each condition's change, where the measure has a test."""

    def joined(self, other: "Measure") -> "Measure":
        """Return this with the same measure of the same units under further conditions; neither has a p."""
        numerator = np.concatenate([self.numerator, other.numerator])
        return replace(self, numerator=numerator, denominator=np.concatenate([self.denominator, other.denominator]))


@dataclass(frozen=True, eq=False)
class Observed:
    """What was measured of a model under some conditions."""

    measures: list[Measure]
    """First those that get a verdict, then those that show the cost of the edit."""
    with_verdict: int
    """How many of them get a verdict."""
    tables: dict[str, pd.DataFrame]
    proof: Proof
    negligible: float
    """A change of a measure up to this counts as none."""
    counts: dict[str, Any]
    warnings: list[str]
    notes: list[str] = field(default_factory=list)
    """What detectors remarked."""

    def joined(self, other: "Observed") -> "Observed":
        """Return this with what was measured under further conditions, of the same units."""
        return Observed(
            [measure.joined(more) for measure, more in zip(self.measures, other.measures, strict=True)],
            self.with_verdict,
            {name: pd.concat([table, other.tables[name]], ignore_index=True) for name, table in self.tables.items()},
            self.proof.joined(other.proof),
            self.negligible,
            self.counts | {name: self.counts[name] + other.counts[name] for name in _COSTS},
            list(dict.fromkeys([*self.warnings, *other.warnings])),
            list(dict.fromkeys([*self.notes, *other.notes])),
        )


class Judgement(NamedTuple):
    """The verdict on one dose of an edit, with a sentence for people."""

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
        self.unedited, self._never_shows = None, False
        if measure.unedited is not None:
            self._never_shows = not np.any(measure.numerator) and not np.any(measure.unedited[0])
            self.unedited = measure.transform(self.resamples.ratio(*measure.unedited))
        self.values = [
            measure.transform(self.resamples.ratio(numerator, denominator))
            for numerator, denominator in zip(measure.numerator, measure.denominator, strict=True)
        ]
        self.changes = [value if self.unedited is None else value - self.unedited for value in self.values]
        self._controls: dict[int, list[int]] = {
            number: [
                control
                for control, (name, _, k, edit) in enumerate(conditions)
                if name == "control" and (k, edit.strength) == (target.k, target.edit.strength)
            ]
            for number, target in enumerate(conditions)
            if target.set == "target"
        }
        """The numbers of the control conditions of each dose, by the number of its condition on the targets."""
        sets = [[number, *controls] for number, controls in self._controls.items()]
        changes = np.array([[self.changes[number].value for number in numbers] for numbers in sets]).T
        self.p_controls = dict(zip(self._controls, chance_among(changes).tolist(), strict=True))
        """By the number of each condition on the targets: how often a set of controls is as far from 0."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row of the table of effects for the unedited model, where it has a value, and for each condition.

        `change` is from the unedited model; `difference` is that of the targets from the mean of their control sets,
        and `p_controls` how often a set of controls would be as far from 0, corrected for the doses that were tried.
        """
        size = {"n": self.resamples.units, "groups": self.resamples.groups}
        if self.unedited is not None:
            yield {**columns_of(None), "measure": self.measure.name, **_with_interval("value", self.unedited), **size}
        for number, condition in enumerate(self.conditions):
            from_controls = {}
            if controls := self._controls.get(number):
                difference = self.values[number] - average([self.values[control] for control in controls])
                from_controls = _with_interval("difference", difference)
            yield {
                **columns_of(condition),
                "measure": self.measure.name,
                **_with_interval("value", self.values[number]),
                **_with_interval("change", self.changes[number]),
                "detectable": self.changes[number].detectable,
                "p": math.nan if self.measure.p is None else self.measure.p[number],
                **from_controls,
                "p_controls": self.p_controls.get(number, math.nan),
                **size,
            }

    def judgements(self, negligible: float = 0.0) -> Iterator[Judgement]:
        """Yield the verdict on each dose; changes up to `negligible` count as none."""
        for number, p in self.p_controls.items():
            (_, _, k, edit), change = self.conditions[number], self.changes[number]
            controls = [self.changes[control] for control in self._controls[number]]
            verdict = verdict_of(change, controls, p, negligible)
            if self._never_shows:
                verdict = "the behaviour never shows"
            low, high = change.interval()
            interval = "" if math.isnan(low) else f" (95 % interval {low:+.3g} to {high:+.3g})"
            strength = f" at strength {edit.strength:g}" if edit.strength != 1 else ""
            sentence = (
                f"{plural(k, 'neuron')} edited{strength}: {self.measure.words} changes by {change.value:+.3g}{interval}"
                f", with {_changes_of_controls([control.value for control in controls], p)}: {verdict}"
            )
            yield Judgement(k, edit.strength, self.measure.name, verdict, sentence)


def _changes_of_controls(changes: Sequence[float], p: float) -> str:
    if len(changes) == 1:
        return f"the control neurons by {changes[0]:+.3g}"
    return (
        f"{len(changes):,} sets of control neurons by {np.mean(changes):+.3g} on average ({min(changes):+.3g} to "
        f"{max(changes):+.3g}; p = {p:.2g} among them)"
    )


def _with_interval(name: str, estimate: Estimate) -> dict[str, float]:
    low, high = estimate.interval()
    ends = {"low": low, "high": high} if name == "value" else {f"{name}_low": low, f"{name}_high": high}
    return {name: estimate.value, **ends}
