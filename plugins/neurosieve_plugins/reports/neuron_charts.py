"""Charts of a ranking: a table goes in, a chart comes out."""

from typing import Any

import numpy as np
import pandas as pd

from neurosieve import neuron_name
from neurosieve_plugins.reports.rankings import VERDICTS, Ranked, apart, rounded, thinned

__all__ = ["distribution", "points", "replication", "token_bars"]

_NAMED = 8
"""So many of the best neurons bear their names."""


def points(ranking: Ranked, most: int, height: int = 380) -> Any:
    """Draw every neuron as a point, by its layer and its score."""
    import altair as alt

    drawn = thinned(ranking, most)
    tested = drawn[(drawn.verdict != VERDICTS[2]) | (drawn["rank"] <= _NAMED)]
    crowd = drawn.drop(tested.index)[["layer", "neuron", "score", "held_out"]]
    spread = f"datum.layer + 0.84 * (datum.neuron / {max(ranking.neurons_per_layer - 1, 1)} - 0.5)"
    layers = drawn.layer if len(drawn) else pd.Series([0])
    place = alt.X("place:Q").title("layer").scale(domain=[int(layers.min()) - 0.6, int(layers.max()) + 0.6], nice=False)
    place = place.axis(tickMinStep=1, grid=False, format="d")
    score = alt.Y("score:Q").title(_title(ranking)).scale(zero=False, nice=False, padding=12)
    shown = [_shown("layer", "d"), _shown("neuron", "d"), _shown("score", ".4f", ranking.scorer)]
    if drawn.held_out.notna().any():
        shown.append(_shown("held_out", ".4f", "held out"))
    zoom = alt.selection_interval(name="zoom", bind="scales", zoom="wheel![event.ctrlKey || event.metaKey]")
    base = (
        alt.Chart(rounded(crowd, ["score", "held_out"]))
        .mark_circle(style="crowd", size=9 if len(crowd) > 3000 else 25, opacity=0.5, clip=True)
        .encode(place, score, tooltip=shown)
        .transform_calculate(place=spread)
        .add_params(zoom)
    )
    best = (
        alt.Chart(rounded(tested[[*crowd, "rank", "verdict"]], ["score", "held_out"]))
        .mark_circle(size=42, opacity=0.9, clip=True)
        .encode(
            place,
            score,
            color=_by_verdict(tested),
            tooltip=[*shown, _shown("rank", "d"), alt.Tooltip("verdict:N")],
        )
        .transform_calculate(place=spread)
    )
    named = apart(tested, drawn, ranking.neurons_per_layer, height, _NAMED)
    written = alt.Chart(named).encode(place, score, text="name:N").transform_calculate(place=spread)
    # The same words beneath in the colour of the paper, so that they are read over any crowd.
    names = [
        written.transform_filter(f"datum.side == {side}").mark_text(style=style, align=align, dx=6 * side, clip=True)
        for side, align in ((1, "left"), (-1, "right"))
        for style in ("halo", "name")
    ]
    return alt.layer(_rule(ranking), _chance(ranking), base, best, *names).properties(height=height)


def replication(ranking: Ranked, height: int = 320) -> Any:
    """Draw how far from chance level the best neurons' scores are on the held-out groups, and in the ranking."""
    import altair as alt

    table = ranking.table[np.isfinite(ranking.table.far) & np.isfinite(ranking.table.far_heldout)]
    tested = table[table.low.notna()]
    table = tested if len(tested) else table.head(100)
    table = rounded(table, ["score", "held_out", "far", "far_heldout", "low", "high"])
    table = table.assign(name=[neuron_name(*one) for one in zip(table.layer, table.neuron, strict=True)])
    ends = [table.far.min(), table.far.max()]
    x = alt.X("far:Q").title("distance from chance level, ranking")
    x = x.scale(zero=False, nice=False, padding=12).axis(tickCount=6)
    y = alt.Y("far_heldout:Q").title("distance, held out").scale(zero=True).axis(tickCount=6)
    shown = [
        alt.Tooltip("name:N", title="neuron"),
        _shown("rank", "d"),
        _shown("score", ".4f", f"{ranking.scorer}, ranking"),
        _shown("held_out", ".4f", f"{ranking.scorer}, held out"),
        alt.Tooltip("verdict:N"),
    ]
    same = alt.Chart(pd.DataFrame({"far": ends, "far_heldout": ends})).mark_line(style="neutral").encode(x, y)
    nothing = alt.Chart(pd.DataFrame({"far_heldout": [0.0]})).mark_rule(style="neutral").encode(y)
    colour = _by_verdict(table)
    whiskers = alt.Chart(table).mark_rule(opacity=0.5).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), colour)
    dots = alt.Chart(table).mark_circle(size=55, opacity=0.9).encode(x, y, colour, tooltip=shown)
    return (same + nothing + whiskers + dots).properties(height=height)


