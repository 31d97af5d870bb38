"""`compare`: what several runs agree on."""

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd
import yaml

from neurosieve.cache import replaced
from neurosieve.errors import ConfigError, DataError
from neurosieve.results import Result, find_runs

__all__ = ["compare", "main"]

_HELP = """\
Put the finished runs in some folders side by side: for each behaviour and each pair of runs, which share of the
best k neurons they have in common, and how well the ranks of all neurons agree (Spearman's correlation).

  neurosieve find -m scorers=[auc],[cohens_d] seed=0,1
  neurosieve compare multirun/find/2026-11-22/18-00-00
"""


def compare(*folders: str | Path, k: int = 100) -> pd.DataFrame:
    """Return a line per behaviour and pair of runs: `behaviour, run, other, overlap, rank_correlation`.

    Args:
        *folders: run folders, or folders that hold some, such as that of a multirun.
        k: of how many best neurons the overlap is taken.

    Returns:
        The table; `overlap` is the share of the best k that both runs have, `rank_correlation` is Spearman's over the
        neurons that both rank, nan where fewer than two are.

    Raises:
        DataError: there are fewer than two finished runs, or no two share a behaviour.
        ConfigError: `k` is below 1.
    """
    if k < 1:
        raise ConfigError(f"k is {k}: give at least 1")
    runs = [run for folder in folders for run in find_runs(folder)]
    if len(runs) < 2:
        raise DataError(
            f"there {'is one finished run' if runs else 'is no finished run'} in {', '.join(map(str, folders))}: "
            "give a multirun folder, or several run folders"
        )
    ranks = {name: _ranks(run) for name, run in named(runs).items()}
    lines = []
    for (name, mine), (other, theirs) in combinations(ranks.items(), 2):
        for behaviour in mine.index.unique("behaviour").intersection(theirs.index.unique("behaviour"), sort=False):
            both = pd.concat([mine[behaviour], theirs[behaviour]], axis=1, join="inner", keys=["mine", "theirs"])
            best = (mine[behaviour] <= k).sum()
            common = ((both.mine <= k) & (both.theirs <= k)).sum()
            correlation = both.mine.corr(both.theirs, method="spearman") if len(both) > 1 else float("nan")
            lines.append((behaviour, name, other, common / best if best else float("nan"), correlation))
    if not lines:
        raise DataError("no two of these runs looked for a behaviour of the same name: there is nothing to compare")
    return pd.DataFrame(lines, columns=["behaviour", "run", "other", "overlap", "rank_correlation"])


def named(runs: Sequence[Result]) -> dict[str, Result]:
    """Return runs by a short name of their own: what was overridden, where that tells them apart, else the folder."""
    overridden = [_overrides(run) for run in runs]
    shared = set(overridden[0]).intersection(*overridden[1:])
    names = [" ".join(one for one in overrides if one not in shared) for overrides in overridden]
    if len(set(names)) < len(names) or not all(names):
        names = [str(run.folder) for run in runs]
    return dict(zip(names, runs, strict=True))


def _overrides(run: Result) -> list[str]:
    path = run.folder / ".hydra" / "overrides.yaml"
    return list(yaml.safe_load(path.read_text()) or []) if path.is_file() else []


def _ranks(run: Result) -> pd.Series:
    table = run.neurons.assign(site=run.site.hook)  # Neurons of different kinds of site are never the same.
    return table.set_index(["behaviour", "site", "layer", "neuron"])["rank"].where(
        table[f"{run.run['rank_by']}_distance"].notna().to_numpy()
    )


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `compare`."""
    parser = argparse.ArgumentParser(
        "neurosieve compare", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders that hold some")
    parser.add_argument(
        "-k", type=int, default=100, help="of how many best neurons the overlap is taken (default: 100)"
    )
    parser.add_argument("--output", type=Path, help="also write the table there, as Parquet")
    asked = parser.parse_args(arguments)
    show(compare(*asked.folders, k=asked.k), asked.k, asked.output)


def show(table: pd.DataFrame, k: int, output: Path | None = None) -> None:
    """Print a comparison, and write it to a Parquet file if one is named."""
    from rich.markup import escape
    from rich.table import Table

    from neurosieve.terminal import console

    for behaviour, lines in table.groupby("behaviour", sort=False):
        shown = Table(title=f"{escape(str(behaviour))}: runs side by side", title_justify="left")
        for column in ("run", "other"):
            shown.add_column(column)
        for column in (f"overlap of the best {k}", "rank correlation"):
            shown.add_column(column, justify="right")
        for line in lines.itertuples():
            shown.add_row(
                escape(str(line.run)), escape(str(line.other)), f"{line.overlap:.2f}", f"{line.rank_correlation:.3f}"
            )
        console().print(shown)
    if output is not None:
        replaced(output, lambda path: table.to_parquet(path, index=False))
        console().print(f"comparison: {escape(str(output))}", soft_wrap=True)
