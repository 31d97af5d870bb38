"""Matrices of shares: a table goes in, a chart with a number in each cell comes out."""

from typing import Any

import pandas as pd

__all__ = ["shares_matrix"]

_CELL = 36
"""How high a cell is, in pixels."""
_WITH_COUNTS = 4
"""With more columns a cell has room for its share alone."""
_SHORT = 2
"""Longer names of columns stand on a slope."""


def shares_matrix(table: pd.DataFrame, rows: str, columns: str, title: str = "") -> Any:
    """Draw a matrix of shares, darker where they are larger.

    Args:
        table: a line per cell: its row and its column, as `row` and `column`, with `share`, and `part` and `whole`, the
            numbers of sentences behind it. Rows and columns stand in the order in which they come, a line of `share`
            nan leaves its cell empty.
        rows: what the rows are, for those who point at a cell.
        columns: what the columns are.
        title: what to write above.
    """
    import altair as alt

    names = list(dict.fromkeys(table.column))
    y = alt.Y("row:N", sort=list(dict.fromkeys(table.row))).title(None).axis(ticks=False, domain=False)
    # On a slope towards the names of the rows, where there is room in a narrow window too.
    slope = {"labelAngle": 30, "labelAlign": "right"} if max(map(len, names), default=0) > _SHORT else {"labelAngle": 0}
    x = alt.X("column:N", sort=names).title(None).axis(orient="top", ticks=False, domain=False, **slope)
    filled = table[table.share.notna()]
    counts = [f"{part:,} of {whole:,}" for part, whole in zip(filled.part, filled.whole, strict=True)]
    filled = filled.assign(percent=[f"{share:.1%}" for share in filled.share], counts=counts)
    shown = [
        alt.Tooltip("row:N", title=rows),
        alt.Tooltip("column:N", title=columns),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("part:Q", format=",d", title="sentences"),
        alt.Tooltip("whole:Q", format=",d", title="of"),
    ]
    chart = alt.Chart(filled[["row", "column", "share", "part", "whole", "percent", "counts"]])
    # Never so dark that the number in it could not be read, on light paper and on dark.
    depth = alt.Opacity("share:Q").scale(domain=[0, 1], range=[0.04, 0.5]).legend(None)
    cells = chart.mark_rect(style="beside").encode(x, y, depth, tooltip=shown)
    with_counts = len(names) <= _WITH_COUNTS
    percent = chart.mark_text(style="word", dy=-6 if with_counts else 0).encode(x, y, text="percent:N", tooltip=shown)
    drawn = cells + percent
    if with_counts:
        drawn += chart.mark_text(style="word", fontSize=10, dy=8).encode(x, y, text="counts:N", tooltip=shown)
    return drawn.properties(height=_CELL * max(table.row.nunique(), 1), title=title)
