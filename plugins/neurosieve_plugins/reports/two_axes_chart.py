"""The chart of two rankings: every neuron by its scores in both."""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurosieve import Axis, TwoRankings
from neurosieve_plugins.reports.rankings import first_of_each_place, rounded, with_names

__all__ = ["ZOOMS", "drawn_of_both", "foretold", "real_axis", "two_axes"]

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
_ROOMS = 0.06, 0.17
"""How much room there is about the scores of either axis, as a share of what they reach over."""
_SCORES = ["score", "score_beside"]
_NUMBERS = [*_SCORES, "held_out", "held_out_beside"]
_VERDICTS = ["verdict", "verdict_beside"]
_EFFECTS = ["real_effect", "real_effect_low", "real_effect_high", "real_effect_control_tokens"]
_DIFFERENCES = ("paired_difference", "mean_difference")
"""Scorers that give the mean where the behaviour shows less that at controls."""
_EDITED_COLOURS = ["drives", "opposes", "not edited", "reads out only", "general", "not settled"]
"""The verdicts on neurons that were edited alone, in the order of the theme's colours; the third is the crowd's."""


class _Stretch(NamedTuple):
    """From where to where an axis reaches, in scores."""

    low: float
    high: float

    def share(self, values: pd.Series) -> pd.Series:
        return (values - self.low) / (self.high - self.low)


