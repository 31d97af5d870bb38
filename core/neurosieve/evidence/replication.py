"""Do the best neurons hold on the groups that had no part in the ranking?"""

import dataclasses
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from neurosieve.activations.store import Space
from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Site
from neurosieve.evidence.intervals import clustered_interval
from neurosieve.evidence.null import labelled_batch
from neurosieve.evidence.settings import Evidence
from neurosieve.texts.positions import Positions

__all__ = ["add_replication"]


def add_replication(
    neurons: pd.DataFrame,
    space: Space,
    positions: Positions,
    scorer: Scorer[Any],
    rank_by: str,
    settings: Evidence,
    part: Literal["ranking", "heldout"] = "heldout",
) -> pd.DataFrame:
    """Return the table with an interval and a verdict for the best neurons of each behaviour.

    `replicates` is true where, on the held-out groups, the sign agrees and the interval excludes "tells nothing";
    it is missing for neurons below the best, and where there is no interval: for scorers that look at neurons jointly
    or whose noise is not centred, and for a behaviour that shows in too few held-out groups.

    Args:
        neurons: the ranking, with every score of the held-out groups in columns that end in `_heldout`.
        space: holds the activations.
        positions: where they were read.
        scorer: the one that ranked.
        rank_by: its name.
        settings: how many neurons of each behaviour are tested, how, and in how many groups it must show.
        part: the part of `positions` that is held out: all of them may be, where another text made the ranking.
    """
    low, high = np.full(len(neurons), np.nan), np.full(len(neurons), np.nan)
    # A joint score is no property of one neuron, and an interval around noise that is not centred proves nothing.
    tested = positions.behaviours if scorer.centred and not scorer.joint else ()
    for behaviour in tested:
        chosen = np.flatnonzero(
            (neurons.behaviour == behaviour) & (neurons["rank"] <= settings.test_top) & neurons[rank_by].notna()
        )
        column = positions.column(behaviour, part)
        shown = positions.document_of_row[positions.labels[:, column] == 1]
        if not len(chosen) or len(np.unique(positions.groups[shown])) < settings.min_groups:
            continue
        chosen = chosen[np.argsort(neurons.layer.to_numpy()[chosen], kind="stable")]
        held_out = _held_out(space, positions, column, neurons.iloc[chosen])
        low[chosen], high[chosen] = clustered_interval(
            held_out, scorer, settings.seed, settings.interval_bootstraps, settings.confidence
        )
    sign = np.sign(neurons[f"{rank_by}_minus_neutral"].to_numpy())
    there = np.sign(neurons[f"{rank_by}_minus_neutral_heldout"].to_numpy())
    verdict = pd.array((sign == there) & (sign * np.where(sign > 0, low, high) > 0), dtype="boolean")
    verdict[np.isnan(low)] = pd.NA
    return neurons.assign(
        **{
            f"{rank_by}_minus_neutral_heldout_low": low,
            f"{rank_by}_minus_neutral_heldout_high": high,
            "replicates": verdict,
        }
    )


def _held_out(space: Space, positions: Positions, column: int, chosen: pd.DataFrame) -> Batch:
    """Return the held-out positions of one behaviour at some neurons of several layers, which stand in that order."""
    layers = [
        labelled_batch(space, positions, column, Site(layer, space.kind), chosen.neuron[chosen.layer == layer].tolist())
        for layer in chosen.layer.unique().tolist()
    ]
    return dataclasses.replace(layers[-1], activations=torch.cat([one.activations for one in layers], dim=1))
