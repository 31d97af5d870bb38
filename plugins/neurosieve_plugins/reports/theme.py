"""How charts look, on light paper and on dark."""

from typing import Any

__all__ = ["THING", "WIDTH", "theme"]

WIDTH = 640
"""How wide a chart is on paper, in pixels of 1/96 inch."""

THING = ("#c8500a", "#0a6cb0", "#8a8f98", "#0b8a67", "#9c4f8b", "#8a7400")
"""Colours on light paper: the thing itself, what it is compared with, what nothing is said of, and other things.

They are told apart by the colour-blind (after Okabe and Ito) and stand out from the paper by at least 3 : 1.
"""

_DARK = ("#ff9a52", "#62b5f2", "#8d949e", "#3fc9a0", "#dd9bd0", "#d6bf45")


def theme(dark: bool = False) -> dict[str, Any]:
    """Return the Vega-Lite config of every chart."""
    paper, ink, muted, line = (
        ("#15181d", "#e8eaed", "#a9b0ba", "#363c46") if dark else ("#fff", "#1c2025", "#59616b", "#dfe3e8")
    )
    colours = list(_DARK if dark else THING)
    return {
        "background": paper,
        "font": "system-ui, Liberation Sans, Arial, sans-serif",
        "padding": 5,
        "view": {"stroke": None},
        "title": {"color": ink, "fontSize": 13, "fontWeight": 600, "anchor": "start", "offset": 8},
        "axis": {
            "labelColor": muted,
            "titleColor": ink,
            "gridColor": line,
            "domainColor": muted,
            "tickColor": muted,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 170,
            "titlePadding": 8,
        },
        "legend": {
            "orient": "top",
            "title": None,
            "titleColor": ink,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelColor": ink,
            "labelFontSize": 12,
            "symbolSize": 90,
            "symbolOpacity": 1,
            "symbolStrokeWidth": 2,
            "labelLimit": 300,
            "columnPadding": 18,
            "offset": 6,
        },
        "range": {"category": colours, "ordinal": colours},
        # What marks refer to by name, so that one chart serves both papers.
        "style": {
            "crowd": {"color": colours[2]},
            "neutral": {"color": muted, "strokeDash": [4, 4], "strokeWidth": 1.2},
            "chance": {"color": muted, "strokeDash": [1, 3], "strokeWidth": 1.6},
            "corner_halo": {"color": paper, "stroke": paper, "strokeWidth": 3, "fontSize": 11, "fontStyle": "italic"},
            "corner": {"color": muted, "fontSize": 11, "fontStyle": "italic"},
            "name": {"color": ink, "fontSize": 12},
            "word": {"color": ink, "fontSize": 12, "limit": 110},
            "halo": {"color": paper, "stroke": paper, "strokeWidth": 4, "fontSize": 12, "opacity": 0.85},
            "whisker": {"color": ink, "strokeWidth": 1.2},
            "thing": {"color": colours[0]},
            "beside": {"color": colours[1]},
        },
    }