def two_axes(both: TwoRankings, most: int, height: int = 440) -> Any:
    """Draw every neuron as a point: across its score in the ranking, up that in the ranking beside it."""
    import altair as alt

    stretches = _stretch(both, 0, _ROOMS[0]), _stretch(both, 1, _ROOMS[1])
    drawn = rounded(drawn_of_both(both, most), _NUMBERS)
    where = _where(both, drawn)
    edited = drawn.real_verdict.notna()
    best = drawn[["rank", "rank_beside"]].min(axis=1) <= _NAMED
    tested = (drawn[_VERDICTS] != "not tested").any(axis=1)
    stand_out = best | tested | edited | (where != _classes(both)[2])
    x, y = (_axis(both, place, stretches[place]) for place in (0, 1))
    columns = ["layer", "neuron", *_NUMBERS, "rank", "rank_beside"]
    zoom = alt.selection_interval(name="plane", bind="scales", zoom="wheel![event.ctrlKey || event.metaKey]")
    crowd = (
        alt.Chart(drawn.loc[~stand_out, columns])
        .mark_circle(style="crowd", size=12 if len(drawn) > 3000 else 25, opacity=0.5, clip=True)
        .encode(x, y, tooltip=_tooltips(both, verdicts=False))
        .add_params(zoom)
    )
    unedited = stand_out & ~edited
    table = drawn.loc[unedited, [*columns, *_VERDICTS]].assign(where=where[unedited])
    size = alt.condition(
        f"min(datum.rank, datum.rank_beside) <= {_NAMED}", alt.value(46), alt.value(46 if len(table) <= _FEW else 16)
    )
    # Where neurons were edited, colours say what their edits did; what is beyond chance is seen by the dotted lines.
    coloured = both.tested and not edited.any()
    points = (
        alt.Chart(table)
        .mark_circle(style="crowd" if edited.any() else "thing", opacity=0.9, clip=True)
        .encode(x, y, size=size, tooltip=_tooltips(both, verdicts=True))
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
    chosen = (best | drawn.real_verdict.isin(_EDITED_COLOURS[:2]))[stand_out].to_numpy()
    named = with_names(known[["layer", "neuron", *_SCORES]], pixels, chosen, _PLOT)
    written = alt.Chart(named).encode(x, y, text="name:N")
    # The same words beneath in the colour of the paper, so that they are read over any crowd.
    names = [
        written.transform_filter(f"datum.side == {side}").mark_text(style=style, align=align, dx=6 * side, clip=True)
        for side, align in ((1, "left"), (-1, "right"))
        for style in ("halo", "name")
    ]
    beneath = *_lines(both, stretches), *_corners(both, stretches, x, y, height)
    layers = *beneath, crowd, points, *_edited(both, drawn[edited], x, y), *names
    return alt.layer(*layers).properties(height=height)


def _edited(both: TwoRankings, edited: pd.DataFrame, x: Any, y: Any) -> list[Any]:
    """Return the neurons that were edited alone: where they were foretold, and where their edits put them."""
    import altair as alt

    if edited.empty:
        return []
    columns = ["layer", "neuron", *_NUMBERS, "rank", "rank_beside", *_VERDICTS, "real_verdict", *_EFFECTS]
    rows = rounded(edited, [str(name) for name in edited.select_dtypes("number") if str(name).startswith("real_")])
    seen = [name for name in _EDITED_COLOURS if (edited.real_verdict == name).any()]
    colour = alt.Color("real_verdict:N").scale(domain=_EDITED_COLOURS)
    colour = colour.legend(title="edited alone", values=seen, columns=2, columnPadding=8)
    tooltips = [*_tooltips(both, verdicts=True), *_real_tooltips(edited)]
    place = real_axis(both)
    if place is None:
        dots = alt.Chart(rows[columns]).mark_point(shape="diamond", size=80, filled=True, opacity=1, clip=True)
        return [dots.encode(x, y, colour, tooltip=tooltips)]
    column, along = foretold(both.axes[place]), _SCORES[place]
    ends = [f"{column}_low", f"{column}_high"]
    real = rows[rows[column].notna()]
    channel, second = ((alt.X, alt.X2), (alt.Y, alt.Y2))[place]
    other = (x, y)[1 - place]
    lines = alt.Chart(real[[*_SCORES, "layer", "neuron", column, *ends, "real_verdict"]])
    steps = lines.mark_rule(strokeDash=[2, 2], opacity=0.7, clip=True).encode(
        other, channel(f"{along}:Q"), second(f"{column}:Q"), colour
    )
    intervals = lines.transform_filter(f"isValid(datum.{ends[0]})").mark_rule(strokeWidth=1.6, opacity=0.8, clip=True)
    intervals = intervals.encode(other, channel(f"{ends[0]}:Q"), second(f"{ends[1]}:Q"), colour)
    # A mark for each of the two places, so that one legend names both.
    marks = pd.concat(
        [
            rows[columns].assign(what="foretold", at=rows[along]),
            real[columns].assign(what="real", at=real[column]),
        ],
        ignore_index=True,
    )
    grey = "#8a8f98"  # It is seen on either paper.
    shape = alt.Shape("what:N").scale(domain=["foretold", "real"], range=["circle", "diamond"])
    shape = shape.legend(title="effect", symbolFillColor=grey, symbolStrokeColor=grey, columns=1)
    at = _axis(both, place, _stretch(both, place, _ROOMS[place]), "at")
    dots = (
        alt.Chart(marks)
        .mark_point(filled=True, opacity=1, clip=True)
        .encode(
            other,
            at,
            colour,
            shape,
            size=alt.condition("datum.what == 'real'", alt.value(80), alt.value(34)),
            tooltip=tooltips,
        )
    )
    return [steps, intervals, dots]


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


def drawn_of_both(both: TwoRankings, most: int) -> pd.DataFrame:
    """Return the neurons to draw: where several share a place on the screen, the one that is best in either ranking."""
    # Those that were edited are kept, wherever they stand in the rankings.
    table = both.table.iloc[np.argsort(both.table.real_verdict.isna(), kind="stable")]
    across, up = (_stretch(both, place, 0.0).share(table[name]) for place, name in enumerate(_SCORES))
    return first_of_each_place(table, across, up, most).sort_index()


def _stretch(both: TwoRankings, place: int, room: float) -> _Stretch:
    """Return what an axis reaches over: the scores, and what chance gives on either side, with room for words."""
    axis, scores = both.axes[place], both.table[_SCORES[place]]
    ends = [axis.neutral, axis.neutral - axis.chance, axis.neutral + axis.chance]
    # A scorer without a sign has nothing below chance level.
    ends = [end for end in ends if np.isfinite(end) and (end >= axis.neutral or (scores < axis.neutral).any())]
    if place == real_axis(both):  # The intervals are cut off where they reach further.
        ends += both.table[foretold(axis)].dropna().tolist()
    low, high = min([*ends, scores.min()]), max([*ends, scores.max()])
    around = room * max(high - low, 1e-12)
    return _Stretch(low - around, high + around if high > low else low + 1.0)


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


def _axis(both: TwoRankings, place: int, stretch: _Stretch, column: str = "") -> Any:
    """Return the channel of an axis, for its scores or for another column in the same unit."""
    import altair as alt

    axis = both.axes[place]
    level = f"{axis.neutral:g} is chance" if np.isfinite(axis.neutral) else ""
    about = "; ".join(filter(None, (axis.cells.unit, level)))
    channel = (alt.X, alt.Y)[place](f"{column or _SCORES[place]}:Q")
    return (
        channel.title(f"{axis.title} ({about})" if about else axis.title)
        .scale(domain=list(stretch), zero=False, nice=False)
        .axis(grid=False, tickCount=6)
    )


def _tooltips(both: TwoRankings, verdicts: bool) -> list[Any]:
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


def _real_tooltips(edited: pd.DataFrame) -> list[Any]:
    import altair as alt

    titles = {
        "real_effect": "real effect (nats)",
        "real_effect_low": "from",
        "real_effect_high": "to",
        "real_effect_control_tokens": "on other tokens (nats)",
    }
    shown = [alt.Tooltip(f"{name}:Q", format="+.3g", title=title) for name, title in titles.items()]
    return [*shown, alt.Tooltip("real_verdict:N", title="edited alone")]


def _lines(both: TwoRankings, stretches: Sequence[_Stretch]) -> list[Any]:
    """Return lines at chance level, and as far from it as the best of all comes by chance, of both rankings."""
    import altair as alt

    lines = []
    for axis, stretch, name, channel in zip(both.axes, stretches, _SCORES, ("x", "y"), strict=True):
        ends = [axis.neutral - axis.chance, axis.neutral + axis.chance]
        for style, places in (("neutral", [axis.neutral]), ("chance", ends)):
            places = [place for place in places if stretch.low <= place <= stretch.high]
            table = pd.DataFrame({name: pd.Series(places, dtype=float)})
            lines.append(alt.Chart(table).mark_rule(style=style, clip=True).encode(**{channel: f"{name}:Q"}))
    return lines


def _corners(both: TwoRankings, stretches: Sequence[_Stretch], x: Any, y: Any, height: int) -> list[Any]:
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
