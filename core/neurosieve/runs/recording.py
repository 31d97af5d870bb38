"""The frame that every command shares: it begins a run, times its stages, and writes and draws what comes of it."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.contracts import Report
from neurosieve.errors import ConfigError, InterruptedRun, PluginError, StoreError
from neurosieve.registry import failures_of, installed
from neurosieve.runs.reader import RECORD
from neurosieve.runs.record_fields import versions
from neurosieve.runs.results import Run, load
from neurosieve.runs.writer import write_run
from neurosieve.texts.intake import intake_notes, intake_record, intake_warnings

__all__ = ["Recording", "draw", "recording"]


class Recording:
    """A run in the making: what it will say of itself, and its tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record: dict[str, Any] = {}
        """What goes into `run.json`, besides the command, warnings, counts, timings and versions."""
        self.tables: dict[str, pd.DataFrame] = {}
        self.warnings: list[str] = []
        """What may be wrong."""
        self.notes: list[str] = []
        """What is to be known, and is right."""
        self.counts: Counter[str] = Counter()
        """What was seen and what was left out; a mapping in `record["counts"]` is added to it."""
        self.announce = installed().announce
        self.seconds: dict[str, float] = {}
        """How long each stage took."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the stage `name`."""
        began = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 3)

    @property
    def run(self) -> Run:
        """The finished run."""
        return load(self.folder)


@contextmanager
def recording(command: str, folder: Path, reports: Mapping[str, Report]) -> Iterator[Recording]:
    """Give a run to fill in; it is written when the block ends, and drawn. After an error nothing is written.

    The reports draw the finished run, and the runs that it is part of.

    Raises:
        ConfigError: the folder holds a finished run already.
        StoreError: the folder cannot be written.
    """
    if (folder / RECORD).exists():
        raise ConfigError(
            f"`{folder}` holds a finished run already, and a run is never overwritten: give another folder"
        )
    run = Recording(folder)
    run.announce("run_started", command=command, folder=folder)
    yield run
    run.warnings += [warning for warning in installed().warnings if warning not in run.warnings]
    record = {
        "command": command,
        **run.record,
        "warnings": intake_warnings(run.counts) + run.warnings,
        "notes": intake_notes(run.counts) + run.notes,
        "counts": {**intake_record(run.counts), **run.record.get("counts", {})},
        "timings_seconds": run.seconds,
        "versions": versions(),
    }
    write_run(folder, record, run.tables)
    try:
        draw(folder, reports)
    except KeyboardInterrupt as interrupt:
        raise InterruptedRun(
            f"interrupted; the run is finished, and is in `{folder}`, but its reports may not be drawn"
        ) from interrupt
    run.announce("run_ended", command=command, folder=folder)


def draw(folder: Path, reports: Mapping[str, Report]) -> list[Path]:
    """Draw the finished run in `folder`, and the one that it is part of, whose reports show it too.

    Returns:
        The files that were written, those of this run first.

    Raises:
        PluginError: a report wrote outside the run's folder.
    """
    parents = [above for above in folder.absolute().parents if (above / RECORD).is_file()]
    written = []
    for run in (folder, *parents):
        for name, report in reports.items():
            with failures_of(report, StoreError):
                files = list(report.write(run))
            outside = [file for file in files if not file.absolute().is_relative_to(run.absolute())]
            if outside:
                raise PluginError(f"the report `{name}` wrote `{outside[0]}`, outside `{run}`: mend it")
            written += files
    return written
