"""A finished run on a console, whichever command left it."""

from rich.console import Console

from neurosieve.runs.blocks import Note
from neurosieve.runs.results import Run
from neurosieve.runs.summary import run_blocks
from neurosieve.terminal.neurons_on_text import show_neurons
from neurosieve.terminal.printing import console, show_blocks, show_warnings

__all__ = ["show_run"]


def show_run(run: Run, out: Console | None = None) -> None:
    """Print a finished run: warnings, notes, what came out, the runs that went on from a ranking, and where it is."""
    out = out or console()
    show_warnings(run.run.get("warnings", []), out)
    show_blocks([Note(f"note: {note}") for note in run.run.get("notes", [])], out)
    if run.command == "show":  # Tokens under bars, in place of tables.
        show_neurons(run, out)
    else:
        show_blocks(run_blocks(run), out)
    if run.command == "find":
        # In the order in which they ended; what went on from one of them is told with that one.
        rankings = [part.folder for part in run.parts("find")]
        below = [part for part in run.parts() if not any(folder in part.folder.parents for folder in rankings)]
        for part in sorted(below, key=lambda part: part.ended):
            show_run(part, out)
    show_blocks([Note("run folder:", str(run.folder))], out)
    if (page := run.folder / "report.html").is_file():
        show_blocks([Note("report:    ", str(page))], out)
