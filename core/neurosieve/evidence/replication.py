"""Do the best neurons hold on the groups that had no part in the ranking?"""

import dataclasses
from typing import Literal

import numpy as np
import pandas as pd
import torch

from neurosieve.activations.reading import labelled_batch
from neurosieve.data import Batch, Site
from neurosieve.evidence.intervals import clustered_interval
from neurosieve.evidence.ranked import Ranked

__all__ = ["add_replication"]


def add_replication(
    neurons: pd.DataFrame, ranked: Ranked, part: Literal["ranking", "heldout"] = "heldout"
) -> pd.DataFrame:
    """Return the ranking with an interval and `replicates` for the best neurons of each behaviour.

    `replicates` is true where, on the held-out groups, the sign agrees and the interval excludes the neutral value;
    it is missing for neurons below the best, and where there is no interval: for scorers that rate neurons jointly
    or are biased on noise, and for a behaviour that shows in too few held-out groups.

    Args:
        neurons: the ranking, with every score of the held-out groups in columns that end in `_heldout`.
        ranked: what it was made from.
        part: the part of the positions that is held out: `ranking` where all of them are other texts.
    """
    settings, positions, rank_by = ranked.settings, ranked.positions, ranked.rank_by
    low, high = np.full(len(neurons), np.nan), np.full(len(neurons), np.nan)
    # A joint score is no property of one neuron, and an interval around noise that is not centred proves nothing.
    tested = positions.behaviours if ranked.scorer.centred and not ranked.scorer.joint else ()
    for behaviour in tested:
        best = np.flatnonzero(
            (neurons.behaviour == behaviour) & (neurons["rank"] <= settings.test_top) & neurons[rank_by].notna()
        )
        column = positions.column(behaviour, part)
        if not len(best) or not ranked.enough_groups(column):
            continue
        best = best[np.argsort(neurons.layer.to_numpy()[best], kind="stable")]
        low[best], high[best] = clustered_interval(
            _held_out(ranked, column, neurons.iloc[best]),
            ranked.scorer,
            settings.seed,
            settings.interval_bootstraps,
            settings.confidence,
        )
    sign = np.sign(neurons[f"{rank_by}_minus_neutral"].to_numpy())
    sign_heldout = np.sign(neurons[f"{rank_by}_minus_neutral_heldout"].to_numpy())
    replicates = pd.array((sign == sign_heldout) & (sign * np.where(sign > 0, low, high) > 0), dtype="boolean")
    replicates[np.isnan(low)] = pd.NA
    return neurons.assign(
        **{
            f"{rank_by}_minus_neutral_heldout_low": low,
            f"{rank_by}_minus_neutral_heldout_high": high,
            "replicates": replicates,
        }
    )


def _held_out(ranked: Ranked, column: int, neurons: pd.DataFrame) -> Batch:
    """Return the positions of a column of labels at neurons of several layers, which are sorted by layer."""
    space = ranked.space
    layers = [
        labelled_batch(
            space, ranked.positions, column, Site(layer, space.kind), neurons.neuron[neurons.layer == layer].tolist()
        )
        for layer in neurons.layer.unique().tolist()
    ]
    return dataclasses.replace(layers[-1], activations=torch.cat([batch.activations for batch in layers], dim=1))
