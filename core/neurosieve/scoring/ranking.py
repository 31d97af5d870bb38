"""From scores to a table of neurons."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from neurosieve.data import Scores, Site
from neurosieve.runs.columns import HELDOUT, minus_neutral

__all__ = ["columns_of", "distance", "neutral", "rank_neurons"]


def columns_of(name: str, scores: Scores) -> dict[str, torch.Tensor]:
    """Return every column that one scorer adds to the table: its score, and `<scorer>_<detail>` for each detail."""
    return {name: scores.value, **{f"{name}_{detail}": value for detail, value in scores.details.items()}}


def distance(scores: Scores) -> torch.Tensor:
    """Return how far each score is from chance level, with its sign."""
    return scores.value - scores.neutral


def rank_neurons(
    scored: Mapping[Site, Mapping[str, Scores]],
    behaviours: Sequence[str],
    rank_by: str,
    places: Sequence[str] = ("",),
) -> pd.DataFrame:
    """Return a line per behaviour and neuron, by behaviour and rank: `behaviour, layer, neuron, rank`, then scores.

    Rank 1 is the neuron whose `rank_by` is furthest from chance level on the ranking part; undefined scores are last,
    and ties are in the order of layer and neuron. Columns of the held-out part end in `_heldout`;
    `<rank_by>_minus_neutral` is how far each score is from chance level. Columns of an additional position have its
    name in them: `auc_prediction`, `auc_prediction_heldout`.
    """
    tables = [_table(site, scores, behaviours, rank_by, places) for site, scores in scored.items()]
    together = pd.concat(tables, ignore_index=True)
    order = {name: number for number, name in enumerate(behaviours)}
    together["_behaviour"] = together.behaviour.map(order)
    together["_far"] = together[minus_neutral(rank_by)].abs()
    together = together.sort_values(
        ["_behaviour", "_far", "layer", "neuron"],
        ascending=[True, False, True, True],
        na_position="last",
        kind="stable",
    )
    together.insert(3, "rank", together.groupby("_behaviour", sort=False).cumcount() + 1)
    return together.drop(columns=["_behaviour", "_far"]).reset_index(drop=True)


def _table(
    site: Site, scored: Mapping[str, Scores], behaviours: Sequence[str], rank_by: str, places: Sequence[str]
) -> pd.DataFrame:
    columns = {column: values for name, scores in scored.items() for column, values in columns_of(name, scores).items()}
    columns[minus_neutral(rank_by)] = distance(scored[rank_by])
    neurons = next(iter(columns.values())).shape[1]
    table: dict[str, object] = {
        "behaviour": np.repeat(np.array(behaviours, dtype=object), neurons),
        "layer": np.full(len(behaviours) * neurons, site.layer, dtype=np.int32),
        "neuron": np.tile(np.arange(neurons, dtype=np.int32), len(behaviours)),
    }
    suffixes = [f"{place and '_'}{place}{suffix}" for place in places for suffix in ("", HELDOUT)]
    for number, suffix in enumerate(suffixes):
        block = slice(number * len(behaviours), (number + 1) * len(behaviours))
        table |= {
            f"{name}{suffix}": values[block].cpu().double().numpy().reshape(-1) for name, values in columns.items()
        }
    return pd.DataFrame(table)


def neutral(scored: Mapping[str, Scores], behaviours: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Return the score at chance level, by scorer and behaviour; None where it is not defined."""
    found = {}
    for name, scores in scored.items():
        values = torch.as_tensor(scores.neutral, dtype=torch.float64).expand(scores.value.shape[0], 1)
        numbers = values[: len(behaviours), 0].tolist()
        found[name] = dict(zip(behaviours, (None if one != one else one for one in numbers), strict=True))
    return found
