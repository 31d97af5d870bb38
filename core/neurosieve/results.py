"""The run folder: what a run leaves, and how it is read again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.cache import replaced
from neurosieve.errors import ConfigError, DataError, StoreError, nearest

__all__ = ["Result", "finished_runs", "load", "write_run"]

_FILES = {"neurons": "neurons.parquet", "positions": "positions.parquet", "run": "run.json"}
_KEYS = ["behaviour", "layer", "neuron", "rank"]


@dataclass(frozen=True)
class Result:
    """A finished run of `find`, read from its folder when asked."""

    folder: Path

    @cached_property
    def neurons(self) -> pd.DataFrame:
        """A line per behaviour and neuron, by behaviour and rank, with every score."""
        return pd.read_parquet(self.folder / _FILES["neurons"])

    @cached_property
    def positions(self) -> pd.DataFrame:
        """A line per behaviour and position that was read."""
        return pd.read_parquet(self.folder / _FILES["positions"])

    @cached_property
    def run(self) -> dict[str, Any]:
        """What was asked, what was read, with what, how long it took, and what to beware of."""
        read: dict[str, Any] = json.loads((self.folder / _FILES["run"]).read_text())
        return read

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
        for asked, there, what in ((behaviour, self.behaviours, "behaviour"), (scorer, self.scorers, "scorer")):
            if asked is not None and asked not in there:
                raise ConfigError(f"this run has no {what} `{asked}`: {nearest(asked, there)}")
        if k < 1:
            raise ConfigError(f"k is {k}: give the number of neurons, at least 1")
        table = self.neurons if behaviour is None else self.neurons[self.neurons.behaviour == behaviour]
        if scorer is not None and scorer != self.run["rank_by"]:
            neutral = table.behaviour.map(self.run["neutral"][scorer]).astype(float)
            far = (table[scorer] - neutral).abs().sort_values(ascending=False, kind="stable")
            table = table.loc[far.index]
        table = pd.concat([table[table.behaviour == one].head(k) for one in self.behaviours])
        first = [*_KEYS, *([scorer] if scorer else [])]
        return table[[*first, *(name for name in table if name not in first)]].reset_index(drop=True)

    def _repr_html_(self) -> str:
        return self.top(10).to_html()


def load(folder: str | Path) -> Result:
    """Return the run that a folder holds.

    Raises:
        DataError: the folder holds no finished run.
    """
    folder = Path(folder)
    missing = [name for name in _FILES.values() if not (folder / name).is_file()]
    if missing:
        raise DataError(f"`{folder}` holds no finished run of `neurosieve find`: it lacks {', '.join(missing)}")
    return Result(folder)


def write_run(folder: Path, neurons: pd.DataFrame, positions: pd.DataFrame, run: Mapping[str, Any]) -> Result:
    """Write a run folder, each file whole or not at all; `run.json`, the last, says that the run is finished.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replaced(folder / _FILES["neurons"], lambda path: neurons.to_parquet(path, index=False))
        replaced(folder / _FILES["positions"], lambda path: positions.to_parquet(path, index=False))
        replaced(
            folder / _FILES["run"], lambda path: path.write_text(json.dumps(run, indent=1, allow_nan=False) + "\n")
        )
    except OSError as error:
        raise StoreError(
            f"cannot write the run folder `{folder}` ({error.strerror or error}): make room, or choose another place"
        ) from error
    return Result(folder)


def finished_runs(folder: str | Path) -> Sequence[Result]:
    """Return every finished run in a folder or below it, by path."""
    return [Result(path.parent) for path in sorted(Path(folder).rglob(_FILES["run"]), key=_natural)]


def _natural(path: Path) -> list[tuple[int, str]]:
    # Hydra numbers the jobs of a sweep 0, 1, ..., 10: in that order, not 0, 1, 10, 2.
    return [(int(part), "") if part.isdigit() else (-1, part) for part in path.parts]
