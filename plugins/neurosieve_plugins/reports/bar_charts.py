"""Charts of what is in texts: a table goes in, a chart comes out."""

from typing import Any

import pandas as pd

__all__ = ["logits", "phrases", "scores", "shares", "thresholds"]

_BAR = 22
"""How much room a bar has, in pixels."""


def shares(table: pd.DataFrame, title: str = "") -> Any:
    """Draw one share by level or by type, with its interval: value, share, low, high, n, count."""
    import altair as alt

    y = alt.Y("value:N", sort=table.value.tolist()).title(None)
    x = alt.X("share:Q").title("share of traces").scale(domain=[0, 1]).axis(format="%", tickCount=5)
    shown = [
        alt.Tooltip("value:N"),
        alt.Tooltip("count:Q", format=",d"),
        alt.Tooltip("n:Q", format=",d", title="of"),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("low:Q", format=".1%", title="from"),
        alt.Tooltip("high:Q", format=".1%", title="to"),
    ]
    chart = alt.Chart(table[["value", "share", "low", "high", "n", "count"]])
    bars = chart.mark_bar(style="beside", opacity=0.55, height={"band": 0.7}).encode(x, y, tooltip=shown)
    whiskers = chart.mark_rule(style="whisker").encode(alt.X("low:Q"), alt.X2("high:Q"), y)
    return (bars + whiskers).properties(height=_BAR * max(len(table), 1), title=title)


def phrases(table: pd.DataFrame, title: str = "") -> Any:
    """Draw how often each phrase was found: label, spans, documents; the most frequent first."""
    import altair as alt

    y = alt.Y("label:N", sort=table.label.tolist()).title(None)
    x = alt.X("spans:Q").title("spans").axis(tickMinStep=1, format=",d", tickCount=5)
    shown = [
        alt.Tooltip("label:N", title="phrase"),
        alt.Tooltip("spans:Q", format=",d"),
        alt.Tooltip("documents:Q", format=",d"),
    ]
    chart = alt.Chart(table[["label", "spans", "documents"]])
    bars = chart.mark_bar(style="beside", height={"band": 0.7}).encode(x, y, tooltip=shown)
    return bars.properties(height=_BAR * max(len(table), 1), title=title)


def scores(table: pd.DataFrame, title: str = "") -> Any:
    """Draw how well each detector finds one label: detector, measure, value from 0 to 1, low, high."""
    import altair as alt

    measures = list(dict.fromkeys(table.measure))
    y = alt.Y("detector:N", sort=list(dict.fromkeys(table.detector))).title(None).axis(grid=True)
    lanes = alt.YOffset("measure:N", sort=measures).scale(paddingOuter=0.5)
    x = alt.X("value:Q").title(", ".join(measures)).scale(domain=[0, 1]).axis(tickCount=5)
    colour = alt.Color("measure:N").scale(domain=measures)
    shown = [
        alt.Tooltip("detector:N"),
        alt.Tooltip("measure:N"),
        alt.Tooltip("value:Q", format=".3f"),
        alt.Tooltip("low:Q", format=".3f", title="from"),
        alt.Tooltip("high:Q", format=".3f", title="to"),
    ]
    chart = alt.Chart(table[["detector", "measure", "value", "low", "high"]])
    whiskers = chart.mark_rule(strokeWidth=2, opacity=0.6).encode(alt.X("low:Q"), alt.X2("high:Q"), y, lanes, colour)
    dots = chart.mark_circle(size=70, opacity=1).encode(x, y, lanes, colour, tooltip=shown)
    return (whiskers + dots).properties(height=16 * table.detector.nunique() * (len(measures) + 1), title=title)


def thresholds(table: pd.DataFrame, height: int = 240) -> Any:
    """Draw precision and recall along the threshold of a detector: threshold, precision, recall."""
    import altair as alt

    long = table.melt(["threshold"], ["precision", "recall"], "measure", "value").dropna()
    x = alt.X("threshold:Q").title("threshold").scale(nice=False)
    y = alt.Y("value:Q").title("precision, recall").scale(domain=[0, 1]).axis(tickCount=5)
    colour = alt.Color("measure:N").scale(domain=["precision", "recall"])
    shown = [alt.Tooltip("measure:N"), alt.Tooltip("threshold:Q", format=".3f"), alt.Tooltip("value:Q", format=".3f")]
    return alt.Chart(long).mark_line(strokeWidth=2).encode(x, y, colour, tooltip=shown).properties(height=height)


def logits(table: pd.DataFrame, title: str = "") -> Any:
    """Draw how much one neuron raises or lowers the logits of some tokens: direction, place, token, logit."""
    import altair as alt

    # Tokens that differ in nothing that is seen must not share a line.
    line = table.direction + " " + table.place.astype(str)
    named = dict(zip(line, table.token, strict=True))
    table = table.assign(line=line)
    y = alt.Y("line:N", sort=list(named)).title(None).axis(None)
    most = float(table.logit.abs().max()) if len(table) else 1.0
    x = alt.X("logit:Q").title("logit").scale(domain=[-most, most]).axis(tickCount=4)
    direction = alt.Color("direction:N").scale(domain=["promotes", "suppresses"])
    shown = [alt.Tooltip("token:N"), alt.Tooltip("logit:Q", format=".3f")]
    chart = alt.Chart(table[["line", "direction", "token", "logit"]])
    bars = chart.mark_bar(opacity=0.4, height={"band": 0.8}).encode(x, y, direction, tooltip=shown)
    # Each word on the side of 0 where its bar is not.
    written = chart.encode(y, alt.XDatum(0), text="token:N")
    up = written.transform_filter("datum.logit >= 0").mark_text(style="word", align="right", dx=-5)
    down = written.transform_filter("datum.logit < 0").mark_text(style="word", align="left", dx=5)
    return (bars + up + down).properties(height=18 * max(len(table), 1), title=title)
