"""What `ablate` is told besides its run and its plugins."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from neurosieve.errors import ConfigError

__all__ = ["ENOUGH_SETS", "Ablate"]

ENOUGH_SETS = 19
"""With fewer sets of control neurons, the furthest of all is that by chance more than one time in twenty."""

T = TypeVar("T")


@dataclass(frozen=True)
class Ablate:
    """What `ablate` is told besides its run and its plugins."""

    mode: Literal["teacher_forced", "generated"] = "teacher_forced"
    """`teacher_forced`: what the edit does to held-out texts as they stand. `generated`: to what the model writes."""
    behaviour: str | None = None
    """Whose neurons and onsets; the first behaviour of the run, by default."""
    neurons: tuple[Any, ...] = ()
    """The neurons to edit, as `[[3, 17], L5N9]`; the best of the ranking, by default."""
    k: int | tuple[int, ...] = ()
    """How many of them, or several numbers, one dose for each; 10, or all that `neurons` lists, by default."""
    strength: float | tuple[float, ...] = (1.0,)
    """How much of the edit is done, or several numbers, one dose for each: 1 all of it, 0.5 goes half of the way."""
    controls: int | None = None
    """At most so many sets of control neurons are edited likewise; those beyond the first 3 only where the targets beat
    these. 19 by default, the fewest that can tell at the 5 % level; 3 where text is generated, for the cost: they show
    what other neurons do, and cannot tell."""
    seed: int = 0
    """Draws the control neurons, the documents, and what an edit draws."""
    documents: int | None = None
    """At most so many held-out documents are looked at, or prompts are completed; 40, or 16 where text is generated."""
    positions: int = 10
    """At most so many control positions of each of them are looked at, for the cost."""
    samples: int = 1
    """Traces of each prompt under each edit, where text is generated. Each has the same draws under every edit."""
    interval_bootstraps: int = 2000
    """Resamples of the groups behind each interval."""
    min_groups: int = 10
    """With fewer groups than this there is no interval and no verdict."""
    tokens_per_batch: int | None = None
    """Tokens in one forward pass; 4,096 on a CPU and 32,768 on a GPU, by default."""
    rows_per_batch: int | None = None
    """Traces that are made at once; 16 on a CPU and 64 on a GPU, by default."""
    store: str | None = None
    """The folder that keeps finished traces; the user's cache, by default."""

    def __post_init__(self) -> None:
        least = {"controls": 1, "seed": 0, "documents": 1, "positions": 0, "samples": 1, "interval_bootstraps": 100}
        least |= {"min_groups": 2, "tokens_per_batch": 1, "rows_per_batch": 1}
        for name, lowest in least.items():
            value = getattr(self, name)
            optional = value is None and (name in ("controls", "documents") or name.endswith("_per_batch"))
            if not optional and (isinstance(value, bool) or not isinstance(value, int) or value < lowest):
                raise ConfigError(f"{name} is {value!r}: give a whole number, at least {lowest}")
        if self.mode not in ("teacher_forced", "generated"):
            raise ConfigError(f"mode is `{self.mode}`: take teacher_forced or generated")
        if not isinstance(self.neurons, tuple | list):
            raise ConfigError(f"neurons is {self.neurons!r}: give a list, [{self.neurons}]")
        ks, strengths = _several(self.k), _several(self.strength)
        for one in ks:
            if isinstance(one, bool) or not isinstance(one, int) or one < 1:
                raise ConfigError(f"k is {list(ks)}: give numbers of neurons, at least 1")
        if not strengths:
            raise ConfigError("strength is empty: give at least one number, such as 1")
        if not all(isinstance(one, int | float) and 0 < one < math.inf for one in strengths):
            raise ConfigError(
                f"strength is {list(strengths)}: give finite numbers above 0; the unedited model is read anyway"
            )

    @property
    def control_sets(self) -> int:
        """How many sets of control neurons there are."""
        return self.controls or (3 if self.mode == "generated" else ENOUGH_SETS)

    def doses(self, there: int) -> tuple[list[int], list[float]]:
        """Return the numbers of neurons and the strengths to try, in order.

        Args:
            there: how many neurons were listed; 0 where the ranking gives them.

        Raises:
            ConfigError: more neurons are asked for than were listed.
        """
        ks = sorted(set(_several(self.k))) or [there or 10]
        if there and ks[-1] > there:
            raise ConfigError(f"k is {ks[-1]:,}, and `neurons` lists {there:,}: list more, or give fewer")
        return ks, sorted({float(one) for one in _several(self.strength)})


def _several(given: T | tuple[T, ...]) -> tuple[T, ...]:
    """Return the numbers that are given, as one or as several."""
    return tuple(given) if isinstance(given, tuple | list) else (given,)
