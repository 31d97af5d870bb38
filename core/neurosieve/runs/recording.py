"""The frame that every command shares: it begins a run, times its stages, and writes and draws what comes of it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.contracts import Report
from neurosieve.errors import ConfigError
from neurosieve.registry import installed
from neurosieve.runs.record import Stopwatch, versions
from neurosieve.runs.results import Run, draw, load, write_run

__all__ = ["Recording", "recording"]


class Recording:
    """A run in the making: what it will say of itself, and its tables."""

    def __init__(self, command: str, folder: Path) -> None:
        self.command, self.folder = command, folder
        self.record: dict[str, Any] = {}
        """What goes into `run.json`, besides the command, warnings, counts, timings and versions."""
        self.tables: dict[str, pd.DataFrame] = {}
        self.warnings: list[str] = []
        self.counts: Counter[str] = Counter()
        """What was seen and what was left out; a mapping in `record["counts"]` is added to it."""
        self.announce = installed().announce
        self._watch = Stopwatch()
        self.stage = self._watch.stage

    def write(self) -> None:
        """Write the run folder: `run.json` last, so that a folder without it holds no finished run."""
        record = {
            "command": self.command,
            **self.record,
            "warnings": self.warnings,
            "counts": {**dict(sorted(self.counts.items())), **self.record.get("counts", {})},
            "timings_seconds": self._watch.seconds,
            "versions": versions(),
        }
        write_run(self.folder, record, self.tables)

    @property
    def run(self) -> Run:
        """The finished run."""
        return load(self.folder)


@contextmanager
def recording(command: str, folder: Path, reports: Mapping[str, Report]) -> Iterator[Recording]:
    """Give a run to fill in; it is written, and drawn, when the block ends. After an error nothing is written.

    Args:
        command: which command makes the run.
        folder: where to.
        reports: draw the finished run, and the runs that it is part of.

    Raises:
        ConfigError: the folder holds a finished run already.
        StoreError: the folder cannot be written.
    """
    if (folder / "run.json").exists():
        raise ConfigError(
            f"`{folder}` holds a finished run already, and a run is never overwritten: give another folder"
        )
    run = Recording(command, folder)
    run.announce("run_started", command=command, folder=folder)
    yield run
    run.write()
    draw(folder, reports)
    run.announce("run_ended", command=command, folder=folder)
