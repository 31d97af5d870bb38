"""Charts of interventions: a table goes in, a chart comes out."""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["dose", "effects", "with_conditions"]

_SETS = ["target", "control"]
"""In the order of the theme's colours."""
_CONTROL_LANES = 3
_VALUE = "value"
_SIZE, _CONTROL_SIZE = 90, 28
"""There are many control sets, and one target."""


def with_conditions(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the column `condition`: what was done to how many neurons, in words."""
    strengths = effects.groupby("intervention").strength.nunique()
    words = []
    for intervention, strength, k in effects[["intervention", "strength", "k"]].itertuples(index=False):
        half = f" {strength:g}" if pd.notna(strength) and (strengths[intervention] > 1 or strength != 1) else ""
        words.append(f"{intervention}{half}, k = {k}")
    return effects.assign(condition=words)


def effects(table: pd.DataFrame, title: str = "", unedited: float = 0.0, of: str = _VALUE, lane: int = 11) -> Any:
    """Draw one measure under each condition: the neurons of the ranking with the interval, each control set as a dot.

    Args:
        table: condition, set, control_set, value, low, high, n.
        title: what to write above.
        unedited: the measure of the unedited model.
        of: what stands below, of which the values are.
        lane: how high each dot's lane is, in pixels.
    """
    import altair as alt

    who = np.where(table.set == "target", "target", "control set " + table.control_set.astype(str))
    table = table.assign(who=who, lane=_lanes(table))
    y = alt.Y("condition:N", sort=list(dict.fromkeys(table.condition))).title(None).axis(grid=True, bandPosition=0.5)
    lanes = alt.YOffset("lane:O").scale(paddingOuter=0.6)
    x = alt.X("value:Q").title(of).scale(zero=False, nice=True, padding=6).axis(tickCount=4)
    colour = alt.Color("set:N").scale(domain=_SETS)
    shown = [
        alt.Tooltip("who:N", title="set"),
        alt.Tooltip("condition:N"),
        alt.Tooltip("value:Q", format=".4f"),
        alt.Tooltip("low:Q", format=".4f", title="from"),
        alt.Tooltip("high:Q", format=".4f", title="to"),
        alt.Tooltip("n:Q", format=",d"),
    ]
    # Room for every lane of every condition, and one between conditions.
    rows = table.condition.nunique() * (table.lane.nunique() + 1)
    chart = alt.Chart(table[["condition", "set", "who", "lane", "value", "low", "high", "n"]])
    target = chart.transform_filter("datum.set == 'target'")
    whiskers = target.mark_rule(strokeWidth=2.5).encode(alt.X("low:Q"), alt.X2("high:Q"), y, lanes, colour)
    controls = chart.transform_filter("datum.set != 'target'")
    dots = [
        part.mark_circle(size=size, opacity=0.85).encode(x, y, lanes, colour, tooltip=shown)
        for part, size in ((controls, _CONTROL_SIZE), (target, _SIZE))
    ]
    before = alt.Chart(pd.DataFrame({"value": [unedited]})).mark_rule(style="neutral").encode(x)
    return alt.layer(before, whiskers, *dots).properties(height=lane * rows, title=title)


def _lanes(table: pd.DataFrame) -> list[int]:
    """Return the lane of each line: the targets above, neighbours among the control sets in lanes of their own."""
    controls = table.set != "target"
    places = table.value.where(controls).groupby(table.condition).rank(method="first").fillna(0)
    return [1 + int(place) % _CONTROL_LANES if one else 0 for one, place in zip(controls, places, strict=True)]


def dose(
    table: pd.DataFrame, along: str, title: str = "", unedited: float = 0.0, of: str = _VALUE, height: int = 220
) -> Any:
    """Draw one measure along the number of neurons or along the strength of the edit, beside the control sets.

    Args:
        table: `along`, set, control_set, value, low, high; of one intervention.
        along: `k` or `strength`.
        title: what to write above.
        unedited: the measure of the unedited model.
        of: what stands beside, of which the values are.
        height: of the chart.
    """
    import altair as alt

    x = alt.X(f"{along}:Q").title("neurons edited (k)" if along == "k" else "strength of the edit")
    if along == "k" and (table.k > 0).all():
        # Doubling k is a step of its own, as it is usually asked: 1, 2, 4, ...
        x = x.scale(type="log", base=2, nice=False, padding=10).axis(values=sorted(set(table.k.tolist())), format="d")
    y = alt.Y("value:Q").title(of).scale(zero=False, padding=6).axis(tickCount=5)
    colour = alt.Color("set:N").scale(domain=_SETS)
    kept = [along, "set", "control_set", "value", "low", "high"]
    chart = alt.Chart(table[kept])
    target = chart.transform_filter("datum.set == 'target'")
    band = target.mark_area(opacity=0.18).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), colour)
    controls = chart.transform_filter("datum.set != 'target'")
    shown = [alt.Tooltip("set:N"), alt.Tooltip(f"{along}:Q"), alt.Tooltip("value:Q", format=".4f")]
    marks = []
    for part, wide, opacity, size in ((controls, 1, 0.45, _CONTROL_SIZE), (target, 2.4, 1, _SIZE)):
        marks.append(part.mark_line(strokeWidth=wide, opacity=opacity).encode(x, y, colour, detail="control_set:N"))
        marks.append(part.mark_circle(size=size, opacity=0.85).encode(x, y, colour, tooltip=shown))
    before = alt.Chart(pd.DataFrame({"value": [unedited]})).mark_rule(style="neutral").encode(y)
    return alt.layer(before, band, *marks).properties(height=height, title=title)
