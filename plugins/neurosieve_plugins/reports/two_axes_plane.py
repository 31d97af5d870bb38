"""The plane of two rankings: how far its axes reach, what stands at them, and what a point of it says."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurosieve import Axis, TwoRankings

__all__ = [
    "NUMBERS",
    "ROOMS",
    "SCORES",
    "VERDICTS",
    "Stretch",
    "as_foretold",
    "channel_of",
    "foretold",
    "real_axis",
    "stretch_of",
    "tooltips_of",
]

ROOMS = 0.06, 0.17
"""How much room there is about the scores of either axis, as a share of what they reach over."""
SCORES = ["score", "score_beside"]
NUMBERS = [*SCORES, "held_out", "held_out_beside"]
VERDICTS = ["verdict", "verdict_beside"]
_DIFFERENCES = ("paired_difference", "mean_difference")
"""Scorers that give the mean where the behaviour shows less that at controls."""


class Stretch(NamedTuple):
    """From where to where an axis reaches, in scores."""

    low: float
    high: float

    def share(self, values: pd.Series) -> pd.Series:
        """Return how far along the axis values stand, from 0 to 1."""
        return (values - self.low) / (self.high - self.low)


def real_axis(both: TwoRankings) -> int | None:
    """Return which axis foretells what an edit does, so that the real change has a place on it: up where both do."""
    return next((place for place in (1, 0) if foretold(both.axes[place])), None)


def foretold(axis: Axis) -> str:
    """Return the real change that the scores of an axis foretell, as a column of the table; empty where they do not."""
    if not axis.cells.foretells:
        return ""
    if axis.scorer == axis.cells.foretells:
        return "real_effect"
    return "real_difference" if axis.scorer in _DIFFERENCES else ""


def as_foretold(table: pd.DataFrame, place: int) -> pd.Series:
    """Return which neurons have a real effect that an axis foretold: of the same edit, in the same place."""
    return table[f"real_as_foretold{('', '_beside')[place]}"]


def stretch_of(both: TwoRankings, place: int, room: float) -> Stretch:
    """Return what an axis reaches over: the scores, and what chance gives on either side, with room for words."""
    axis, scores = both.axes[place], both.table[SCORES[place]]
    ends = [axis.neutral, axis.neutral - axis.chance, axis.neutral + axis.chance]
    # A scorer without a sign has nothing below chance level.
    ends = [end for end in ends if np.isfinite(end) and (end >= axis.neutral or (scores < axis.neutral).any())]
    if place == real_axis(both):  # The intervals are cut off where they reach further.
        ends += both.table.loc[as_foretold(both.table, place), foretold(axis)].dropna().tolist()
    low, high = min([*ends, scores.min()]), max([*ends, scores.max()])
    around = room * max(high - low, 1e-12)
    return Stretch(low - around, high + around if high > low else low + 1.0)


def channel_of(both: TwoRankings, place: int, stretch: Stretch, column: str = "") -> Any:
    """Return the channel of an axis, for its scores or for another column in the same unit."""
    import altair as alt

    axis = both.axes[place]
    level = f"{axis.neutral:g} is chance" if np.isfinite(axis.neutral) else ""
    about = "; ".join(filter(None, (axis.cells.unit, level)))
    channel = (alt.X, alt.Y)[place](f"{column or SCORES[place]}:Q")
    return (
        channel.title(f"{axis.title} ({about})" if about else axis.title)
        .scale(domain=list(stretch), zero=False, nice=False)
        .axis(grid=False, tickCount=6)
    )


def tooltips_of(both: TwoRankings, verdicts: bool) -> list[Any]:
    """Return what a point says as it is pointed at: both scores and ranks, and the verdicts if they are wanted."""
    import altair as alt

    shown = [alt.Tooltip("layer:Q", format="d"), alt.Tooltip("neuron:Q", format="d")]
    for axis, end in zip(both.axes, ("", "_beside"), strict=True):
        shown.append(alt.Tooltip(f"score{end}:Q", format=".4g", title=axis.title))
        if both.table[f"held_out{end}"].notna().any():
            shown.append(alt.Tooltip(f"held_out{end}:Q", format=".4g", title=f"{axis.title}, held out"))
        shown.append(alt.Tooltip(f"rank{end}:Q", format=",d", title=f"rank by {axis.title}"))
        if verdicts:
            shown.append(alt.Tooltip(f"verdict{end}:N", title=f"verdict by {axis.title}"))
    return shown
