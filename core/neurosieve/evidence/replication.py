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
from neurosieve.runs.columns import minus_neutral, minus_neutral_heldout

__all__ = ["add_replication"]


def add_replication(
    neurons: pd.DataFrame, ranked: Ranked, part: Literal["ranking", "heldout"] = "heldout"
) -> pd.DataFrame:
    """Return the ranking with an interval and `replicates` for the best neurons of each behaviour.

    `replicates` is true where, on the held-out groups, the sign agrees and the interval excludes the neutral value;
    it is missing for neurons below the best, and where there is no interval: for scorers that rate neurons jointly
    or are biased on noise, and for a behaviour that shows in too few held-out groups.

    `neurons` has every score of the held-out groups in columns that end in `_heldout`. `part` is the part of the
    positions that is held out: `ranking` where all of them are other texts.
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
        if not len(best) or not ranked.has_min_groups(column):
            continue
        best = best[np.argsort(neurons.layer.to_numpy()[best], kind="stable")]
        batch, draws = _held_out(ranked, column, neurons.iloc[best]), settings.interval_bootstraps
        low[best], high[best] = clustered_interval(batch, ranked.scorer, settings.seed, draws, settings.confidence)
    held_out = minus_neutral_heldout(rank_by)
    sign, sign_heldout = (np.sign(neurons[name].to_numpy()) for name in (minus_neutral(rank_by), held_out))
    replicates = pd.array((sign == sign_heldout) & (sign * np.where(sign > 0, low, high) > 0), dtype="boolean")
    replicates[np.isnan(low)] = pd.NA
    return neurons.assign(**{f"{held_out}_low": low, f"{held_out}_high": high, "replicates": replicates})


def _held_out(ranked: Ranked, column: int, neurons: pd.DataFrame) -> Batch:
    """Return the positions of a column of labels at neurons of several layers, which are sorted by layer."""
    space, positions, indices = ranked.space, ranked.positions, neurons.neuron
    layers = [
        labelled_batch(space, positions, column, Site(layer, space.kind), indices[neurons.layer == layer].tolist())
        for layer in neurons.layer.unique().tolist()
    ]
    return dataclasses.replace(layers[-1], activations=torch.cat([batch.activations for batch in layers], dim=1))
