"""Several runs side by side: what each found, and what any two agree on."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import yaml

from neurosieve.runs.columns import VERDICTS
from neurosieve.runs.results import Result

__all__ = ["named", "pairs", "summaries"]

_NEURON = ["layer", "neuron"]
_LEVEL = 0.05


def named(runs: Sequence[Result]) -> dict[str, Result]:
    """Return runs by a short name of their own: what was overridden, where that tells them apart, else the folder."""
    overridden = [_overrides(run) for run in runs]
    shared = set(overridden[0]).intersection(*overridden[1:])
    names = [" ".join(one for one in overrides if one not in shared) for overrides in overridden]
    if len(set(names)) < len(names) or not all(names):
        names = [str(run.folder) for run in runs]
    return dict(zip(names, runs, strict=True))


def summaries(runs: Mapping[str, Result]) -> pd.DataFrame:
    """Return a line per run and behaviour: what it read, its best neuron beside its null, and how many hold."""
    return pd.DataFrame(
        [_summary(name, run, behaviour) for name, run in runs.items() for behaviour in run.behaviours],
    )


def pairs(runs: Mapping[str, Result], k: int) -> pd.DataFrame:
    """Return a line per behaviour and pair of runs that have it; `compare` says what stands in it."""
    lines = []
    for (name, mine), (other, theirs) in combinations(runs.items(), 2):
        for behaviour in mine.behaviours:
            if behaviour in theirs.behaviours:
                line = {"behaviour": behaviour, "run": name, "other": other}
                lines.append(line | _agreement(mine, theirs, behaviour, k))
    return pd.DataFrame(lines)


def _agreement(mine: Result, theirs: Result, behaviour: str, k: int) -> dict[str, float]:
    one, other = (_ranked(run, behaviour) for run in (mine, theirs))
    groups = [set(run.positions.group[run.positions.part == "ranking"]) for run in (mine, theirs)]
    told = {"groups": min(map(len, groups)), "groups_in_common": len(groups[0] & groups[1])}
    if not _same_neurons(mine, theirs):
        unknown = ("overlap", "rank_correlation", "replicated", "replicated_back")
        return dict.fromkeys(unknown, float("nan")) | told
    both = one.add_suffix("_mine").join(other.add_suffix("_theirs"), how="inner")
    best = (one["rank"] <= k).sum()
    common = ((both.rank_mine <= k) & (both.rank_theirs <= k)).sum()
    return {
        "overlap": common / best if best else float("nan"),
        "rank_correlation": both.rank_mine.corr(both.rank_theirs, method="spearman") if len(both) > 1 else float("nan"),
        "replicated": _replicated(both, "mine", "theirs", k),
        "replicated_back": _replicated(both, "theirs", "mine", k),
        **told,
    }


def _replicated(both: pd.DataFrame, of: str, there: str, k: int) -> float:
    """Return which share of the best k of one run the other scores with the same sign and a p of at most 0.05."""
    best = both[(both[f"rank_{of}"] <= k) & both[f"p_{there}"].notna()]
    holds = (np.sign(best.distance_mine) == np.sign(best.distance_theirs)) & (best[f"p_{there}"] <= _LEVEL)
    return float(holds.mean()) if len(best) else float("nan")


def _ranked(run: Result, behaviour: str) -> pd.DataFrame:
    """Return `rank, distance, p` of each neuron of a behaviour that has a score, by layer and neuron."""
    table = run.neurons[run.neurons.behaviour == behaviour]
    told = pd.DataFrame(
        {
            "rank": table["rank"],
            "distance": table[f"{run.run['rank_by']}_minus_neutral"],
            "p": table["p"] if "p" in table else float("nan"),
        }
    ).set_index(pd.MultiIndex.from_frame(table[_NEURON]))
    return told[told.distance.notna()]


def _same_neurons(mine: Result, theirs: Result) -> bool:
    """Return whether the neurons of two runs correspond: those of a model and its fine-tuned kin do by place."""
    shapes = [(run.run["model"].get("neurons_per_layer"), run.site) for run in (mine, theirs)]
    return shapes[0] == shapes[1]


def _summary(name: str, run: Result, behaviour: str) -> dict[str, Any]:
    told, table = run.run, run.neurons[run.neurons.behaviour == behaviour]
    counts, null = told["counts"]["behaviours"][behaviour], (told.get("null") or {}).get(behaviour) or {}
    best: Mapping[Any, Any] = table.iloc[0].to_dict() if len(table) else {}
    tested = table["replicates"].notna() if "replicates" in table else pd.Series(dtype=bool)
    verdicts: Mapping[Any, int] = table["verdict"].value_counts().to_dict() if "verdict" in table else {}
    return {
        "run": name,
        "behaviour": behaviour,
        "model": told["model"]["name"],
        "rank_by": told["rank_by"],
        "spans": counts.get("spans"),
        "present": counts.get("ranking_present"),
        "neurons": len(table),
        "best": best.get(told["rank_by"], float("nan")),
        "best_minus_neutral": abs(best.get(f"{told['rank_by']}_minus_neutral", float("nan"))),
        "null_max_q95": null.get("null_max_q95", float("nan")),
        "p_fwer_05": null.get("p_fwer_05"),
        "tested": int(tested.sum()),
        "replicated": int(table.loc[tested.index[tested], "replicates"].sum()) if tested.any() else 0,
        **{f"verdict: {verdict}": int(verdicts.get(verdict, 0)) for verdict in VERDICTS if verdict != "replicated"},
    }


def _overrides(run: Result) -> list[str]:
    path = run.folder / ".hydra" / "overrides.yaml"
    return list(yaml.safe_load(path.read_text()) or []) if path.is_file() else []
