"""The doses of a curve, and the smallest one that has a share of the effect of the largest."""

from collections.abc import Callable, Mapping
from itertools import count, takewhile
from typing import NamedTuple

__all__ = ["SmallestDose", "dose_grid", "smallest_dose"]


class SmallestDose(NamedTuple):
    """The smallest dose that has enough of an effect, and all doses that were tried."""

    k: int
    effects: Mapping[int, float]
    """Of every dose that was tried, in order."""


def dose_grid(largest: int) -> list[int]:
    """Return doses up to the largest, evenly on a logarithmic scale.

    >>> dose_grid(60)
    [1, 2, 5, 10, 20, 50, 60]
    """
    steps = (step * 10**power for power in count() for step in (1, 2, 5))
    return [*takewhile(lambda dose: dose < largest, steps), largest]


def smallest_dose(effects: Mapping[int, float], effect_of: Callable[[int], float], share: float) -> SmallestDose:
    """Return the smallest dose with a share of the effect of the largest: by the grid, then by halving the gap below.

    Below the first dose of the grid that has enough the gap is halved until it is closed. The dose that is returned has
    enough, and the one below it has not; where effects do not grow steadily, one still smaller may have enough too.

    Args:
        effects: of each dose of the grid; that of the largest is not 0.
        effect_of: measures the effect of another dose.
        share: of the effect of the largest dose, above 0 and up to 1.
    """
    effects = dict(sorted(effects.items()))
    whole = effects[max(effects)]
    enough = next(dose for dose, effect in effects.items() if effect / whole >= share)
    too_small = max((dose for dose in effects if dose < enough), default=0)
    while enough - too_small > 1:
        between = (enough + too_small) // 2
        effects[between] = effect_of(between)
        if effects[between] / whole >= share:
            enough = between
        else:
            too_small = between
    return SmallestDose(enough, dict(sorted(effects.items())))
