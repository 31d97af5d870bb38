"""What people see in a terminal."""

import math
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from neurosieve.results import Result, Run

__all__ = ["console", "show_part", "show_result", "show_where"]


def console(**options: Any) -> Console:
    """Return the console to print on; a pipe or a file gets whole lines, however long."""
    made = Console(highlight=False, **options)
    return made if made.is_terminal else Console(width=1000, highlight=False, **options)


def show_result(result: Result, k: int = 10, out: Console | None = None) -> None:
    """Print the warnings of a run, what it read, and its best neurons."""
    out, run = out or console(), result.run
    for warning in run["warnings"]:
        out.print(f"[bold yellow]warning:[/] {escape(warning)}")
    for behaviour in result.behaviours:
        out.print(_table(result, behaviour, k, out.width))
        out.print(_read(run["counts"]["behaviours"][behaviour], run["counts"]["documents"]))
    reading = run["reading"]
    source = (
        f"{reading['forward_passes']:,} forward passes, {reading['tokens']:,} tokens"
        if reading["forward_passes"]
        else "no forward pass: all from the store"
    )
    out.print(f"read with {escape(run['model']['name'])} ({run['model']['dtype']}, {run['model']['device']}): {source}")


def show_where(run: Run, out: Console | None = None) -> None:
    """Print where a run is, and its report."""
    out = out or console()
    out.print(f"run folder: {escape(str(run.folder))}", soft_wrap=True)
    for report in sorted(run.folder.glob("report.html")):
        out.print(f"report:     {escape(str(report))}", soft_wrap=True)


def show_part(run: Run, out: Console | None = None) -> None:
    """Print a run that went on from another."""
    out = out or console()
    if run.command == "rescore":
        _show_rescored(run, out)
    elif run.command in _VIEWS:
        module, name = _VIEWS[run.command]
        getattr(import_module(f"neurosieve.{module}"), name)(run, out)


_VIEWS = {
    "analyze": ("analysis.terminal", "show_analysis"),
    "show": ("showing.terminal", "show_run"),
    "ablate": ("ablation.terminal", "show_effects"),
}
"""What prints a run of each command, in a module that is imported when it is needed."""


def _show_rescored(run: Run, out: Console) -> None:
    """Print how the best neurons of a ranking score on other texts."""
    for warning in run.run["warnings"]:
        out.print(f"[bold yellow]warning:[/] {escape(warning)}")
    rank_by, neurons = run.run["rank_by"], run.table("neurons")
    for behaviour in run.run["behaviours"]:
        best = neurons[neurons.behaviour == behaviour].head(10)
        table = Table(title=escape(f"{behaviour}: the ranking on {run.run['config']['texts']}"), title_justify="left")
        for column in ("rank", "layer", "neuron", rank_by, "there", "95 % interval", "replicates"):
            table.add_column(column, justify="left" if column == "replicates" else "right")
        for line in best.to_dict("records"):
            table.add_row(
                *(str(line[key]) for key in ("rank", "layer", "neuron")),
                *(_number(line[key]) for key in (rank_by, f"{rank_by}_replication")),
                _interval(line, rank_by),
                {True: "yes", False: "no"}.get(line["replicates"], ""),
            )
        out.print(table)
        counts = run.run["counts"]["behaviours"][behaviour]
        out.print(
            f"{counts['spans']:,} spans in {counts['documents_with']:,} of {run.run['counts']['documents']:,} documents"
        )
    out.print(f"run folder: {escape(str(run.folder))}", soft_wrap=True)


def _table(result: Result, behaviour: str, k: int, width: int) -> Table:
    """Return the best neurons by every scorer, or by that of the ranking alone where the others do not fit."""
    whole = _with_columns(result, behaviour, k, result.scorers)
    return whole if _width(whole) <= width else _with_columns(result, behaviour, k, [result.run["rank_by"]])


def _width(table: Table) -> int:
    wide = Console(width=1000)
    return Measurement.get(wide, wide.options, table).maximum


def _with_columns(result: Result, behaviour: str, k: int, scorers: list[str]) -> Table:
    run = result.run
    counts, rank_by = run["counts"]["behaviours"][behaviour], run["rank_by"]
    best = result.top(k, behaviour)
    total = int((result.neurons.behaviour == behaviour).sum())
    replicated = counts["replication_present"] > 0
    table = Table(
        title=escape(f"{behaviour}: the best {len(best)} of {total:,} {result.site.neurons} by {rank_by}"),
        title_justify="left",
    )
    per_head = run["model"].get("neurons_per_head")
    for column in ("rank", "layer", "neuron", *(["head", "of head"] if per_head else [])):
        table.add_column(column, justify="right")
    # The ranking's own scorer stands first, with what is known of it.
    scorers = [rank_by, *(scorer for scorer in scorers if scorer != rank_by)]
    for scorer in scorers:
        table.add_column(scorer, justify="right")
        if replicated:
            table.add_column("held out", justify="right")
        if replicated and scorer == rank_by:
            table.add_column("95 % interval", justify="right")
            table.add_column("replicates")
    for line in best.to_dict("records"):
        cells = [str(line["rank"]), str(line["layer"]), str(line["neuron"])]
        cells += map(str, divmod(line["neuron"], per_head)) if per_head else []
        for scorer in scorers:
            cells.append(_number(line[scorer]))
            if replicated:
                cells.append(_number(line[f"{scorer}_replication"]))
            if replicated and scorer == rank_by:
                cells += [_interval(line, rank_by), {True: "yes", False: "no"}.get(line["replicates"], "")]
        table.add_row(*cells)
    return table


def _interval(line: dict[Any, Any], rank_by: str) -> str:
    distance = f"{rank_by}_distance_replication"
    low, high = line[f"{distance}_low"], line[f"{distance}_high"]
    neutral = line[f"{rank_by}_replication"] - line[distance]
    return "" if math.isnan(low) else f"{_number(neutral + low)} to {_number(neutral + high)}"


def _read(counts: dict[str, int], documents: int) -> str:
    """Say what a behaviour's ranking went by."""
    held_out = (
        f", scored again on {counts['replication_present']:,} and {counts['replication_control']:,} of held-out groups"
        if counts["replication_present"]
        else ""
    )
    return (
        f"{counts['spans']:,} spans in {counts['documents_with']:,} of {documents:,} documents; ranked on "
        f"{counts['ranking_present']:,} present and {counts['ranking_control']:,} control positions{held_out}"
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
