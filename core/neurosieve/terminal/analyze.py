"""What people see of traces in a terminal: a table of what is in them, and one of them in full."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from neurosieve.data import Document, Span, Verdict
from neurosieve.runs.results import Run
from neurosieve.terminal.find import console
from neurosieve.wording import plural, visible

__all__ = ["highlighted", "show_analysis", "trace_shown"]

_LISTED = 20
"""So many traces of each behaviour are listed; the table `traces` has them all."""
_STYLES = ("black on yellow", "black on cyan", "black on magenta", "black on green", "black on blue", "white on red")
_NAMES = {"right": "answer right", "thought_ended": "thought ended", "out_of_tokens": "out of tokens"}


def show_analysis(run: Run, out: Console | None = None) -> None:
    """Print the warnings of a run of `analyze`, its shares, and the traces with each behaviour."""
    out, told = out or console(), run.run
    summary, traces, spans = run.table("summary"), run.table("traces"), run.table("spans")
    for warning in told["warnings"]:
        out.print(f"[bold yellow]warning:[/] {escape(visible(warning))}")
    counts = told["counts"]
    out.print(_overall(summary, f"{plural(counts['documents'], 'trace')} of {plural(counts['groups'], 'problem')}"))
    for by, title in (("level", "by level"), ("type", "by type"), ("answer", "by answer")):
        part = summary[summary.by == by]
        if len(part):
            out.print(_by(part, title))
    for behaviour in told["behaviours"]:
        mine = traces[traces[f"{behaviour}_spans"] > 0]
        if len(mine):
            out.print(_listed(mine, spans[spans.behaviour == behaviour], behaviour))
    out.print(f"run folder: {escape(str(run.folder))}", soft_wrap=True)


def _measure(name: str) -> str:
    return _NAMES.get(name) or visible(name.removeprefix("shows_"))


def _overall(summary: pd.DataFrame, title: str) -> Table:
    table = Table("", title=title, title_justify="left")
    for column in ("traces", "of", "share", "95 % interval"):
        table.add_column(column, justify="right")
    for line in summary[summary.by == "overall"].to_dict("records"):
        share, low, high = (100 * line[name] for name in ("share", "low", "high"))
        cells = (f"{line['count']:,}", f"{line['n']:,}", f"{share:.2f} %", f"{low:.2f} to {high:.2f} %")
        table.add_row(Text(_measure(line["measure"])), *cells)
    return table


def _by(summary: pd.DataFrame, title: str) -> Table:
    table = Table("", title=title, title_justify="left")
    measures = list(dict.fromkeys(summary.measure))
    for measure in measures:
        table.add_column(Text(_measure(measure)), justify="right")
    for value, lines in summary.groupby("value", sort=False):
        by_measure = {line["measure"]: line for line in lines.to_dict("records")}
        table.add_row(Text(visible(str(value)) or "(none)"), *(_share(by_measure[measure]) for measure in measures))
    return table


def _share(line: Mapping[Any, Any]) -> str:
    if not line["n"]:
        return "–"
    share, low, high = (round(100 * line[name]) for name in ("share", "low", "high"))
    return f"{line['count']:,} of {line['n']:,}  {share} %\n{low} to {high} %"


def _listed(traces: pd.DataFrame, spans: pd.DataFrame, behaviour: str) -> Table:
    more = f", the first {_LISTED} of them" if len(traces) > _LISTED else ""
    table = Table(title=Text(f"{visible(behaviour)}: {len(traces):,} traces{more}"), title_justify="left")
    for column in ("trace", "level", "type", "answer right", "phrases"):
        table.add_column(column)
    for trace in traces.head(_LISTED).itertuples():
        labels = spans[spans.document == trace.id].label.value_counts(sort=False)
        phrases = ", ".join(f"{label} ×{count}" if count > 1 else str(label) for label, count in labels.items())
        cells = (str(trace.id), str(trace.level), str(trace.type), _yes(trace.right), phrases)
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table


def _yes(right: Any) -> str:
    return "–" if pd.isna(right) else "yes" if right else "no"


def highlighted(document: Document, spans: Mapping[str, Sequence[Span]]) -> Text:
    """Return a document's text with the spans of each behaviour highlighted, and what is no completion dimmed.

    The text is data: markup in it is text, and what would move the cursor is shown and not obeyed.
    """
    shown = Text("\n".join(map(visible, document.text.split("\n"))))
    shown.stylize("dim", 0, document.completion_start)
    for place, mine in enumerate(spans.values()):
        for span in mine:
            shown.stylize(_STYLES[place % len(_STYLES)], span.start, span.end)
    return shown


def trace_shown(document: Document, spans: Mapping[str, Sequence[Span]], verdict: Verdict | None) -> Group:
    """Return a trace in full: its text with its spans highlighted, each of them by name, and the verdict."""
    parts = [Text(f"trace {visible(document.id)}", style="bold"), highlighted(document, spans), Text()]
    for place, (behaviour, mine) in enumerate(spans.items()):
        name = Text(visible(behaviour), style=_STYLES[place % len(_STYLES)])
        parts.append(name + f": {plural(len(mine), 'span')}")
        for span in mine:
            text = document.text[span.start : span.end]
            parts.append(Text(visible(f"  {span.start:,}–{span.end:,} {text} ({span.label})"), style="none"))
    if verdict is not None:
        said = {True: "right", False: "wrong", None: "no verdict"}[verdict.right]
        reason = f" ({verdict.reason})" if verdict.reason else ""
        parts.append(Text(visible(f"answer: {verdict.answer or 'none was found'}: {said}{reason}"), style="bold"))
    return Group(*parts)
