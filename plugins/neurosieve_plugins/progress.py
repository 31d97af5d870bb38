"""Progress on standard error: a bar in a terminal, and one line a minute where standard error is a pipe or a file."""

import sys
from dataclasses import dataclass
from multiprocessing import current_process
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from neurosieve import hookimpl

__all__ = ["run_ended", "run_started", "stage_progressed"]

_bars: dict[str, Progress] = {}


@dataclass
class _Lines:
    """A line at most once in `seconds`. A run that is shorter prints none."""

    seconds: float = 60.0
    last: float | None = None
    """When the last line was printed, or when the run started."""

    def print(self, stage: str, done: int, total: int | None, unit: str) -> None:
        """Print how far the stage has come, if the last line is old enough."""
        now = monotonic()
        if self.last is None:
            self.last = now
        if now - self.last >= self.seconds:
            self.last = now
            print(f"{stage}: {done:,}{'' if total is None else f' of {total:,}'} {unit}", file=sys.stderr, flush=True)


_lines = _Lines()


class _Speed(ProgressColumn):
    """How many units are done in a second, as in `412 tokens/s`."""

    def render(self, task: Task) -> Text:
        """Return the speed of the last half minute."""
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{speed:,.{0 if speed >= 10 else 1}f} {task.fields['unit']}/s")


@hookimpl
def run_started(command: str, folder: Path) -> None:
    """Start the minute of the first line."""
    _lines.last = monotonic()


@hookimpl
def stage_progressed(stage: str, done: int, total: int | None, unit: str) -> None:
    """Draw how far the stage has come, or say it once a minute where there is no terminal."""
    # The jobs of a parallel sweep share a terminal: each would draw over the bars of the others.
    if current_process().name != "MainProcess":
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        _lines.print(stage, done, total, unit)
        return
    if stage not in _bars:
        for other in list(_bars):
            _bars.pop(other).stop()
        columns = (
            SpinnerColumn("line" if console.options.ascii_only else "dots"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Speed(),
            TimeRemainingColumn(),
        )
        _bars[stage] = Progress(*columns, console=console, transient=True)
        _bars[stage].add_task(f"{stage} ({unit})", total=total, unit=unit)
        _bars[stage].start()
    _bars[stage].update(_bars[stage].task_ids[0], completed=done, total=total)
    if done == total:
        _bars.pop(stage).stop()


@hookimpl
def run_ended(command: str, folder: Path) -> None:
    """Clear what is left of the bars."""
    for stage in list(_bars):
        _bars.pop(stage).stop()
