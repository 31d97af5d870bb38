"""Several runs compared: what each found, and what any two agree on."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import yaml

from neurosieve.runs.columns import VERDICTS, minus_neutral
from neurosieve.runs.read_texts import ReadTexts
from neurosieve.runs.reader import BESIDE
from neurosieve.runs.results import Result

__all__ = ["common", "named", "pairs", "summaries"]

_LEVEL = 0.05
_IN_BOTH = {
    "rank_first": "rank",
    "score_first": "score",
    "rank_second": "rank_other",
    "score_second": "score_other",
}


def named(runs: Sequence[Result]) -> dict[str, Result]:
    """Return runs by a short name: their overrides, where these distinguish the runs, else their folders."""
    overridden = [_overrides(run) for run in runs]
    shared = set(overridden[0]).intersection(*overridden[1:])
    names = [" ".join(override for override in overrides if override not in shared) for overrides in overridden]
    if len(set(names)) < len(names) or not all(names):
        names = [str(run.folder) for run in runs]
    return dict(zip(names, runs, strict=True))


def summaries(runs: Mapping[str, Result]) -> pd.DataFrame:
    """Return a line per run and behaviour: what it read, its best neuron and its null, and how many replicate."""
    return pd.DataFrame(_summary(name, run, behaviour) for name, run in runs.items() for behaviour in run.behaviours)


def pairs(runs: Mapping[str, Result], k: int) -> pd.DataFrame:
    """Return a line per behaviour and pair of runs that have it; `compare` documents its columns."""
    return pd.DataFrame(
        {"behaviour": behaviour, "run": name, "other": other_name} | _agreement(run, other, behaviour, k)
        for (name, run), (other_name, other) in combinations(runs.items(), 2)
        for behaviour in run.behaviours
        if behaviour in other.behaviours
    )


def common(runs: Mapping[str, Result], k: int) -> pd.DataFrame:
    """Return the neurons that are among the best k of both runs of a pair, with their rank and score in either.

    Those come first whose worse rank is the best.
    """
    tables = [pd.DataFrame(columns=["behaviour", "run", "other", "layer", "neuron", *_IN_BOTH.values()])]
    for (name, run), (other_name, other) in combinations(runs.items(), 2):
        for behaviour in run.behaviours:
            if behaviour in other.behaviours and _correspond(run, other):
                both = _in_both(run, other, behaviour)
                both = both[(both.rank_first <= k) & (both.rank_second <= k)]
                order = both[["rank_first", "rank_second"]].max(axis=1).sort_values(kind="stable").index
                table = both.loc[order].reset_index().rename(columns=_IN_BOTH)
                tables.append(table.assign(behaviour=behaviour, run=name, other=other_name)[list(tables[0])])
    filled = [table for table in tables if len(table)] or tables
    return pd.concat(filled, ignore_index=True)


def _correspond(first: Result, second: Result) -> bool:
    """Return whether the neurons of two runs correspond, by place: of a model, or of one fine-tuned from it."""
    width, other_width = (run.run["model"].get("neurons_per_layer") for run in (first, second))
    return (width, first.site) == (other_width, second.site)


def _in_both(first: Result, second: Result, behaviour: str) -> pd.DataFrame:
    ranked = (_ranked(run, behaviour).add_suffix(suffix) for run, suffix in ((first, "_first"), (second, "_second")))
    return next(ranked).join(next(ranked), how="inner")


def _agreement(first: Result, second: Result, behaviour: str, k: int) -> dict[str, float]:
    groups = [ReadTexts.of(run, "ranking").groups for run in (first, second)]
    shared = {"groups": min(map(len, groups)), "groups_in_common": len(groups[0] & groups[1])}
    if not _correspond(first, second):
        unknown = ("overlap", "overlap_by_chance", "rank_correlation", "score_correlation", "replicated")
        return dict.fromkeys((*unknown, "replicated_back"), float("nan")) | shared
    both = _in_both(first, second, behaviour)
    best = int((_ranked(first, behaviour)["rank"] <= k).sum())
    in_common = int(((both.rank_first <= k) & (both.rank_second <= k)).sum())
    # What the sign of a score says depends on what was read: by attribution, a neuron that drives is below 0.
    alike = first.cells.name == second.cells.name
    return {
        "overlap": in_common / best if best else float("nan"),
        "overlap_by_chance": min(k / len(both), 1.0) if len(both) else float("nan"),
        "rank_correlation": _spearman(both.rank_first, both.rank_second),
        "score_correlation": _spearman(both.effect_first, both.effect_second),
        "replicated": _replicated(both, "first", "second", k) if alike else float("nan"),
        "replicated_back": _replicated(both, "second", "first", k) if alike else float("nan"),
        **shared,
    }


def _spearman(left: pd.Series, right: pd.Series) -> float:
    known = len(left) > 1 and left.nunique() > 1 and right.nunique() > 1
    return float(left.corr(right, method="spearman")) if known else float("nan")


def _replicated(both: pd.DataFrame, of: str, by: str, k: int) -> float:
    """Return the share of the best k of one run that the other scores with the same sign and a p of at most 0.05."""
    best = both[(both[f"rank_{of}"] <= k) & both[f"p_{by}"].notna()]
    holds = (np.sign(best.effect_first) == np.sign(best.effect_second)) & (best[f"p_{by}"] <= _LEVEL)
    return float(holds.mean()) if len(best) else float("nan")


def _ranked(run: Result, behaviour: str) -> pd.DataFrame:
    """Return `rank, score, effect, p` of each neuron of a behaviour that has a score, by layer and neuron."""
    table = run.neurons[run.neurons.behaviour == behaviour]
    rank_by = run.run["rank_by"]
    columns = {"score": table[rank_by], "effect": table[minus_neutral(rank_by)], "p": table.get("p", float("nan"))}
    ranked = table[["layer", "neuron", "rank"]].assign(**columns).set_index(["layer", "neuron"])
    return ranked[ranked.effect.notna()]


def _summary(name: str, run: Result, behaviour: str) -> dict[str, Any]:
    record, table = run.run, run.neurons[run.neurons.behaviour == behaviour]
    counts, null = record["counts"]["behaviours"][behaviour], (record.get("null") or {}).get(behaviour) or {}
    best: Mapping[Any, Any] = table.iloc[0].to_dict() if len(table) else {}
    replicates = table.get("replicates", pd.Series(dtype="boolean"))
    verdicts: dict[str, float] = dict.fromkeys(VERDICTS, math.nan)
    if "verdict" in table:
        verdicts = {verdict: int((table["verdict"] == verdict).sum()) for verdict in VERDICTS}
    elif replicates.notna().any():  # No verdicts were asked for, and this is known all the same.
        verdicts["not replicated"] = int((~replicates.dropna().astype(bool)).sum())
    return {
        "run": name,
        "behaviour": behaviour,
        "model": record["model"]["name"],
        "reading": run.cells.name,
        "rank_by": record["rank_by"],
        "spans": counts.get("spans"),
        "present": counts.get("ranking_present"),
        "neurons": len(table),
        "best": best.get(record["rank_by"], float("nan")),
        "best_minus_neutral": abs(best.get(f"{record['rank_by']}_minus_neutral", float("nan"))),
        "null_max_q95": null.get("null_max_q95", float("nan")),
        "p_fwer_05": null.get("p_fwer_05"),
        "tested": int(replicates.notna().sum()),
        "replicated": int(replicates.sum()),
        **{f"verdict: {verdict}": verdicts[verdict] for verdict in VERDICTS if verdict != "replicated"},
    }


def _overrides(run: Result) -> list[str]:
    if run.folder.name == BESIDE:  # It was asked for together with the ranking that it stands beside.
        return [*_overrides(Result(run.folder.parent)), f"{BESIDE} ({run.cells.name})"]
    path = run.folder / ".hydra" / "overrides.yaml"
    return list(yaml.safe_load(path.read_text()) or []) if path.is_file() else []
