"""What people see in a terminal."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import chain, zip_longest
from typing import Any, Literal, NamedTuple

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from neurosieve.runs.results import Result, Run
from neurosieve.runs.summary import chance_lines, number, probability, text_alone, text_lines
from neurosieve.wording import plural

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
        said = (chance_lines(run, behaviour), text_lines(result, behaviour), _verdict_lines(result, behaviour, k))
        for line in chain.from_iterable(said):
            out.print(escape(line))
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
        getattr(import_module(f"neurosieve.terminal.{module}"), name)(run, out)


_VIEWS = {
    "analyze": ("analyze", "show_analysis"),
    "show": ("show", "show_run"),
    "ablate": ("ablate", "show_effects"),
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
        for column in ("rank", "layer", "neuron", rank_by, "there", _interval_title(run.run), "replicates"):
            table.add_column(column, justify="left" if column == "replicates" else "right")
        for line in best.to_dict("records"):
            table.add_row(
                *(str(line[key]) for key in ("rank", "layer", "neuron")),
                *(number(line[key]) for key in (rank_by, f"{rank_by}_heldout")),
                _interval(line, rank_by),
                _REPLICATES.get(line["replicates"], ""),
            )
        out.print(table)
        counts = run.run["counts"]["behaviours"][behaviour]
        out.print(
            f"{plural(counts['spans'], 'span')} in {counts['documents_with']:,} of "
            f"{plural(run.run['counts']['documents'], 'document')}"
        )
    out.print(f"run folder: {escape(str(run.folder))}", soft_wrap=True)


def _table(result: Result, behaviour: str, k: int, width: int) -> Table:
    """Return the best neurons with all that is known of them, or with as much of it as fits."""
    rank_by = result.run["rank_by"]
    # The ranking's own scorer stands first, with what is known of it.
    scorers = [rank_by, *(scorer for scorer in result.scorers if scorer != rank_by)]
    for shown, brief in ((scorers, False), ([rank_by], False), ([rank_by], True)):
        table = _with_columns(result, behaviour, k, shown, brief)
        if _width(table) <= width:
            break
    return table


def _width(table: Table) -> int:
    wide = Console(width=1000)
    return Measurement.get(wide, wide.options, table).maximum


class _Column(NamedTuple):
    header: str
    cells: Iterable[str]
    chance: str = ""
    """What stands in the line above the best neuron: what chance alone does."""
    text: Sequence[str] = ()
    """What stands in the lines below the neurons: what the text alone tells."""
    justify: Literal["left", "right"] = "right"


def _with_columns(result: Result, behaviour: str, k: int, scorers: list[str], brief: bool) -> Table:
    best = result.top(k, behaviour)
    columns = list(_columns(result, behaviour, best, scorers, brief))
    total = int((result.neurons.behaviour == behaviour).sum())
    table = Table(
        title=escape(
            f"{behaviour}: the best {len(best)} of {total:,} {result.site.neurons} by {result.run['rank_by']}"
        ),
        title_justify="left",
    )
    for column in columns:
        table.add_column(column.header, justify=column.justify)
    if any(column.chance for column in columns):
        table.add_row(*(column.chance for column in columns), end_section=True)
    for line in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*line)
    if any(column.text for column in columns):
        table.add_section()
        for line in zip_longest(*(column.text for column in columns), fillvalue=""):
            table.add_row(*line)
    return table


def _columns(result: Result, behaviour: str, best: pd.DataFrame, scorers: list[str], brief: bool) -> Iterator[_Column]:
    """Yield what the table shows; what the run knows of no neuron is left out."""
    run, rank_by = result.run, result.run["rank_by"]
    null = run.get("null", {}).get(behaviour)
    text = text_alone(result, behaviour)
    known = {str(name) for name in best if best[name].notna().any()}
    replicated = run["counts"]["behaviours"][behaviour]["heldout_present"] > 0
    yield _Column("rank", best["rank"].map(str))
    yield _Column("layer", best["layer"].map(str))
    # A long name in two lines leaves room for what is known.
    names = [str(name).replace(" ", "\n") if brief else str(name) for name in text["baseline"]]
    yield _Column("neuron", best["neuron"].map(str), "chance" if null else "", names)
    if per_head := run["model"].get("neurons_per_head"):
        yield _Column("head", (best["neuron"] // per_head).map(str))
        yield _Column("of head", (best["neuron"] % per_head).map(str))
    for scorer in scorers:
        mine = scorer == rank_by
        level = f"±{number(null['null_max_q95'])}" if null and mine else ""
        yield _Column(scorer, best[scorer].map(number), level, _numbers(text, scorer))
        for name in ("p_fwer", "q_fdr")[: 1 if brief else 2] if mine else ():
            if name in known:
                yield _Column(name, best[name].map(probability))
        if replicated:
            there = f"{scorer}_heldout"
            yield _Column("held out", best[there].map(number), text=_numbers(text, there))
        if replicated and mine and not brief:
            reaches = [[_interval(one, rank_by) for one in table.to_dict("records")] for table in (best, text)]
            yield _Column(_interval_title(run), reaches[0], text=reaches[1])
        if mine and "verdict" in known:
            yield _Column("verdict", [_judged(line) for line in best.to_dict("records")], justify="left")
        elif mine and replicated:
            yield _Column("replicates", [_REPLICATES.get(one, "") for one in best["replicates"]], justify="left")
        if mine and "stability" in known and not brief:
            yield _Column("stability", best["stability"].map(number))
        if mine and "beats_baselines" in known and not brief:
            yield _Column("beats text", [_REPLICATES.get(one, "–") for one in best["beats_baselines"]], justify="left")


def _numbers(table: pd.DataFrame, name: str) -> list[str]:
    return [number(value) for value in table[name]] if name in table else [""] * len(table)


def _judged(line: Mapping[Any, Any]) -> str:
    """Return a verdict, and what takes from it."""
    if not isinstance(line["verdict"], str):
        return "–"
    return f"{line['verdict']} ({doubt})" if (doubt := _doubt(line)) else line["verdict"]


def _doubt(line: Mapping[Any, Any]) -> str:
    verdict, look = line["verdict"], "_prediction" if line["verdict"] == "anticipates" else ""
    if verdict != "not replicated" and line.get("p_fwer", math.nan) > _LEVEL:
        return "may be chance"
    beats = line.get(f"beats_baselines{look}", line.get("beats_baselines"))
    return "the text tells it" if verdict in ("anticipates", "behaviour") and beats is False else ""


_LEVEL = 0.05
_DOUBTS = {
    "may be chance": f"its p_fwer is above {_LEVEL}: the best of all neurons often comes as far by chance",
    "the text tells it": "held out, one of the text's own lines tells the behaviour as well, there where the verdict "
    "was found",
}


def _interval_title(run: Mapping[str, Any]) -> str:
    return f"{100 * run.get('config', {}).get('confidence', 0.95):g} % interval"


_REPLICATES = {True: "yes", False: "no"}


def _interval(line: dict[Any, Any], rank_by: str) -> str:
    distance = f"{rank_by}_minus_neutral_heldout"
    low, high = line[f"{distance}_low"], line[f"{distance}_high"]
    neutral = line[f"{rank_by}_heldout"] - line[distance]
    return "" if math.isnan(low) else f"{number(neutral + low)} to {number(neutral + high)}"


def _read(counts: dict[str, int], documents: int) -> str:
    """Say what a behaviour's ranking went by."""
    held_out = (
        f", scored again on {counts['heldout_present']:,} and {counts['heldout_control']:,} of held-out groups"
        if counts["heldout_present"]
        else ""
    )
    return (
        f"{plural(counts['spans'], 'span')} in {counts['documents_with']:,} of {plural(documents, 'document')}; ranked "
        f"on {counts['ranking_present']:,} present and {counts['ranking_control']:,} control positions{held_out}"
    )


def _verdict_lines(result: Result, behaviour: str, k: int) -> Iterator[str]:
    """Yield what each verdict in the table says."""
    from neurosieve.runs.columns import VERDICTS

    best = result.top(k, behaviour)
    for verdict in best["verdict"].dropna().unique() if "verdict" in best else ():
        yield f"{verdict}: {VERDICTS[verdict]}"
    doubts = {_doubt(line) for line in best.to_dict("records")} if "verdict" in best else ()
    yield from (f"{doubt}: {words}" for doubt, words in _DOUBTS.items() if doubt in doubts)
