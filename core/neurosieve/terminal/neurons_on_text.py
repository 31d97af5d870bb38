"""Neurons on text in a terminal: each token over a bar, as high as the neuron is strong there."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from neurosieve.runs.record_fields import Record
from neurosieve.runs.results import Run
from neurosieve.runs.tables import neuron_name
from neurosieve.wording import visible

__all__ = ["show_neurons"]

_BARS = " ▁▂▃▄▅▆▇█"
_HANGING = " ▔▔▔▔▀▀▀▀"
"""What is below 0 hangs; there are no finer blocks that do."""
_BEFORE, _BEHIND = 24, 48
"""How many tokens stand before and behind the token that a document is shown about."""
_WIDTH = 100
_CONTEXTS = 5
_STRONGEST = 6


class _Token(NamedTuple):
    """A token, or the piece of one that fits a line."""

    text: str
    activation: float
    spans: str


def show_neurons(run: Run, out: Console) -> None:
    """Print what a run of `show` holds of each neuron."""
    tables = {name: run.table(name) for name in run.tables}
    for neuron in run.run["neurons"]:
        of_neuron = {
            name: table[(table.layer == neuron["layer"]) & (table.neuron == neuron["neuron"])]
            for name, table in tables.items()
        }
        for line in _lines(neuron, of_neuron, run.run, min(out.width, _WIDTH)):
            out.print(line, soft_wrap=True)
    out.print(
        "\nBars rise with the activation of a neuron at a token, and hang where it is below 0; ‾ is under the spans of "
        "a behaviour.\nPresent and control: the median (the quartiles) at the positions of the run.",
        soft_wrap=True,
    )


def _lines(neuron: dict[str, Any], tables: dict[str, pd.DataFrame], record: Record, width: int) -> Iterator[Text]:
    ranks = [f"rank {rank:,} of {behaviour}" for behaviour, rank in neuron["ranks"].items()]
    ranked = f", {', '.join(ranks)} by {record['rank_by']}" if ranks else ""
    yield Text(f"\n{neuron_name(neuron['layer'], neuron['neuron'])}{visible(ranked)}", style="bold")
    yield from _distributions(tables["distribution"])
    if "promoted" in tables:
        for direction, rows in tables["promoted"].groupby("direction", sort=False):
            sign = {"promotes": "above", "suppresses": "below"}[str(direction)]
            yield Text(f"  {sign} 0 promotes  ").append("  ".join(map(_spaced, rows.token)), style="italic")
    if len(tables["contexts"]):
        which = {1: "highest", -1: "lowest", 0: "largest"}[neuron["direction"]]
        yield Text(f"  {which} of {neuron['tokens_searched']:,} tokens, one of a document:")
        for row in tables["contexts"].head(_CONTEXTS).itertuples():
            yield _context(row, width)
    tokens = tables["tokens"]
    largest = float(tokens.activation.abs().max())
    for document in record["documents"]:
        of_document = tokens[tokens.document == document["document"]]
        if len(of_document):
            yield from _document(document, of_document, largest, width)


def _distributions(table: pd.DataFrame) -> Iterator[Text]:
    several = table.behaviour.nunique() > 1
    for (behaviour, part), rows in table.groupby(["behaviour", "part"], sort=False):
        quartiles = ", ".join(
            f"{'present' if row.label else 'control'} {row.median:.3f} ({row.q25:.3f} to {row.q75:.3f}) "
            f"at {row.positions:,}"
            for row in rows.sort_values("label", ascending=False).itertuples()
        )
        auc = rows.auc.iloc[0]
        groups = {"ranking": "ranked on", "heldout": "held out"}[str(part)]
        whose = f"{visible(str(behaviour))}, " if several else ""
        yield Text(f"  {whose}{groups}: {quartiles}" + ("" if math.isnan(auc) else f"; AUC {auc:.3f}"))


def _context(row: Any, width: int) -> Text:
    token = visible(row.text)
    room = max(8, (width - cell_len(token) - 14) // 2)
    before, after = visible(row.before)[-room:], visible(row.after)[:room]
    drawn = Text(f"  {row.activation:>9.3f}  ").append(before.rjust(room), style="dim")
    return drawn.append(token, style="bold reverse").append(after, style="dim")


def _document(document: dict[str, Any], tokens: pd.DataFrame, largest: float, width: int) -> Iterator[Text]:
    """Draw the tokens about the first span of a document; where there is none, about the strongest."""
    tokens = tokens.reset_index(drop=True)
    covered = np.flatnonzero(tokens.behaviour_spans != "")
    strength = tokens.activation.abs().fillna(0.0)
    centre = int(covered[0]) if len(covered) else int(strength.to_numpy().argmax())
    shown = tokens.iloc[max(0, centre - _BEFORE) : centre + _BEHIND]
    held_out = ", held out" if document["part"] == "heldout" else ""
    yield Text(
        f"  {visible(document['document'])}{held_out}: tokens {shown.token.iloc[0]:,} to {shown.token.iloc[-1]:,} of "
        f"{document['tokens']:,}; a full bar is {largest:.3f}",
        style="bold dim",
    )
    drawn = map(_Token, shown.text.map(visible), shown.activation, shown.behaviour_spans)
    for line in _wrapped(drawn, width - 4):
        yield from _bars(line, largest)
    strong = strength[strength >= largest / 8].sort_values(ascending=False, kind="stable")
    best = tokens.loc[strong.index[:_STRONGEST]]
    if len(best):
        values = (f"{_spaced(text)} {value:.3f}" for text, value in zip(best.text, best.activation, strict=True))
        yield Text("    strongest: ").append(", ".join(values), style="dim")


def _wrapped(tokens: Iterable[_Token], width: int) -> Iterator[list[_Token]]:
    """Yield lines of tokens; a token that is longer than a line is cut into pieces."""
    line: list[_Token] = []
    for token in tokens:
        for start in range(0, max(1, len(token.text)), width // 2):  # A character takes two columns at most.
            piece = token._replace(text=token.text[start : start + width // 2])
            if line and sum(cell_len(placed.text) for placed in line) + cell_len(piece.text) > width:
                yield line
                line = []
            line.append(piece)
    yield line


def _bars(line: Sequence[_Token], largest: float) -> Iterator[Text]:
    text, bars, marks = Text("    "), Text("    "), Text("    ")
    for token in line:
        share = 0.0 if math.isnan(token.activation) or not largest else token.activation / largest
        text.append(token.text, style=f"{_colour(share)}{' underline' if token.spans else ''}".strip())
        bar = (_HANGING if share < 0 else _BARS)[round(8 * abs(share))]
        wide = cell_len(token.text)
        bars.append(bar * wide, style="cyan" if share < 0 else "red")
        marks.append(("‾" if token.spans else " ") * wide)
    yield text
    if bars.plain.strip():
        yield bars
    if marks.plain.strip():
        yield marks


def _colour(share: float) -> str:
    """Return red where an activation is above 0 and cyan below, on a ground of it where it is strong."""
    # Shades would not do: what is pale on a light terminal is glaring on a dark one.
    if abs(share) < 1 / 8:
        return ""
    colour, word = ("cyan", "black") if share < 0 else ("red", "white")
    return colour if abs(share) < 1 / 2 else f"bold {word} on {colour}"


def _spaced(text: str) -> str:
    """Return a token so that the spaces around it can be seen."""
    return re.sub("^ +| +$", lambda spaces: "␣" * len(spaces[0]), visible(text))
