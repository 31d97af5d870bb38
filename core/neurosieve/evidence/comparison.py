"""Several runs compared: what each found, and what any two agree on."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import yaml

from neurosieve.runs.columns import VERDICTS, minus_neutral
from neurosieve.runs.read_texts import ReadTexts
from neurosieve.runs.results import Result

__all__ = ["named", "pairs", "summaries"]

_LEVEL = 0.05


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


def _agreement(first: Result, second: Result, behaviour: str, k: int) -> dict[str, float]:
    groups = [ReadTexts.of(run, "ranking").groups for run in (first, second)]
    shared = {"groups": min(map(len, groups)), "groups_in_common": len(groups[0] & groups[1])}
    # Neurons of a model and of one fine-tuned from it correspond by place.
    width, other_width = (run.run["model"].get("neurons_per_layer") for run in (first, second))
    if (width, first.site) != (other_width, second.site):
        unknown = ("overlap", "rank_correlation", "replicated", "replicated_back")
        return dict.fromkeys(unknown, float("nan")) | shared
    ranked = _ranked(first, behaviour)
    both = ranked.add_suffix("_first").join(_ranked(second, behaviour).add_suffix("_second"), how="inner")
    best = (ranked["rank"] <= k).sum()
    common = ((both.rank_first <= k) & (both.rank_second <= k)).sum()
    correlation = both.rank_first.corr(both.rank_second, method="spearman") if len(both) > 1 else float("nan")
    return {
        "overlap": common / best if best else float("nan"),
        "rank_correlation": correlation,
        "replicated": _replicated(both, "first", "second", k),
        "replicated_back": _replicated(both, "second", "first", k),
        **shared,
    }


def _replicated(both: pd.DataFrame, of: str, by: str, k: int) -> float:
    """Return the share of the best k of one run that the other scores with the same sign and a p of at most 0.05."""
    best = both[(both[f"rank_{of}"] <= k) & both[f"p_{by}"].notna()]
    holds = (np.sign(best.effect_first) == np.sign(best.effect_second)) & (best[f"p_{by}"] <= _LEVEL)
    return float(holds.mean()) if len(best) else float("nan")


def _ranked(run: Result, behaviour: str) -> pd.DataFrame:
    """Return `rank, effect, p` of each neuron of a behaviour that has a score, by layer and neuron."""
    table = run.neurons[run.neurons.behaviour == behaviour]
    effect, p = table[minus_neutral(run.run["rank_by"])], table.get("p", float("nan"))
    ranked = table[["layer", "neuron", "rank"]].assign(effect=effect, p=p).set_index(["layer", "neuron"])
    return ranked[ranked.effect.notna()]


def _summary(name: str, run: Result, behaviour: str) -> dict[str, Any]:
    record, table = run.run, run.neurons[run.neurons.behaviour == behaviour]
    counts, null = record["counts"]["behaviours"][behaviour], (record.get("null") or {}).get(behaviour) or {}
    best: Mapping[Any, Any] = table.iloc[0].to_dict() if len(table) else {}
    replicates = table.get("replicates", pd.Series(dtype="boolean"))
    verdicts: Mapping[Any, int] = table["verdict"].value_counts().to_dict() if "verdict" in table else {}
    return {
        "run": name,
        "behaviour": behaviour,
        "model": record["model"]["name"],
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
        **{f"verdict: {verdict}": int(verdicts.get(verdict, 0)) for verdict in VERDICTS if verdict != "replicated"},
    }


def _overrides(run: Result) -> list[str]:
    path = run.folder / ".hydra" / "overrides.yaml"
    return list(yaml.safe_load(path.read_text()) or []) if path.is_file() else []
