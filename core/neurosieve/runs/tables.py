"""Numbers and tables of a run as people read them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.runs.blocks import Cell, Header, Table

__all__ = [
    "as_table",
    "in_context",
    "interval",
    "neuron_name",
    "number",
    "probability_cell",
    "score",
    "score_cell",
    "share_cell",
    "shortened",
    "word_cell",
]

_LONGEST = 200
"""Of a longer text, its beginning and its end are shown."""


def number(value: Any, signed: bool = False) -> str:
    """Return a number with as many digits as are of use; undefined is a dash.

    >>> number(0.12345), number(-3), number(float("nan")), number(12345.6), number(0.00456), number(0.00001234)
    ('0.123', '−3', '–', '12,346', '0.0046', '1.2e−05')
    """
    if value is None or pd.isna(value):
        return "–"
    value = float(value)
    size = abs(value)
    if math.isinf(size):
        text = "∞"
    elif value == int(value) and size < 1e15:
        text = f"{size:,.0f}"
    elif size < 1e-4:
        text = f"{size:.1e}"
    elif size < 0.01:
        text = f"{size:.{1 - math.floor(math.log10(size))}f}"  # Two digits of whatever there is.
    else:
        text = f"{size:,.{0 if size >= 1000 else 1 if size >= 100 else 3}f}"
    sign = "−" if value < 0 else "+" if signed and value > 0 else ""
    return sign + text.replace("-", "−")


def interval(low: Any, high: Any, signed: bool = False) -> str:
    """Return an interval, nothing where it is undefined."""
    return "" if pd.isna(low) or pd.isna(high) else f"{number(low, signed)} to {number(high, signed)}"


def score(value: Any) -> str:
    """Return a score with three decimals, so that a column of them is easy to compare; undefined is a dash."""
    return "–" if value is None or pd.isna(value) else f"{value:.3f}"


def neuron_name(layer: int, neuron: int) -> str:
    """Return what a neuron is called, as on the command line.

    >>> neuron_name(3, 17)
    'L3N17'
    """
    return f"L{layer}N{neuron}"


def share_cell(row: Mapping[Any, Any], measure: str) -> Cell:
    """Return the cell of a measure such as precision, with its interval where the row has `<measure>_low` and `_high`.

    >>> share_cell({"recall": 0.5, "recall_low": 0.41, "recall_high": 0.6}, "recall").text
    '0.50 (0.41 to 0.60)'
    """
    value, low, high = (row.get(name, math.nan) for name in (measure, f"{measure}_low", f"{measure}_high"))
    reach = "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"
    return Cell("–" if math.isnan(value) else f"{value:.2f}{reach}".replace("-", "−"), value)


def score_cell(value: Any) -> Cell:
    """Return the cell of a score."""
    return Cell(score(value), math.nan if value is None or pd.isna(value) else float(value))


def probability_cell(value: Any) -> Cell:
    """Return the cell of a p; one that rounds to 0 is below 0.001."""
    return score_cell(value)._replace(text="<0.001") if value < 0.0005 else score_cell(value)


def shortened(text: str) -> str:
    """Return the beginning and the end of a long text, and a short one as it is."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"


def word_cell(value: Any) -> Cell:
    """Return the cell of a word, or of a yes or no; undefined is a dash, and last. A cell stays as it is."""
    if isinstance(value, Cell):
        return value
    if value is None or pd.isna(value):
        return Cell("–", "")
    return Cell(("yes" if value else "no") if isinstance(value, bool | np.bool_) else str(value))


def in_context(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the cell of each `text` in its place: what is `before` and `after` it is around it."""
    rows = frame.to_dict("records")
    return pd.DataFrame([{**row, "text": Cell(row["text"], around=(row["before"], row["after"]))} for row in rows])


def as_table(
    frame: pd.DataFrame, titles: Mapping[str, str], caption: str, shares: Sequence[str] = (), names: Sequence[str] = ()
) -> Table:
    """Return some columns of a frame as a table.

    Args:
        frame: the rows; a value that is a `Cell` already stays as it is.
        titles: the columns to show, and the heading of each; those that the frame lacks, or that are empty throughout,
            are left out.
        caption: what the table shows.
        shares: the columns to show in per cent.
        names: the columns whose numbers are names, such as that of a neuron, and not quantities.
    """
    headers, columns = [], []
    for name in [name for name in titles if name in frame]:
        column = frame[name]
        if len(column) and (column.isna() | (column.astype(object) == "")).all():
            continue
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        cells = [_cell(value, numeric, name in shares, name in names) for value in column.tolist()]
        headers.append(Header(titles[name], numeric or any(isinstance(cell.sort, int | float) for cell in cells)))
        columns.append(cells)
    return Table(headers, list(zip(*columns, strict=True)), caption)


def _cell(value: Any, numeric: bool, share: bool, name: bool) -> Cell:
    if not numeric:
        return word_cell(value)
    if pd.isna(value):
        return Cell("–", math.nan)
    return Cell(str(value) if name else f"{100 * value:.1f} %" if share else number(value), value)
