"""Finished runs, read from their folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from neurosieve.errors import ConfigError, DataError, nearest
from neurosieve.runs.notebook import run_html
from neurosieve.runs.reader import BESIDE, RECORD, RunFolder
from neurosieve.runs.real_effects import real_effects, with_real_effects

__all__ = ["BESIDE", "Result", "Run", "find_runs", "finished_runs", "load"]


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

    @property
    def beside(self) -> "Result | None":
        """The ranking of the same behaviours by another reading, where one was asked for."""
        folder = self.folder / BESIDE
        return Result(folder) if (folder / RECORD).is_file() else None

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

    def with_real_effects(self) -> pd.DataFrame:
        """Return `neurons` with what the edits of single neurons really did, read from the runs below this one.

        A neuron that `ablate mode=each` edited, here or in the ranking beside, has `real_effect`, the change of the
        log-probability of the behaviour's first token in nats, with `real_effect_low` and `_high` (95 %, corrected for
        the `real_tried` neurons of that run), `real_effect_control_tokens`, `real_verdict` (`drives`, `opposes`,
        `general`, `reads out only`, `not settled`), `real_run` and more; they are nan for all others. Of several edits
        of a neuron the latest whole one of the kind that was foretold counts (`mean`, unless a reading with another
        `edit` foretold the effects), or the latest where there is none.
        """
        return with_real_effects(self.neurons, real_effects(self))

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


def finished_runs(folder: str | Path) -> Sequence[Run]:
    """Return every finished run in a folder or below it, by path."""
    return [load(path.parent) for path in sorted(Path(folder).rglob(RECORD), key=lambda path: _natural(path.parent))]


def find_runs(folder: str | Path) -> Sequence[Result]:
    """Return every finished run of `find` in a folder or below it, by path."""
    return [run for run in finished_runs(folder) if isinstance(run, Result)]


def _natural(path: Path) -> list[tuple[int, str]]:
    # Hydra numbers the jobs of a sweep 0, 1, ..., 10: in that order, not 0, 1, 10, 2.
    return [(int(part), "") if part.isdigit() else (-1, part) for part in path.parts]