def distribution(
    activations: pd.DataFrame,
    title: str,
    read: str = "activation",
    height: int = 130,
    bins: int = 28,
    rows: str = "positions",
) -> Any:
    """Draw what one neuron held where the behaviour shows, and at the controls.

    Args:
        activations: part, label (1 present, 0 control) and activation, of one neuron.
        title: what to write above.
        read: what the activations are called on their axis, for they may be attributions.
        height: of the chart.
        bins: how many stretches the activations are counted in.
        rows: what each activation is of.
    """
    import altair as alt

    values = activations.activation.to_numpy(dtype=float)
    # A few far values would press all others into one stretch.
    low, high = np.quantile(values, [0.002, 0.998]) if len(values) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    tables = []
    for (part, label), activations_of in sorted(
        activations.groupby(["part", "label"]), key=lambda each: (each[0][0] != "ranking", each[0][1])
    ):
        share, _ = np.histogram(np.clip(activations_of.activation, edges[0], edges[-1]), edges)
        tables.append(
            pd.DataFrame(
                {
                    "activation": np.r_[edges[:-1], edges[-1]],
                    "share": np.r_[share, share[-1]] / max(len(activations_of), 1),
                    "where": "present" if label == 1 else "control",
                    "part": part,
                }
            )
        )
    table = rounded(pd.concat(tables, ignore_index=True), ["activation", "share"])
    x = alt.X("activation:Q").title(read).scale(nice=False, zero=False).axis(tickCount=4, grid=False)
    y = alt.Y("share:Q").title(f"share of {rows}").stack(None).axis(format="%", tickCount=3)
    colour = alt.Color("where:N").scale(domain=["present", "control"])
    chart = alt.Chart(table)
    filled = (
        chart.transform_filter("datum.part == 'ranking'")
        .mark_area(interpolate="step-after", opacity=0.35)
        .encode(x, y, color=colour)
    )
    lined = (
        chart.transform_filter("datum.part != 'ranking'")
        .mark_line(interpolate="step-after", strokeWidth=1.6)
        .encode(x, y, color=colour)
    )
    return (filled + lined).properties(height=height, title=title)


def token_bars(tokens: pd.DataFrame, title: str = "", height: int = 180) -> Any:
    """Draw what one neuron holds at each token of a text, with the strongest tokens named.

    Args:
        tokens: place, token, activation, marked (`in a span`, `elsewhere`) and name, empty but for the strongest. They
            are the dataset `tokens` of the chart, which a page fills anew.
        title: what to write above.
        height: of the chart.
    """
    import altair as alt

    x = (
        alt.X("place:Q")
        .title("token")
        .scale(nice=False, zero=False, padding=6)
        .axis(tickMinStep=1, tickCount=10, format="d")
    )
    y = alt.Y("activation:Q").title("activation").scale(padding=14).axis(tickCount=4)
    where = alt.Color("marked:N").scale(domain=["in a span", "elsewhere"])
    shown = [
        alt.Tooltip("place:Q", title="token number"),
        alt.Tooltip("token:N"),
        alt.Tooltip("activation:Q", format=".3f"),
    ]
    chart = alt.Chart(alt.InlineData(values=tokens.to_dict("records"), name="tokens"))
    bars = chart.mark_rule(strokeWidth=2, strokeCap="butt").encode(x, y, alt.Y2Datum(0), where, tooltip=shown)
    written = chart.encode(x, y, text="name:N")
    above = written.transform_filter("datum.activation >= 0").mark_text(style="name", dy=-8)
    below = written.transform_filter("datum.activation < 0").mark_text(style="name", dy=10)
    return (bars + above + below).properties(height=height, title=title)


def _by_verdict(table: pd.DataFrame) -> Any:
    import altair as alt

    there = [one for one in VERDICTS if (table.verdict == one).any()]
    return alt.Color("verdict:N").scale(domain=VERDICTS).legend(values=there)


def _rule(ranking: Ranked) -> Any:
    """Return a line at chance level; none where that is not known."""
    import altair as alt

    where = [ranking.neutral] if np.isfinite(ranking.neutral) else []
    return (
        alt.Chart(pd.DataFrame({"score": pd.Series(where, dtype=float)})).mark_rule(style="neutral").encode(y="score:Q")
    )


def _chance(ranking: Ranked) -> Any:
    """Return lines as far from chance level as the best of all comes by chance, on each side that has scores."""
    import altair as alt

    away = ranking.table.score - ranking.neutral
    where = [ranking.neutral + side * ranking.chance for side in (1, -1) if (side * away > 0).any()]
    where = [score for score in where if np.isfinite(score)]
    lines = alt.Chart(rounded(pd.DataFrame({"score": pd.Series(where, dtype=float)}), ["score"]))
    return lines.mark_rule(style="chance", clip=True).encode(y="score:Q")


def _title(ranking: Ranked) -> str:
    level = f"{ranking.neutral:g} is chance" if np.isfinite(ranking.neutral) else ""
    about = "; ".join(filter(None, (ranking.unit, level)))
    return f"{ranking.scorer} ({about})" if about else ranking.scorer


def _shown(field: str, form: str, title: str = "") -> Any:
    import altair as alt

    return alt.Tooltip(f"{field}:Q", format=form, title=title or field)
