"""Tables of a run as tables for people."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from neurosieve_plugins.reports.blocks import Cell, Header, Table

__all__ = ["as_table", "interval", "number", "plain", "whole"]

_MIRRORED = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
_PICTURES = (
    {code: chr(0x2400 + code) for code in range(0x20)}
    | dict.fromkeys((*range(127, 160), *_MIRRORED, *range(55296, 57344)), "�")
    | {ord("\n"): "⏎", ord("\t"): "⇥", 0x2028: "⏎", 0x2029: "⏎"}
)


def plain(text: object) -> str:
    """Return a text with a picture in place of each character that nobody sees, or that turns the writing around.

    >>> plain("one\\ntwo\\x00")
    'one⏎two␀'
    """
    return str(text).translate(_PICTURES)


def number(value: Any, signed: bool = False) -> str:
    """Return a number as people read it; undefined is a dash.

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
    """Return an interval as people read it, nothing where it is undefined."""
    return "" if pd.isna(low) or pd.isna(high) else f"{number(low, signed)} to {number(high, signed)}"


def whole(count: Any, one: str, many: str = "") -> str:
    """Return a count with its noun.

    >>> whole(1, "span"), whole(2000, "span")
    ('1 span', '2,000 spans')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def as_table(
    frame: pd.DataFrame, titles: Mapping[str, str], caption: str, shares: Iterable[str] = (), names: Iterable[str] = ()
) -> Table:
    """Return some columns of a frame as a table.

    Args:
        frame: the lines.
        titles: the columns to show, and what stands over each; those that the frame has not, or that are empty
            throughout, are left out.
        caption: what the table shows.
        shares: the columns that are shown in per cent.
        names: the columns whose numbers are names, such as that of a neuron, and not quantities.
    """
    columns = [name for name in titles if name in frame and not _empty(frame[name])]
    shares, names = set(shares), set(names)
    cells = []
    headers = []
    for name in columns:
        column = frame[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        headers.append(Header(titles[name], numeric))
        if numeric:
            cells.append([_quantity(value, name in shares, name in names) for value in column.tolist()])
        else:
            cells.append([_word(value) for value in column.tolist()])
    return Table(headers, list(zip(*cells, strict=True)) if cells else [], caption)


def _empty(column: pd.Series) -> bool:
    return len(column) > 0 and bool((column.isna() | (column.astype(object) == "")).all())


def _quantity(value: Any, share: bool, name: bool) -> Cell:
    if value is None or pd.isna(value):
        return Cell("–", math.nan)
    if name:
        return Cell(str(value), value)
    return Cell(f"{100 * value:.1f} %" if share else number(value), value)


def _word(value: Any) -> Cell:
    if isinstance(value, bool):
        return Cell("yes" if value else "no", "yes" if value else "no")
    return Cell("–", "") if value is None or pd.isna(value) else Cell(plain(value), plain(value))
