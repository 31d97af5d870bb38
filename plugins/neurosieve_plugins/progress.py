"""Progress bars on standard error, for people: a pipe or a file gets none."""

from multiprocessing import current_process
from pathlib import Path

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

__all__ = ["run_ended", "stage_progressed"]

_bars: dict[str, Progress] = {}


class _Speed(ProgressColumn):
    """How many units are done in a second, as in `412 tokens/s`."""

    def render(self, task: Task) -> Text:
        """Return the speed of the last half minute."""
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{speed:,.{0 if speed >= 10 else 1}f} {task.fields['unit']}/s")


@hookimpl
def stage_progressed(stage: str, done: int, total: int | None, unit: str) -> None:
    """Draw how far the stage has come."""
    console = Console(stderr=True)
    # The jobs of a parallel sweep share a terminal: each would draw over the bars of the others.
    if not console.is_terminal or current_process().name != "MainProcess":
        return
    if stage not in _bars:
        for other in list(_bars):
            _bars.pop(other).stop()
        columns = (
            SpinnerColumn(),
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
