"""The chart of two rankings: every neuron by its scores in both."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from neurosieve import TwoRankings
from neurosieve_plugins.reports.edited_neurons import SETTLED, edited_neurons
from neurosieve_plugins.reports.rankings import first_of_each_place, rounded, with_names
from neurosieve_plugins.reports.two_axes_plane import (
    NUMBERS,
    ROOMS,
    SCORES,
    VERDICTS,
    Stretch,
    channel_of,
    stretch_of,
    tooltips_of,
)

__all__ = ["ZOOMS", "drawn_of_both", "two_axes"]

_NAMED = 6
"""So many of the best neurons of either ranking bear their names."""
_PLOT = 270
"""How wide the chart is on a phone, without its axis, in pixels."""
ZOOMS = ("plane_score", "plane_score_beside")
"""The signals that hold the stretch of its axes that is seen."""
_FEW = 300
"""More points than that are drawn small."""
_ROOM = 90
"""How high a stretch of the chart is that has room for words among its points, in pixels."""


def two_axes(both: TwoRankings, most: int, height: int = 440) -> Any:
    """Draw every neuron as a point: across its score in the ranking, up that in the ranking beside it."""
    import altair as alt

    stretches = stretch_of(both, 0, ROOMS[0]), stretch_of(both, 1, ROOMS[1])
    drawn = rounded(drawn_of_both(both, most), NUMBERS)
    where = _where(both, drawn)
    edited = drawn.real_verdict.notna()
    best = drawn[["rank", "rank_beside"]].min(axis=1) <= _NAMED
    tested = (drawn[VERDICTS] != "not tested").any(axis=1)
    stand_out = best | tested | edited | (where != _classes(both)[2])
    x, y = (channel_of(both, place, stretches[place]) for place in (0, 1))
    columns = ["layer", "neuron", *NUMBERS, "rank", "rank_beside"]
    zoom = alt.selection_interval(name="plane", bind="scales", zoom="wheel![event.ctrlKey || event.metaKey]")
    crowd = (
        alt.Chart(drawn.loc[~stand_out, columns])
        .mark_circle(style="crowd", size=12 if len(drawn) > 3000 else 25, opacity=0.5, clip=True)
        .encode(x, y, tooltip=tooltips_of(both, verdicts=False))
        .add_params(zoom)
    )
    unedited = stand_out & ~edited
    table = drawn.loc[unedited, [*columns, *VERDICTS]].assign(where=where[unedited])
    size = alt.condition(
        f"min(datum.rank, datum.rank_beside) <= {_NAMED}", alt.value(46), alt.value(46 if len(table) <= _FEW else 16)
    )
    # Where neurons were edited, colours say what their edits did; what is beyond chance is seen by the dotted lines.
    coloured = both.tested and not edited.any()
    points = (
        alt.Chart(table)
        .mark_circle(style="crowd" if edited.any() else "thing", opacity=0.9, clip=True)
        .encode(x, y, size=size, tooltip=tooltips_of(both, verdicts=True))
    )
    if coloured:
        classes = _classes(both)
        seen = [name for name in classes if (table["where"] == name).any()]
        colour = alt.Color("where:N").scale(domain=classes)
        points = points.encode(colour.legend(title="beyond chance by", values=seen, columns=2))
    known = drawn[stand_out]
    pixels = np.column_stack(
        [
            stretches[0].share(known.score) * _PLOT,
            stretches[1].share(known.score_beside) * height,
        ]
    )
    chosen = (best | drawn.real_verdict.isin(SETTLED))[stand_out].to_numpy()
    named = with_names(known[["layer", "neuron", *SCORES]], pixels, chosen, _PLOT)
    written = alt.Chart(named).encode(x, y, text="name:N")
    # The same words beneath in the colour of the paper, so that they are read over any crowd.
    names = [
        written.transform_filter(f"datum.side == {side}").mark_text(style=style, align=align, dx=6 * side, clip=True)
        for side, align in ((1, "left"), (-1, "right"))
        for style in ("halo", "name")
    ]
    beneath = *_lines(both, stretches), *_corners(both, stretches, x, y, height)
    layers = *beneath, crowd, points, *edited_neurons(both, drawn[edited], x, y), *names
    return alt.layer(*layers).properties(height=height)


def drawn_of_both(both: TwoRankings, most: int) -> pd.DataFrame:
    """Return the neurons to draw: where several share a place on the screen, the one that is best in either ranking."""
    # Those that were edited are kept, wherever they stand in the rankings.
    table = both.table.iloc[np.argsort(both.table.real_verdict.isna(), kind="stable")]
    across, up = (stretch_of(both, place, 0.0).share(table[name]) for place, name in enumerate(SCORES))
    return first_of_each_place(table, across, up, most).sort_index()


def _classes(both: TwoRankings) -> list[str]:
    """Return in which of the rankings a neuron can be beyond chance, in the order of the theme's colours."""
    first, second = (axis.cells.name for axis in both.axes)
    return ["both", f"{first} alone", "neither", f"{second} alone"]


def _where(both: TwoRankings, table: pd.DataFrame) -> pd.Series:
    first, second = table.side != 0, table.side_beside != 0
    classes = _classes(both)
    if not both.tested:
        return pd.Series(classes[2], table.index)
    numbers = np.select([first & second, first, second], [0, 1, 3], 2)
    return pd.Series([classes[number] for number in numbers], table.index, dtype=object)


def _lines(both: TwoRankings, stretches: Sequence[Stretch]) -> list[Any]:
    """Return lines at chance level, and as far from it as the best of all comes by chance, of both rankings."""
    import altair as alt

    lines = []
    for axis, stretch, name, channel in zip(both.axes, stretches, SCORES, ("x", "y"), strict=True):
        ends = [axis.neutral - axis.chance, axis.neutral + axis.chance]
        for style, places in (("neutral", [axis.neutral]), ("chance", ends)):
            places = [place for place in places if stretch.low <= place <= stretch.high]
            table = pd.DataFrame({name: pd.Series(places, dtype=float)})
            lines.append(alt.Chart(table).mark_rule(style=style, clip=True).encode(**{channel: f"{name}:Q"}))
    return lines


def _corners(both: TwoRankings, stretches: Sequence[Stretch], x: Any, y: Any, height: int) -> list[Any]:
    """Return what a neuron does that stands in each corner, and at the middle of each side, in words."""
    import altair as alt

    across, beside = both.axes
    (left, right), (below, above) = stretches
    narrow = 2 * beside.chance / (above - below) * height < _ROOM
    # Where chance begins: there fewer neurons stand than in the middle.
    places = (left, across.neutral - across.chance, right), (below, beside.neutral + beside.chance, above)
    words = []
    for side, up in product((-1, 0, 1), (-1, 0, 1)):
        at = {"score": places[0][side + 1], "score_beside": places[1][up + 1]}
        if (side, up) == (0, 0) or not np.isfinite([*at.values()]).all() or (0 in (side, up) and not both.tested):
            continue
        if up == 0 and narrow:  # The points of all neurons lie there.
            continue
        # In one line, further in than the corners, which leave no room beside them on a phone.
        down = {1: 10 if side else 36, 0: 10, -1: -22 if side else -36}[up]
        text = both.place(side, up) if side == 0 else both.place(side, up).split(", ")
        mark = {"align": "right" if side == 1 else "left", "dx": -4 if side == 1 else 4, "dy": down}
        words += [
            alt.Chart(pd.DataFrame([at]))
            .mark_text(style=style, baseline="middle", text=text, clip=True, **mark)
            .encode(x, y)
            for style in ("corner_halo", "corner")
        ]
    return words
