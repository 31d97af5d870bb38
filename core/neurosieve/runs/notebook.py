"""How a run draws itself in a notebook: its blocks as HTML without JavaScript, and with every text escaped."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from neurosieve.runs.blocks import Block, Cell, Facts, Note, Table
from neurosieve.runs.ranking_summary import evidence_blocks, ranking_table
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.real_effects_summary import real_effect_blocks
from neurosieve.runs.summary import run_blocks
from neurosieve.runs.tables import neuron_name
from neurosieve.runs.two_rankings import two_rankings_blocks
from neurosieve.wording import visible

__all__ = ["run_html"]

_BEST = 5
_LINES = 8
"""So many rows of a table are drawn."""
_WIDTH, _HEIGHT, _LEFT, _BELOW = 420.0, 130, 40.0, 24


def run_html(run: RunFolder, below: Sequence[Path]) -> str:
    """Return what a run says: its warnings and notes, counts, what came out, and where it and the runs below it are."""
    warnings = "".join(f"<li><b>warning:</b> {_text(warning)}</li>" for warning in run.run.get("warnings", []))
    said = warnings + "".join(f"<li>note: {_text(note)}</li>" for note in run.run.get("notes", []))
    head = f"<p><b>neurosieve {_text(run.command)}</b></p>" + (f"<ul>{said}</ul>" if said else "")
    if run.command == "find":
        body = "".join(_ranking(run, behaviour) for behaviour in run.run["behaviours"])
    else:
        counts = run.run.get("counts", {}).items()
        facts = Facts(tuple((name, f"{value:,}") for name, value in counts if type(value) in (int, float)))
        names = f"<p>tables: {_text(', '.join(run.tables))}</p>" if run.tables else ""
        body = _block(facts) + names + "".join(map(_block, run_blocks(run, _LINES)))
    page = run.folder / "report.html"
    where = f"{_text(page)} shows it all" if page.is_file() else _text(run.folder)
    parts = f"; it holds {_text(', '.join(str(part.relative_to(run.folder)) for part in below))}" if below else ""
    return f"<div>{head}{body}<p><small>{where}{parts}</small></p></div>"


def _text(value: object) -> str:
    return escape(visible(str(value)))


def _ranking(run: RunFolder, behaviour: str) -> str:
    """Return the best neurons of a behaviour, as a drawing and as a table."""
    neurons, rank_by = run.neurons, run.run["rank_by"]
    neutral = run.run.get("neutral", {}).get(rank_by, {}).get(behaviour)
    blocks = (
        ranking_table(run, behaviour, _BEST),
        *evidence_blocks(run, behaviour),
        *real_effect_blocks(run, behaviour),
        *two_rankings_blocks(run, behaviour, _LINES // 2),  # The best of either, which may be as many again.
    )
    drawing = _drawing(neurons[neurons.behaviour == behaviour], rank_by, neutral)
    return f"<p><b>{_text(behaviour)}</b></p>{drawing}{''.join(map(_block, blocks))}"


def _block(block: Block) -> str:
    match block:
        case Note(text=text, command=command):
            return f"<p><small>{_text(text)}{f' <code>{_text(command)}</code>' if command else ''}</small></p>"
        case Facts(facts=facts) if facts:
            items = "".join(f"<tr><td>{_text(name)}</td><td>{_text(value)}</td></tr>" for name, value in facts)
            return f"<table><tbody>{items}</tbody></table>"
        case Table(headers=headers, rows=rows, caption=caption) if rows:
            head = "".join(f"<th>{_text(header.text)}</th>" for header in headers)
            body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:_LINES])
            return f"<p>{_text(caption)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return ""


def _cell(cell: Cell) -> str:
    before, after = (_text(text) for text in cell.around or ("", ""))
    text = f"<b>{_text(cell.text)}</b>" if cell.around else _text(cell.text)
    return f"<td>{before}{text}{after}</td>"


def _drawing(neurons: pd.DataFrame, by: str, neutral: float | None) -> str:
    """Return each layer's lowest and highest score as a line, and the best neurons as dots."""
    defined = neurons[np.isfinite(neurons[by])]
    if not len(defined):
        return ""
    ends = defined.groupby("layer")[by].agg(["min", "max"])
    layers: list[int] = ends.index.tolist()
    low, high = float(ends["min"].min()), float(ends["max"].max())

    def across(layer: int) -> float:
        return _LEFT + (layers.index(layer) + 0.5) * (_WIDTH - _LEFT) / len(layers)

    def down(score: float) -> float:
        return 8 + (high - score) / max(high - low, 1e-12) * (_HEIGHT - _BELOW - 16)

    def line(left: float, right: float, start: float, end: float, look: str) -> str:
        place = f'x1="{left:.1f}" x2="{right:.1f}" y1="{down(start):.1f}" y2="{down(end):.1f}"'
        return f'<line {place} stroke="currentColor" {look}/>'

    marks = [
        line(across(layer), across(layer), lowest, highest, 'stroke-opacity="0.35" stroke-width="3"')
        for layer, lowest, highest in ends.itertuples(name=None)
    ]
    if neutral is not None and low <= neutral <= high:
        marks.append(line(_LEFT, _WIDTH, neutral, neutral, 'stroke-opacity="0.5" stroke-dasharray="3 3"'))
    marks += [
        f'<circle cx="{across(layer):.1f}" cy="{down(score):.1f}" r="3.5" fill="#d9600f">'
        f"<title>{neuron_name(layer, neuron)}: {score:.3f}</title></circle>"
        for layer, neuron, score in defined.head(_BEST * 2)[["layer", "neuron", by]].itertuples(index=False, name=None)
    ]
    words = [
        (_LEFT - 4, down(high) + 4, "end", f"{high:.2f}"),
        (_LEFT - 4, down(low) + 4, "end", f"{low:.2f}"),
        (across(layers[0]), _HEIGHT - 6, "middle", f"{layers[0]}"),
        (across(layers[-1]), _HEIGHT - 6, "middle", f"{layers[-1]}"),
        ((_LEFT + _WIDTH) / 2, _HEIGHT - 6, "middle", "layer"),
    ]
    marks += [
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="currentColor">{word}</text>'
        for x, y, anchor, word in words
    ]
    return (
        f'<svg role="img" aria-label="Lowest and highest {_text(by)} of each layer, and the best neurons" '
        f'width="{_WIDTH:g}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH:g} {_HEIGHT}">{"".join(marks)}</svg>'
    )
