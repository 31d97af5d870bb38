"""Neurons that were edited alone, in the picture of two rankings: the effect that was foretold, and the real one."""

from typing import Any

import pandas as pd

from neurosieve import TwoRankings, edit_name
from neurosieve_plugins.reports.rankings import rounded
from neurosieve_plugins.reports.two_axes_plane import (
    NUMBERS,
    ROOMS,
    SCORES,
    VERDICTS,
    as_foretold,
    channel_of,
    foretold,
    real_axis,
    stretch_of,
    tooltips_of,
)

__all__ = ["SETTLED", "edited_neurons"]

SETTLED = ["drives", "opposes"]
"""The verdicts whose neurons bear their names."""
_COLOURS = [*SETTLED, "not edited", "reads out only", "general", "not settled"]
"""The verdicts in the order of the theme's colours; the third is the crowd's."""
_EFFECTS = ["real_edit", "real_effect", "real_effect_low", "real_effect_high", "real_effect_control_tokens"]


def edited_neurons(both: TwoRankings, edited: pd.DataFrame, x: Any, y: Any) -> list[Any]:
    """Return the layers of the neurons that were edited alone: a mark where each was foretold, and one where it is.

    `edited` are their rows of the table of both; `x` and `y` are the channels of the scores.
    """
    import altair as alt

    if edited.empty:
        return []
    columns = ["layer", "neuron", *NUMBERS, "rank", "rank_beside", *VERDICTS, "real_verdict", *_EFFECTS]
    rows = rounded(edited, [str(name) for name in edited.select_dtypes("number") if str(name).startswith("real_")])
    edits = map(edit_name, edited.real_intervention, edited.real_strength)
    rows = rows.assign(real_edit=pd.Series(list(edits), edited.index, dtype=object))
    seen = [name for name in _COLOURS if (edited.real_verdict == name).any()]
    colour = alt.Color("real_verdict:N").scale(domain=_COLOURS)
    colour = colour.legend(title="edited alone", values=seen, columns=2, columnPadding=8)
    tooltips = [*tooltips_of(both, verdicts=True), *_effects_shown(edited)]
    place = real_axis(both)
    if place is None:
        dots = alt.Chart(rows[columns]).mark_point(shape="diamond", size=80, filled=True, opacity=1, clip=True)
        return [dots.encode(x, y, colour, tooltip=tooltips)]
    column, along = foretold(both.axes[place]), SCORES[place]
    ends = [f"{column}_low", f"{column}_high"]
    # The effect of another edit than was foretold has no place on this axis.
    real = rows[rows[column].notna() & as_foretold(rows, place)]
    channel, second = ((alt.X, alt.X2), (alt.Y, alt.Y2))[place]
    other = (x, y)[1 - place]
    lines = alt.Chart(real[[*SCORES, "layer", "neuron", column, *ends, "real_verdict"]])
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
    at = channel_of(both, place, stretch_of(both, place, ROOMS[place]), "at")
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


def _effects_shown(edited: pd.DataFrame) -> list[Any]:
    import altair as alt

    titles = {
        "real_effect": "real effect (nats)",
        "real_effect_low": "from",
        "real_effect_high": "to",
        "real_effect_control_tokens": "on other tokens (nats)",
    }
    shown = [alt.Tooltip(f"{name}:Q", format="+.3g", title=title) for name, title in titles.items()]
    words = {"real_edit": "edit", "real_verdict": "edited alone"}
    return [*shown, *(alt.Tooltip(f"{name}:N", title=title) for name, title in words.items())]
