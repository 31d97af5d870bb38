"""Settings of `ablate`."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt

from neurosieve.ablation.circuits.smallest_dose import dose_grid
from neurosieve.errors import ConfigError
from neurosieve.fields import check_fields

__all__ = ["ENOUGH_SETS", "Ablate", "Sign"]

ENOUGH_SETS = 19
"""With fewer sets of control neurons, the targets have the largest effect by chance in more than 5 % of cases."""

_LARGEST = 1000
"""The largest dose of `mode=circuit`, by default."""

Sign = Literal["any", "negative", "positive"]

T = TypeVar("T")


@dataclass(frozen=True)
class Ablate:
    """Settings of `ablate`."""

    mode: Literal["teacher_forced", "generated", "each", "circuit"] = "teacher_forced"
    """`teacher_forced`: what the edit does to held-out texts as they stand. `generated`: to what the model writes.
    `each`: to texts as they stand, each neuron edited alone, with a verdict on each. `circuit`: to texts as they stand,
    as more and more neurons are edited together, and which are the fewest with half of the effect of all of them."""
    behaviour: str | None = None
    """Whose neurons and onsets; the first behaviour of the run, by default."""
    neurons: tuple[Any, ...] = ()
    """The neurons to edit, as `[[3, 17], L5N9]`; the best of the ranking, by default."""
    sign: Sign | None = None
    """Of which sign of the score, less its value at chance level, the best neurons are taken. By default `negative`
    where the run ranks effects, for these neurons drive the behaviour and the others oppose it; otherwise `any`."""
    k: int | tuple[int, ...] = ()
    """How many of them, or several numbers, one dose for each; 10, or all that `neurons` lists, by default. With
    `mode=circuit`, the largest dose, which 1, 2, 5, 10, 20, ... lead up to; by default 1,000, or all that have the
    sign, but at most a quarter of the ranking, for the others have to give control neurons: the run says so."""
    top: Annotated[int, Ge(1)] | None = None
    """With `mode=each`, how many of the best neurons are edited, one at a time; 20, or all that `neurons` lists, by
    default. The more there are, the wider each interval is, for all of them hold together."""
    smallest_effect: Annotated[float, Gt(0)] = 0.05
    """With `mode=each`, the smallest change of a log-probability that is worth having, in nats: a neuron that fires
    with the behaviour, and whose effect is shown to be smaller than this either way, reads the behaviour out only."""
    strength: float | tuple[float, ...] = (1.0,)
    """How much of the edit is made, or several numbers, one dose for each: 1 all of it, 0.5 goes half of the way."""
    controls: Annotated[int, Ge(1)] | None = None
    """At most so many sets of control neurons get the same edit; those after the first 3 only where the targets have a
    larger effect than these. 19 by default, the fewest for a test at the 5 % level; 3 with `mode=generated`, for the
    cost: they show what other neurons do, and are too few for a test. With `mode=each`, how many control neurons are
    edited for each neuron, and with `mode=circuit`, how many sets of control neurons; 3 by default, which
    describe what other neurons do, and are too few for a test."""
    seed: Annotated[int, Ge(0)] = 0
    """Draws the control neurons, the documents, and what an edit draws."""
    documents: Annotated[int, Ge(1)] | None = None
    """At most so many held-out documents are read, or prompts are completed; 40, or 16 where text is generated."""
    positions: Annotated[int, Ge(0)] = 10
    """At most so many control positions of each of them are read, to measure the cost of the edit."""
    samples: Annotated[int, Ge(1)] = 1
    """Traces of each prompt under each edit, where text is generated. Each has the same draws under every edit."""
    interval_bootstraps: Annotated[int, Ge(100)] = 2000
    """Resamples of the groups behind each interval."""
    min_groups: Annotated[int, Ge(2)] = 10
    """With fewer groups than this there is no interval and no verdict."""
    tokens_per_batch: Annotated[int, Ge(1)] | None = None
    """Tokens in one forward pass; 4,096 on a CPU and 32,768 on a GPU, by default."""
    rows_per_batch: Annotated[int, Ge(1)] | None = None
    """Traces that are made at once; 16 on a CPU and 64 on a GPU, by default."""
    store: str | None = None
    """The folder that keeps finished traces; the user's cache, by default."""

    def __post_init__(self) -> None:
        check_fields(self)
        ks, strengths = _several(self.k), _several(self.strength)
        if self.sign and self.neurons:
            raise ConfigError(
                f"sign is `{self.sign}`, and `neurons` lists the neurons already: leave out one of the two"
            )
        if any(k < 1 for k in ks):
            raise ConfigError(f"k is {list(ks)}: give numbers of neurons, at least 1")
        if self.mode == "each" and (ks or len(strengths) > 1):
            what, instead = (f"k is {list(ks)}", "give `top`") if ks else (f"strength is {list(strengths)}", "give one")
            raise ConfigError(f"{what}, and `mode=each` edits one neuron at a time, at one strength: {instead}")
        if self.mode == "circuit" and len(strengths) > 1:
            raise ConfigError(
                f"strength is {list(strengths)}, and `mode=circuit` asks for the fewest neurons at one strength: give "
                "one"
            )
        if self.mode != "each" and self.top is not None:
            raise ConfigError(f"top is {self.top:,}, which is for `mode=each`: give `k` with `mode={self.mode}`")
        if not strengths:
            raise ConfigError("strength is empty: give at least one number, such as 1")
        if not all(0 < strength < math.inf for strength in strengths):
            raise ConfigError(
                f"strength is {list(strengths)}: give finite numbers above 0; the unedited model is read anyway"
            )

    @property
    def control_sets(self) -> int:
        """How many sets of control neurons there are."""
        return self.controls or (ENOUGH_SETS if self.mode == "teacher_forced" else 3)

    def sign_for(self, unit: str) -> Sign:
        """Return of which sign the best neurons of a ranking are taken; `unit` is that of what it ranks, if any."""
        return self.sign or ("negative" if unit else "any")

    def edited(self, listed: int, ranked: int) -> int:
        """Return how many neurons are edited at most.

        Args:
            listed: how many neurons were listed; 0 where the ranking gives them.
            ranked: how many the ranking holds.

        Raises:
            ConfigError: k is larger than `listed`.
        """
        if self.mode == "each":
            return listed or self.top or 20
        if self.mode == "circuit" and not listed and not _several(self.k):
            return max(1, min(_LARGEST, ranked // 4))
        return self.doses(listed)[0][-1]

    def doses(self, listed: int) -> tuple[list[int], list[float]]:
        """Return the numbers of neurons and the strengths to try, in order.

        Args:
            listed: how many neurons were listed; 0 where the ranking gives them.

        Raises:
            ConfigError: k is larger than that.
        """
        ks = sorted(set(_several(self.k))) or [listed or 10]
        if listed and ks[-1] > listed:
            raise ConfigError(f"k is {ks[-1]:,}, and `neurons` lists {listed:,}: list more, or give fewer")
        return ks, sorted({float(strength) for strength in _several(self.strength)})

    def circuit_doses(self, largest: int) -> list[int]:
        """Return the numbers of neurons that `mode=circuit` edits first, in order: those given, or a grid up to one."""
        given = sorted(set(_several(self.k)))
        return given if len(given) > 1 else dose_grid(largest)


def _several(given: T | tuple[T, ...]) -> tuple[T, ...]:
    return given if isinstance(given, tuple) else (given,)
