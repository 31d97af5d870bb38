"""What people see of the effect of an edit in a terminal: each measure beside its controls, and the verdict."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from neurosieve.runs.results import Run
from neurosieve.terminal.find import console, show_where
from neurosieve.wording import visible

__all__ = ["show_effects"]


def show_effects(run: Run, out: Console | None = None) -> None:
    """Print the warnings of a run of `ablate`, its effects dose by dose, the verdicts, and the proof."""
    out, told = out or console(), run.run
    effects = run.table("effects")
    for warning in told["warnings"]:
        out.print(f"[bold yellow]warning:[/] {escape(visible(warning))}")
    unedited = effects[effects.set == "unedited"].set_index("measure")
    for k, strength in dict.fromkeys((one["k"], one["strength"]) for one in told["verdicts"]):
        mine = effects[(effects.k == k) & (effects.strength == strength)]
        out.print(_table(mine, unedited, run, k, strength))
        for one in told["verdicts"]:
            if (one["k"], one["strength"]) == (k, strength):
                out.print(escape(visible(f"{one['sentence']}.")))
    proof = told["proof"]
    out.print(
        f"proof: {proof['values']:,} activations edited in {proof['calls']:,} calls, and read back inside the model: "
        f"the largest deviation is {proof['largest_deviation']:g}"
    )
    show_where(run, out)


def _table(effects: pd.DataFrame, unedited: pd.DataFrame, run: Run, k: int, strength: float) -> Table:
    told = run.run
    behaviour = told["behaviours"][0]
    name = str(told["intervention"]["_target_"]).rpartition("/")[2]
    half = f" at strength {strength:g}" if strength != 1 else ""
    title = f"{visible(behaviour)}: {name} of {k:,} {run.site.neurons}{half}"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("measure")
    if len(unedited):
        table.add_column("unedited", justify="right")
        table.add_column("edited", justify="right")
    for column in ("change", "95 % interval", "controls", "beyond them", "95 % interval", "p", "n", "groups"):
        table.add_column(column, justify="right")
    for measure, mine in effects.groupby("measure", sort=False):
        [target] = mine[mine.set == "target"].to_dict("records")
        controls = mine[mine.set == "control"].change
        levels = (_number(unedited.value[measure]), _number(target["value"])) if len(unedited) else ()
        table.add_row(
            escape(told["measures"][measure]),
            *levels,
            _signed(target["change"]),
            _interval(target, "change"),
            _signed(controls.mean())
            + (f" ({_signed(controls.min())} to {_signed(controls.max())})" if len(controls) > 1 else ""),
            _signed(target["difference"]),
            _interval(target, "difference"),
            "" if math.isnan(target["p_controls"]) else f"{target['p_controls']:.2g}",
            f"{target['n']:,}",
            f"{target['groups']:,}",
        )
    return table


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.3g}"


def _interval(line: Mapping[Any, Any], name: str) -> str:
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    return "" if math.isnan(low) else f"{_signed(low)} to {_signed(high)}"
