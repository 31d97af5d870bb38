"""Reads a run folder: its record and its tables."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import pandas as pd

from neurosieve.errors import DataError, nearest
from neurosieve.models.sites import KINDS, Kind
from neurosieve.runs.cells import Cells, cells_of
from neurosieve.runs.record_fields import FORMAT, Record
from neurosieve.texts.positions import WHOLE_TEXTS, UnitKind
from neurosieve.texts.units.unit import unit_names

__all__ = ["BESIDE", "RECORD", "RunFolder"]

RECORD = "run.json"
"""The file that is written last: a folder without it holds no finished run."""
BESIDE = "beside"
"""The folder, in that of a ranking, of the ranking by another reading."""


@dataclass(frozen=True)
class RunFolder:
    """The record and the tables of a finished run, read from its folder when asked."""

    folder: Path

    @cached_property
    def run(self) -> Record:
        """What was requested, what was read, with what, how long it took, and what to beware of.

        Raises:
            DataError: the folder holds no finished run, or one of an earlier version.
        """
        try:
            record = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            lacking = isinstance(error, FileNotFoundError | NotADirectoryError)
            why = f"it lacks `{RECORD}`" if lacking else f"its `{RECORD}` cannot be read ({error})"
            raise DataError(
                f"`{self.folder}` holds no finished run: {why}; give the folder that a run named at its end"
            ) from error
        form = record.get("format") if isinstance(record, dict) else None
        if form != FORMAT:
            which = f"says `format` {form}" if form is not None else "has no `format`"
            version = "a later" if isinstance(form, int) and form > FORMAT else "an earlier"
            raise DataError(
                f"`{self.folder}` was written by {version} version of neurosieve (its {RECORD} {which}, this version "
                f"reads format {FORMAT}): run the command again"
            )
        return cast(Record, record)

    @property
    def ended(self) -> tuple[int, str]:
        """Puts runs in the order in which they ended: by when `run.json` was written, which holds no time itself.

        Runs that were copied without their times, all at once, stand in the order of their paths.
        """
        return (self.folder / RECORD).stat().st_mtime_ns, str(self.folder)

    @property
    def command(self) -> str:
        """The command that left the run."""
        return self.run["command"]

    @property
    def site(self) -> Kind:
        """The kind of site that was read; MLP neurons, where the run says nothing."""
        return KINDS[self.run.get("model", {}).get("site", "mlp_post")]

    @property
    def cells(self) -> Cells:
        """What was read of each neuron at each position, in words."""
        return cells_of(self.run)

    @property
    def unit(self) -> UnitKind:
        """What each row of a ranking stands for; a token, where the run says nothing."""
        return cast(UnitKind, (self.run.get("config", {}).get("selection") or {}).get("unit", "token"))

    @property
    def whole_texts(self) -> bool:
        """Whether each row stands for a whole text."""
        return self.unit in WHOLE_TEXTS

    @property
    def units(self) -> str:
        """What the rows are called: positions, or the units that they stand for, such as completions."""
        return unit_names(self.unit)[1]

    @property
    def tables(self) -> list[str]:
        """The names of the run's tables."""
        return sorted(path.stem for path in self.folder.glob("*.parquet"))

    @cached_property
    def neurons(self) -> pd.DataFrame:
        """A row per behaviour and neuron, by behaviour and rank, with every score: of a ranking, read once."""
        return self.table("neurons")

    def table(self, name: str) -> pd.DataFrame:
        """Return a table of the run by name.

        Raises:
            DataError: the run has no such table.
        """
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            raise DataError(f"the run `{self.folder}` has no table `{name}`: {nearest(name, self.tables)}")
        return pd.read_parquet(path)
