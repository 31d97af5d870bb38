"""The run folder: what a run leaves, and how it is read again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.contracts import Report
from neurosieve.disk import atomic_write
from neurosieve.errors import ConfigError, DataError, PluginError, StoreError, nearest
from neurosieve.registry import failures_of
from neurosieve.runs.folder import RECORD, RunFolder
from neurosieve.runs.notebook import run_html
from neurosieve.runs.record import FORMAT

__all__ = ["Result", "Run", "draw", "find_runs", "finished_runs", "load", "warned", "write_run"]


@dataclass(frozen=True)
class Run(RunFolder):
    """A finished run of any command, read from its folder when asked.

    A run may hold others, which went on from it: `show` and `ablate` leave theirs in the folder of their ranking.
    """

    def parts(self, command: str | None = None) -> list["Run"]:
        """Return the finished runs below this one, of one command or of any, by path."""
        below = [run for run in finished_runs(self.folder) if run.folder != self.folder]
        return [run for run in below if command in (None, run.command)]

    def _repr_html_(self) -> str:
        return run_html(self, [part.folder for part in self.parts()])


@dataclass(frozen=True)
class Result(Run):
    """A finished run of `find`."""

    @cached_property
    def positions(self) -> pd.DataFrame:
        """A line per behaviour and position that was read."""
        return self.table("positions")

    @property
    def behaviours(self) -> list[str]:
        """The behaviours that were looked for."""
        return list(self.run["behaviours"])

    @property
    def scorers(self) -> list[str]:
        """The scorers that rated the neurons."""
        return list(self.run["scorers"])

    def top(self, k: int = 10, behaviour: str | None = None, scorer: str | None = None) -> pd.DataFrame:
        """Return the best `k` neurons of a behaviour (of each one, by default), by one scorer (that of the ranking).

        Raises:
            ConfigError: the run has no such behaviour or scorer.
        """
        for name, names, what in ((behaviour, self.behaviours, "behaviour"), (scorer, self.scorers, "scorer")):
            if name is not None and name not in names:
                raise ConfigError(f"this run has no {what} `{name}`: {nearest(name, names)}")
        if k < 1:
            raise ConfigError(f"k is {k}: give the number of neurons, at least 1")
        table = self.neurons if behaviour is None else self.neurons[self.neurons.behaviour == behaviour]
        if scorer is not None and scorer != self.run["rank_by"]:
            neutral = table.behaviour.map(self.run["neutral"][scorer]).astype(float)
            far = (table[scorer] - neutral).abs().sort_values(ascending=False, kind="stable")
            table = table.loc[far.index]
        table = pd.concat([table[table.behaviour == name].head(k) for name in self.behaviours])
        first = ["behaviour", "layer", "neuron", "rank", *([scorer] if scorer else [])]
        return table[[*first, *(name for name in table if name not in first)]].reset_index(drop=True)


def load(folder: str | Path) -> Run:
    """Return the run that a folder holds: a `Result` where `find` left it.

    Raises:
        DataError: the folder holds no finished run, or one of an earlier version.
    """
    folder = Path(folder)
    if not (folder / RECORD).is_file():
        what = "is not a folder" if not folder.is_dir() else f"holds no finished run: it lacks `{RECORD}`"
        raise DataError(f"`{folder}` {what}; give the folder that a neurosieve command named at its end")
    run = Run(folder)
    if run.command != "find":
        return run
    missing = [f"{name}.parquet" for name in ("neurons", "positions") if name not in run.tables]
    if missing:
        raise DataError(f"`{folder}` holds no finished run of `neurosieve find`: it lacks {', '.join(missing)}")
    return Result(folder)


def write_run(folder: Path, run: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Run:
    """Write a run folder, each file whole or not at all; `run.json`, the last, says that the run is finished.

    Args:
        run: what goes into `run.json`, besides its `format`; `command` says which command left it.
        tables: what goes into a Parquet file each, by name.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            atomic_write(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
        text = json.dumps({"format": FORMAT, **run}, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        atomic_write(folder / RECORD, lambda path: path.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise StoreError(
            f"cannot write the run folder `{folder}` ({error.strerror or error}): make room, or choose another place"
        ) from error
    return load(folder)


def warned(run: Run, warning: str) -> Run:
    """Write one more warning into the record of a finished run, before the others, and return the run, read again."""
    return write_run(run.folder, {**run.run, "warnings": [warning, *run.run["warnings"]]}, {})


def finished_runs(folder: str | Path) -> Sequence[Run]:
    """Return every finished run in a folder or below it, by path."""
    return [load(path.parent) for path in sorted(Path(folder).rglob(RECORD), key=_natural)]


def find_runs(folder: str | Path) -> Sequence[Result]:
    """Return every finished run of `find` in a folder or below it, by path."""
    return [run for run in finished_runs(folder) if isinstance(run, Result)]


def _natural(path: Path) -> list[tuple[int, str]]:
    # Hydra numbers the jobs of a sweep 0, 1, ..., 10: in that order, not 0, 1, 10, 2.
    return [(int(part), "") if part.isdigit() else (-1, part) for part in path.parts]


def draw(folder: Path, reports: Mapping[str, Report]) -> list[Path]:
    """Draw the finished run in `folder`, and the one that it is part of, whose reports show it too.

    Returns:
        The files that were written, those of this run first.

    Raises:
        PluginError: a report wrote outside the run's folder.
    """
    parents = [above for above in folder.absolute().parents if (above / "run.json").is_file()]
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
