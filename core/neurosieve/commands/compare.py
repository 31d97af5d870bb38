"""`compare`: what several runs found, and what they agree on."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from neurosieve.config.configuration import build_all
from neurosieve.errors import ConfigError, DataError
from neurosieve.evidence.comparison import common, named, pairs, summaries
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Result, Run, find_runs, load
from neurosieve.runs.summary import both_readings_blocks, comparison_blocks

__all__ = ["compare", "compare_runs", "main", "show"]

_BEST = 10
"""So many of the best neurons of a ranking and the one beside it are listed."""
_HELP = """\
Put the finished runs in some folders side by side. Of each run and behaviour: what it read, its best neuron beside
the best that chance would give, how many neurons pass p_fwer 0.05, how many of the tested replicate, and the verdicts.
Of each pair of runs: which share of the best k neurons they have in common, how well the ranks of all neurons agree
(Spearman's correlation) and the scores of all, with their signs, and which share of the best k of one replicates in
the other, with the same sign and a p of at most 0.05 there; chance gives 0.025. Runs that rank on the same groups agree
on their noise too: groups in common are counted. Two readings, such as activation and attribution, can be compared too;
replication is then left open, for their signs say different things. A ranking and the one beside it are also drawn in
one picture, with what the edits of single neurons did (`ablate mode=each`).

  neurosieve find -m scorers=[auc],[cohens_d] seed=0,1
  neurosieve compare multirun/find/2026-11-22/18-00-00 --output comparison
  neurosieve compare runs/find runs/find/beside
"""


def compare(*folders: str | Path, k: int = 100) -> pd.DataFrame:
    """Return a line per behaviour and pair of runs: `behaviour, run, other`, and what the two agree on.

    Args:
        *folders: run folders, or folders that hold some, such as that of a multirun.
        k: of how many best neurons the overlap and the replication are taken.

    Returns:
        The table. `overlap` is the share of the best k that both runs have, and `overlap_by_chance` what rankings that
        have nothing to do with each other would share; `rank_correlation` is Spearman's over the neurons that both
        rank, nan where fewer than two are, and `score_correlation` the same of their scores, with the signs;
        `replicated` is the share of the best k of `run` that have the same sign and a p of at most 0.05 in `other`, of
        which chance gives 0.025, and `replicated_back` that of `other` in `run`; both are nan where the two ranked
        different readings. All are nan where the neurons of the two do not correspond. `groups_in_common` are those
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
    tables = {"comparison": _pairs(runs, k), "runs": summaries(runs), "common": common(runs, k)}
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
    runs = {run.folder.resolve(): run for folder in folders for run in find_runs(folder)}
    if len(runs) < 2:
        raise DataError(
            f"there {'is one finished run' if runs else 'is no finished run'} in {', '.join(map(str, folders))}: "
            "give a multirun folder, or several run folders"
        )
    return named(list(runs.values()))


def _pairs(runs: Mapping[str, Result], k: int) -> pd.DataFrame:
    table = pairs(runs, k)
    if table.empty:
        raise DataError("no two of these runs looked for a behaviour of the same name: there is nothing to compare")
    return table


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `compare`."""
    parser = argparse.ArgumentParser(
        "neurosieve compare", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders that hold some")
    parser.add_argument("-k", type=int, default=100, help="how many of the best neurons are compared (default: 100)")
    parser.add_argument("--output", type=Path, help="a folder to leave the tables in, with a page and figures")
    options = parser.parse_args(arguments)
    show(options.folders, options.k, options.output)


def show(folders: Sequence[Path], k: int = 100, output: Path | None = None) -> None:
    """Print a comparison, and leave it in a folder, drawn, if one is named."""
    from neurosieve.terminal.finished_run import show_run
    from neurosieve.terminal.printing import console, show_blocks

    if output is not None:
        show_run(compare_runs(*folders, folder=output, k=k))
        return
    runs = _runs(folders, k)
    show_blocks(comparison_blocks(summaries(runs), _pairs(runs, k), k, common(runs, k)), console())
    show_blocks(both_readings_blocks([run.folder for run in runs.values()], _BEST), console())
