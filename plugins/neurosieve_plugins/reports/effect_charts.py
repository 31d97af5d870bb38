"""Charts of interventions: a table goes in, a chart comes out."""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["dose", "effects", "with_conditions"]

_SETS = ["target", "control"]
"""In the order of the theme's colours."""


def with_conditions(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the column `condition`: what was done to how many neurons, in words."""
    strengths = effects.groupby("intervention").strength.nunique()
    words = []
    for intervention, strength, k in effects[["intervention", "strength", "k"]].itertuples(index=False):
        half = f" {strength:g}" if pd.notna(strength) and (strengths[intervention] > 1 or strength != 1) else ""
        words.append(f"{intervention}{half}, k = {k}")
    return effects.assign(condition=words)


def effects(table: pd.DataFrame, title: str = "", unedited: float = 0.0, lane: int = 16) -> Any:
    """Draw one measure under each condition, with its interval: the neurons of the ranking beside the control sets.

    Args:
        table: condition, set, control_seed, value, low, high, n.
        title: what to write above.
        unedited: the measure of the unedited model.
        lane: how high each dot's lane is, in pixels.
    """
    import altair as alt

    table = table.assign(
        who=np.where(table.set == "target", "target", "control " + table.control_seed.astype(str)),
        lane=np.where(table.set == "target", -1, table.control_seed),
    )
    y = alt.Y("condition:N", sort=list(dict.fromkeys(table.condition))).title(None).axis(grid=True, bandPosition=0.5)
    lanes = alt.YOffset("lane:O").scale(paddingOuter=0.6)
    x = alt.X("value:Q").title(None).scale(zero=False, nice=True, padding=6).axis(tickCount=5)
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
    whiskers = chart.mark_rule(strokeWidth=2, opacity=0.6).encode(alt.X("low:Q"), alt.X2("high:Q"), y, lanes, colour)
    dots = chart.mark_circle(size=70, opacity=1).encode(x, y, lanes, colour, tooltip=shown)
    before = alt.Chart(pd.DataFrame({"value": [unedited]})).mark_rule(style="neutral").encode(x)
    return (before + whiskers + dots).properties(height=lane * rows, title=title)


def dose(table: pd.DataFrame, along: str, title: str = "", unedited: float = 0.0, height: int = 220) -> Any:
    """Draw one measure along the number of neurons or along the strength of the edit, beside the control sets.

    Args:
        table: `along`, set, control_seed, value, low, high; of one intervention.
        along: `k` or `strength`.
        title: what to write above.
        unedited: the measure of the unedited model.
        height: of the chart.
    """
    import altair as alt

    x = alt.X(f"{along}:Q").title("neurons edited (k)" if along == "k" else "strength of the edit")
    if along == "k" and (table.k > 0).all():
        # Doubling k is a step of its own, as it is usually asked: 1, 2, 4, ...
        x = x.scale(type="log", base=2, nice=False, padding=10).axis(values=sorted(set(table.k.tolist())), format="d")
    y = alt.Y("value:Q").title(None).scale(zero=False, padding=6).axis(tickCount=5)
    colour = alt.Color("set:N").scale(domain=_SETS)
    kept = [along, "set", "control_seed", "value", "low", "high"]
    chart = alt.Chart(table[kept])
    target = chart.transform_filter("datum.set == 'target'")
    band = target.mark_area(opacity=0.18).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), colour)
    lines = chart.mark_line(strokeWidth=1.8).encode(x, y, colour, detail="control_seed:N")
    dots = chart.mark_circle(size=40, opacity=1).encode(
        x,
        y,
        colour,
        tooltip=[alt.Tooltip("set:N"), alt.Tooltip(f"{along}:Q"), alt.Tooltip("value:Q", format=".4f")],
    )
    before = alt.Chart(pd.DataFrame({"value": [unedited]})).mark_rule(style="neutral").encode(y)
    return (before + band + lines + dots).properties(height=height, title=title)
