"""Do the best neurons hold on the groups that had no part in the ranking?"""

from typing import Any

import numpy as np
import pandas as pd
import torch

from neurosieve.capture import batch_at
from neurosieve.contracts import Scorer
from neurosieve.data import Batch
from neurosieve.selection import Positions
from neurosieve.significance import bootstrap_interval
from neurosieve.store import Space

__all__ = ["confirmed"]


def confirmed(
    neurons: pd.DataFrame,
    space: Space,
    positions: Positions,
    scorer: Scorer[Any],
    rank_by: str,
    best: int,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """Return the table with an interval and a verdict for the best neurons of each behaviour.

    `replicates` is true where, on the held-out groups, the sign agrees and the interval excludes "tells nothing";
    it is missing for neurons below the best `confirm`, and where there is no interval.
    """
    low, high = np.full(len(neurons), np.nan), np.full(len(neurons), np.nan)
    for number, behaviour in enumerate(positions.behaviours):
        best = np.flatnonzero((neurons.behaviour == behaviour) & (neurons["rank"] <= best) & neurons[rank_by].notna())
        column = positions.labels[:, len(positions.behaviours) + number]
        if scorer.joint or not len(best) or not (column >= 0).any():
            continue  # A joint scorer's score is no property of one neuron: resampling a few of them says nothing.
        rows = torch.from_numpy(np.flatnonzero(column >= 0))
        parts = []
        for site in space.sites:
            here = best[neurons.layer.to_numpy()[best] == site.layer]
            if len(here):
                whole = batch_at(space, positions, site)
                parts.append(
                    (
                        here,
                        whole.activations[rows][:, torch.from_numpy(neurons.neuron.to_numpy()[here].astype(np.int64))],
                    )
                )
        together = Batch(
            whole.site,
            torch.cat([activations for _, activations in parts], dim=1),
            torch.from_numpy(column[rows.numpy()])[:, None],
            whole.documents[rows],
            whole.groups[rows],
            whole.token_ids[rows],
        )
        interval = bootstrap_interval(together, scorer, seed, draws)
        where = np.concatenate([here for here, _ in parts])
        low[where], high[where] = interval.low, interval.high
    sign = np.sign(neurons[f"{rank_by}_distance"].to_numpy())
    held_out = np.sign(neurons[f"{rank_by}_distance_replication"].to_numpy())
    verdict = pd.array((sign == held_out) & (sign * np.where(sign > 0, low, high) > 0), dtype="boolean")
    verdict[np.isnan(low)] = pd.NA
    return neurons.assign(
        **{
            f"{rank_by}_distance_replication_low": low,
            f"{rank_by}_distance_replication_high": high,
            "replicates": verdict,
        }
    )
