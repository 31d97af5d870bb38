"""What people see in a terminal."""

import math
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from neurosieve.results import Result

__all__ = ["console", "show_result"]


def console(**options: Any) -> Console:
    """Return the console to print on; a pipe or a file gets whole lines, however long."""
    made = Console(**options)
    return made if made.is_terminal else Console(width=200, **options)


def show_result(result: Result, k: int = 10) -> None:
    """Print the warnings of a run, what it read, and its best neurons, with the folder that holds it all."""
    out, run = console(), result.run
    for warning in run["warnings"]:
        out.print(f"[bold yellow]warning:[/] {escape(warning)}")
    for behaviour in result.behaviours:
        out.print(_table(result, behaviour, k))
    reading = run["reading"]
    source = (
        f"{reading['forward_passes']:,} forward passes, {reading['tokens']:,} tokens"
        if reading["forward_passes"]
        else "no forward pass: all from the store"
    )
    out.print(f"read with {escape(run['model']['name'])} ({run['model']['dtype']}, {run['model']['device']}): {source}")
    out.print(f"run folder: {escape(str(result.folder))}", soft_wrap=True)


def _table(result: Result, behaviour: str, k: int) -> Table:
    run = result.run
    counts, rank_by = run["counts"]["behaviours"][behaviour], run["rank_by"]
    best = result.top(k, behaviour)
    total = int((result.neurons.behaviour == behaviour).sum())
    table = Table(
        title=f"{escape(behaviour)}: the best {len(best)} of {total:,} neurons by {rank_by}",
        caption=(
            f"{counts['spans']:,} spans in {counts['documents_with']:,} of {run['counts']['documents']:,} documents; "
            f"ranked on {counts['ranking_present']:,} present and {counts['ranking_control']:,} control positions, "
            f"replicated on {counts['replication_present']:,} and {counts['replication_control']:,} of held-out groups"
        ),
        title_justify="left",
        caption_justify="left",
    )
    for column in ("rank", "layer", "neuron"):
        table.add_column(column, justify="right")
    for scorer in result.scorers:
        table.add_column(scorer, justify="right")
        table.add_column("held out", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("replicates")
    neutral = run["neutral"][rank_by][behaviour] or 0.0
    for line in best.to_dict("records"):
        cells = [str(line["rank"]), str(line["layer"]), str(line["neuron"])]
        for scorer in result.scorers:
            cells += [_number(line[scorer]), _number(line[f"{scorer}_replication"])]
        low, high = line[f"{rank_by}_distance_replication_low"], line[f"{rank_by}_distance_replication_high"]
        cells.append("" if math.isnan(low) else f"{_number(neutral + low)} to {_number(neutral + high)}")
        cells.append({True: "yes", False: "no"}.get(line["replicates"], ""))
        table.add_row(*cells)
    return table


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
