"""How results draw themselves in a notebook: without JavaScript, and with every text escaped."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.runs.results import Result, Run
from neurosieve.runs.summary import chance_lines, number, probability, text_alone, text_lines
from neurosieve.wording import visible

__all__ = ["result_html", "run_html"]

_BEST = 5
_LINES = 8
_MADE_FOR = {"analyze": "summary", "detect": "agreement", "learn": "agreement", "show": "contexts", "ablate": "effects"}
"""The table that a command is run for."""
_WIDTH, _HEIGHT, _LEFT, _BELOW = 420, 130, 40, 24


def run_html(run: Run) -> str:
    """Return what any run has to say: its warnings, its numbers, the first lines of what it was made for."""
    return f"<div>{_head(run)}{_counts(run)}{_verdicts(run)}{_first(run)}{_foot(run)}</div>"


def result_html(result: Result) -> str:
    """Return the best neurons of each behaviour, as a drawing and as a table."""
    return f"<div>{_head(result)}{''.join(_behaviour(result, name) for name in result.behaviours)}{_foot(result)}</div>"


def _text(value: object) -> str:
    return escape(visible(str(value)))


def _head(run: Run) -> str:
    told = "".join(f"<li><b>warning:</b> {_text(one)}</li>" for one in run.run.get("warnings", []))
    return f"<p><b>neurosieve {_text(run.command)}</b></p>" + (f"<ul>{told}</ul>" if told else "")


def _foot(run: Run) -> str:
    page = run.folder / "report.html"
    there = f"{_text(page)} shows it all" if page.is_file() else _text(run.folder)
    below = [str(part.folder.relative_to(run.folder)) for part in run.parts()]
    parts = f"; it holds {_text(', '.join(below))}" if below else ""
    return f"<p><small>{there}{parts}</small></p>"


def _counts(run: Run) -> str:
    counts = run.run.get("counts", {})
    lines = [(name, f"{value:,}") for name, value in counts.items() if type(value) in (int, float)]
    return _table(["", ""], lines) + (f"<p>tables: {_text(', '.join(run.tables))}</p>" if run.tables else "")


def _verdicts(run: Run) -> str:
    said = [one["sentence"] for one in run.run.get("verdicts", []) if isinstance(one, dict) and "sentence" in one]
    return f"<ul>{''.join(f'<li>{_text(one)}</li>' for one in said)}</ul>" if said else ""


def _first(run: Run) -> str:
    name = _MADE_FOR.get(run.command, "")
    if name not in run.tables:
        return ""
    table = run.table(name).head(_LINES)
    headers = [str(column) for column in table]
    return _table(headers, [[_cell(*one) for one in line.items()] for line in table.to_dict("records")])


def _behaviour(result: Result, behaviour: str) -> str:
    by, best = result.run["rank_by"], result.top(_BEST, behaviour)
    mine = result.neurons[result.neurons.behaviour == behaviour]
    names = {"rank": "rank", "layer": "layer", "neuron": "neuron", by: by, f"{by}_heldout": "held out"}
    names |= {name: name for name in ("p_fwer", "q_fdr", "replicates", "verdict", "stability")}
    names["beats_baselines"] = "beats the text alone"
    # What the run knows of no neuron is left out; a score that is undefined for all is not.
    there = [name for name in names if name in best and (name == by or best[name].notna().any())]
    lines = [[_cell(name, line[name]) for name in there] for line in best.to_dict("records")]
    title = f"{_text(behaviour)}: the best {len(best)} of {len(mine):,} {result.site.neurons} by {_text(by)}"
    drawing = _drawing(mine, by, result.run.get("neutral", {}).get(by, {}).get(behaviour))
    text, held_out = text_alone(result, behaviour), f"{by}_heldout"
    alone = [
        (line["baseline"], *(number(line.get(name, math.nan)) for name in (by, held_out)))
        for line in text.to_dict("records")
    ]
    beside = _table(["the text alone", by, "held out"], alone)
    said = (*chance_lines(result.run, behaviour), *text_lines(result, behaviour))
    words = "".join(f"<p><small>{_text(line)}</small></p>" for line in said)
    return f"<p>{title}</p>{drawing}{_table([names[name] for name in there], lines)}{beside}{words}"


def _cell(name: Any, value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if name in ("replicates", "beats_baselines") or isinstance(value, bool):
        return "yes" if value else "no"
    if name in ("p_fwer", "q_fdr"):
        return probability(value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(headers: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    if not lines:
        return ""
    head = "".join(f"<th>{_text(one)}</th>" for one in headers)
    body = "".join(f"<tr>{''.join(f'<td>{_text(one)}</td>' for one in line)}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _drawing(neurons: pd.DataFrame, by: str, neutral: float | None) -> str:
    """Return each layer's lowest and highest score as a line, and the best neurons as dots."""
    defined = neurons[np.isfinite(neurons[by])]
    if not len(defined):
        return ""
    layers = sorted(defined.layer.unique().tolist())
    low, high = float(defined[by].min()), float(defined[by].max())

    def across(layer: int) -> float:
        return _LEFT + (layers.index(layer) + 0.5) * (_WIDTH - _LEFT) / len(layers)

    def down(score: float) -> float:
        return 8 + (high - score) / max(high - low, 1e-12) * (_HEIGHT - _BELOW - 16)

    ends = defined.groupby("layer")[by].agg(["min", "max"])
    marks = [
        f'<line x1="{across(layer):.1f}" x2="{across(layer):.1f}" y1="{down(ends.loc[layer, "min"]):.1f}" '
        f'y2="{down(ends.loc[layer, "max"]):.1f}" stroke="currentColor" stroke-opacity="0.35" stroke-width="3"/>'
        for layer in layers
    ]
    if neutral is not None and low <= neutral <= high:
        marks.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{down(neutral):.1f}" y2="{down(neutral):.1f}" '
            'stroke="currentColor" stroke-opacity="0.5" stroke-dasharray="3 3"/>'
        )
    marks += [
        f'<circle cx="{across(line.layer):.1f}" cy="{down(line.score):.1f}" r="3.5" fill="#d9600f">'
        f"<title>L{line.layer}N{line.neuron}: {line.score:.3f}</title></circle>"
        for line in defined.head(_BEST * 2).rename(columns={by: "score"}).itertuples()
    ]
    words = [
        (_LEFT - 4, down(high) + 4, "end", f"{high:.2f}"),
        (_LEFT - 4, down(low) + 4, "end", f"{low:.2f}"),
        (across(layers[0]), _HEIGHT - 6, "middle", f"{layers[0]}"),
        (across(layers[-1]), _HEIGHT - 6, "middle", f"{layers[-1]}"),
        ((_LEFT + _WIDTH) / 2, _HEIGHT - 6, "middle", "layer"),
    ]
    texts = "".join(
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11" fill="currentColor">{word}</text>'
        for x, y, anchor, word in words
    )
    return (
        f'<svg role="img" aria-label="Lowest and highest {_text(by)} of each layer, and the best neurons" '
        f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">{"".join(marks)}{texts}</svg>'
    )
