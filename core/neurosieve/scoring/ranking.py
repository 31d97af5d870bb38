"""From scores to a table of neurons."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from neurosieve.data import Scores, Site
from neurosieve.runs.columns import HELDOUT

__all__ = ["columns_of", "minus_neutral", "neutral_values", "rank_neurons"]


def columns_of(name: str, scores: Scores) -> dict[str, torch.Tensor]:
    """Return every column that one scorer adds to the table: its score, and `<scorer>_<detail>` for each detail."""
    return {name: scores.value, **{f"{name}_{detail}": value for detail, value in scores.details.items()}}


def minus_neutral(scores: Scores) -> torch.Tensor:
    """Return each score minus its neutral value: the sign of the effect, and its size."""
    return scores.value - scores.neutral


def rank_neurons(
    scored: Mapping[Site, Mapping[str, Scores]], behaviours: Sequence[str], rank_by: str, places: Sequence[str] = ("",)
) -> pd.DataFrame:
    """Return a line per behaviour and neuron, by behaviour and rank: `behaviour, layer, neuron, rank`, then scores.

    Rank 1 is the neuron with the largest effect on the ranking part: the largest absolute `<rank_by>_minus_neutral`.
    Undefined scores are last, and ties are in the order of layer and neuron. Columns of the held-out part end in
    `_heldout`. Columns of an additional place have its name in them: `auc_prediction`, `auc_prediction_heldout`.
    """
    tables = [_table(site, scores, behaviours, rank_by, places) for site, scores in scored.items()]
    together = pd.concat(tables, ignore_index=True)
    together["_behaviour"] = together.behaviour.map({name: number for number, name in enumerate(behaviours)})
    together["_effect"] = together[f"{rank_by}_minus_neutral"].abs()  # nan is last.
    by = {"_behaviour": True, "_effect": False, "layer": True, "neuron": True}
    together = together.sort_values(list(by), ascending=list(by.values()), kind="stable", ignore_index=True)
    together.insert(3, "rank", together.groupby("_behaviour", sort=False).cumcount() + 1)
    return together.drop(columns=["_behaviour", "_effect"])


def _table(
    site: Site, scored: Mapping[str, Scores], behaviours: Sequence[str], rank_by: str, places: Sequence[str]
) -> pd.DataFrame:
    columns = {column: values for name, scores in scored.items() for column, values in columns_of(name, scores).items()}
    columns[f"{rank_by}_minus_neutral"] = minus_neutral(scored[rank_by])
    neurons = next(iter(columns.values())).shape[1]
    table: dict[str, object] = {
        "behaviour": np.repeat(np.array(behaviours, dtype=object), neurons),
        "layer": np.full(len(behaviours) * neurons, site.layer, dtype=np.int32),
        "neuron": np.tile(np.arange(neurons, dtype=np.int32), len(behaviours)),
    }
    suffixes = [f"{place and '_'}{place}{suffix}" for place in places for suffix in ("", HELDOUT)]
    for number, suffix in enumerate(suffixes):
        block = slice(number * len(behaviours), (number + 1) * len(behaviours))
        for name, values in columns.items():
            table[f"{name}{suffix}"] = values[block].cpu().double().numpy().reshape(-1)
    return pd.DataFrame(table)


def neutral_values(scored: Mapping[str, Scores], behaviours: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Return the score at chance level, by scorer and behaviour; None where it is undefined."""
    neutral = {}
    for name, scores in scored.items():
        values = torch.as_tensor(scores.neutral, dtype=torch.float64).expand(scores.value.shape[0], 1)
        numbers = values[: len(behaviours), 0].tolist()
        neutral[name] = dict(zip(behaviours, (None if math.isnan(value) else value for value in numbers), strict=True))
    return neutral
