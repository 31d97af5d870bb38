"""`compare`: what several runs found, and what they agree on."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from neurosieve.config.configuration import build_all
from neurosieve.errors import ConfigError, DataError
from neurosieve.evidence.comparison import named, pairs, summaries
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Result, Run, find_runs, load

__all__ = ["compare", "compare_runs", "main", "show"]

_RUNS_IN_FULL = 8
"""Of so many runs each pair has its line in the terminal; of more there is a matrix."""

_HELP = """\
Put the finished runs in some folders side by side. Of each run and behaviour: what it read, its best neuron beside
the best that chance would give, how many neurons pass p_fwer 0.05, how many of the tested replicate, and the verdicts.
Of each pair of runs: which share of the best k neurons they have in common, how well the ranks of all neurons agree
(Spearman's correlation), and which share of the best k of one replicates in the other, with the same sign and a p of
at most 0.05 there; chance gives 0.025. Runs that rank on the same groups agree on their noise too: groups in common
are counted.

  neurosieve find -m scorers=[auc],[cohens_d] seed=0,1
  neurosieve compare multirun/find/2026-11-22/18-00-00 --output comparison
"""


def compare(*folders: str | Path, k: int = 100) -> pd.DataFrame:
    """Return a line per behaviour and pair of runs: `behaviour, run, other`, and what the two agree on.

    Args:
        *folders: run folders, or folders that hold some, such as that of a multirun.
        k: of how many best neurons the overlap and the replication are taken.

    Returns:
        The table. `overlap` is the share of the best k that both runs have; `rank_correlation` is Spearman's over the
        neurons that both rank, nan where fewer than two are; `replicated` is the share of the best k of `run` that
        have the same sign and a p of at most 0.05 in `other`, of which chance gives 0.025, and `replicated_back` that
        of `other` in `run`. All are nan where the neurons of the two do not correspond. `groups_in_common` are those
        that both ranked on, of the `groups` of the smaller.

    Raises:
        DataError: there are fewer than two finished runs, or no two share a behaviour.
        ConfigError: `k` is below 1.
    """
    return _pairs(_runs(folders, k), k)


def compare_runs(*folders: str | Path, folder: Path, k: int = 100, reports: Sequence[str] = ("html", "figures")) -> Run:
    """Compare finished runs, and leave the comparison in `folder`, drawn.

    Raises:
        DataError: there are fewer than two finished runs, or no two share a behaviour.
        ConfigError: `k` is below 1, or `folder` holds another run.
    """
    if (folder / "run.json").exists() and load(folder).command != "compare":
        raise ConfigError(f"`{folder}` holds a finished run, which is not written over: give another folder")
    runs = _runs(folders, k)
    tables = {"comparison": _pairs(runs, k), "runs": summaries(runs)}
    drawn_by = build_all({name: {"_target_": f"report/{name}"} for name in reports}, "report")
    (folder / "run.json").unlink(missing_ok=True)  # An earlier comparison gives way.
    with recording("compare", folder, drawn_by) as comparison:
        comparison.tables = tables
        comparison.record = {
            "k": k,
            "behaviours": list(dict.fromkeys(behaviour for run in runs.values() for behaviour in run.behaviours)),
            "counts": {"runs": len(runs)},
            "config": {"folders": [str(run.folder) for run in runs.values()], "k": k},
        }
    return comparison.run


def _runs(folders: Sequence[str | Path], k: int) -> Mapping[str, Result]:
    if k < 1:
        raise ConfigError(f"k is {k}: give at least 1")
    for folder in folders:
        if not Path(folder).is_dir():
            raise DataError(f"there is no folder `{folder}`: give a multirun folder, or several run folders")
    # One that was given twice, also by a folder above it, is one run.
    found = {run.folder.resolve(): run for folder in folders for run in find_runs(folder)}
    runs = list(found.values())
    if len(runs) < 2:
        raise DataError(
            f"there {'is one finished run' if runs else 'is no finished run'} in {', '.join(map(str, folders))}: "
            "give a multirun folder, or several run folders"
        )
    return named(runs)


def _pairs(runs: Mapping[str, Result], k: int) -> pd.DataFrame:
    found = pairs(runs, k)
    if found.empty:
        raise DataError("no two of these runs looked for a behaviour of the same name: there is nothing to compare")
    return found


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `compare`."""
    parser = argparse.ArgumentParser(
        "neurosieve compare", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders that hold some")
    parser.add_argument("-k", type=int, default=100, help="of how many best neurons (default: 100)")
    parser.add_argument("--output", type=Path, help="a folder to leave the tables in, with a page and figures")
    asked = parser.parse_args(arguments)
    show(asked.folders, asked.k, asked.output)


def show(folders: Sequence[Path], k: int = 100, output: Path | None = None) -> None:
    """Print a comparison, and leave it in a folder, drawn, if one is named."""
    from neurosieve.terminal.find import console, show_where
    from neurosieve.wording import visible

    out, runs = console(), _runs(folders, k)
    table = _pairs(runs, k)
    numbers = {name: str(number) for number, name in enumerate(runs, 1)}
    for name, number in numbers.items():
        out.print(f"{number:>3}  {visible(name)}", markup=False, highlight=False, soft_wrap=True)
    out.print(_table("what each run found", _telling(summaries(runs).replace({"run": numbers}))))
    for behaviour, lines in table.groupby("behaviour", sort=False):
        title = f"{behaviour}: runs side by side, by their best {k:,}"
        lines = lines.drop(columns="behaviour").replace({"run": numbers, "other": numbers})
        if len(runs) <= _RUNS_IN_FULL:
            out.print(_table(title, lines))
        else:
            out.print(_table(f"{title}: the share in common", _matrix(lines, list(numbers.values()))))
            out.print("  what else is known of each pair: `--output <folder>`, and `neurosieve.compare(...)`")
    if output is not None:
        show_where(compare_runs(*folders, folder=output, k=k), out)


def _telling(lines: pd.DataFrame) -> pd.DataFrame:
    """Return summaries without the columns that tell no two runs apart in words, or count nothing anywhere."""
    same = [column for column in ("behaviour", "model", "rank_by") if lines[column].nunique() == 1]
    nothing = [column for column in lines if str(column).startswith("verdict: ") and not lines[column].any()]
    return lines.drop(columns=[*same, *nothing]).rename(columns=lambda column: str(column).removeprefix("verdict: "))


def _matrix(lines: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """Return the overlap of each pair of runs, the one below and the other beside."""
    overlap = lines.pivot(index="other", columns="run", values="overlap")
    square = overlap.reindex(index=numbers[1:], columns=numbers[:-1])
    shown = square.map(lambda share: "" if share != share else f"{share:.2f}")
    return shown.rename_axis("run").reset_index()


def _table(title: str, lines: pd.DataFrame) -> object:
    from rich.markup import escape
    from rich.table import Table

    from neurosieve.wording import visible

    shown = Table(title=escape(visible(title)), title_justify="left")
    for column in lines:
        shown.add_column(str(column).replace("_", " "), justify="right" if is_numeric_dtype(lines[column]) else "left")
    for line in lines.itertuples(index=False):
        shown.add_row(*(escape(visible(_cell(value))) for value in line))
    return shown


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.3f}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
