"""Would the same neurons be the best if other groups had been drawn?"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from neurosieve.activations.reading import labelled_batches
from neurosieve.contracts import Scorer
from neurosieve.data import Batch
from neurosieve.evidence.intervals import repeated, resample_weights
from neurosieve.evidence.ranked import Ranked
from neurosieve.evidence.settings import Evidence
from neurosieve.scoring.engine import score_batch
from neurosieve.scoring.ranking import minus_neutral

__all__ = ["add_stability", "stabilities", "unsettled"]

_TOO_MANY = 1 / 5
"""Where the best are such a share of all neurons, being among them again is not informative."""


def add_stability(neurons: pd.DataFrame, ranked: Ranked) -> pd.DataFrame:
    """Return the ranking with the `stability` of its best neurons.

    That is the share of bootstraps, in which whole groups of the ranking part are resampled, in which a neuron is among
    the best again. nan below the best, for scorers that rate neurons jointly, for a behaviour that shows in too few
    groups, and where the best are a fifth of all neurons or more, so that being among them is not informative.
    """
    settings, positions = ranked.settings, ranked.positions
    if not settings.stability_bootstraps:
        return neurons
    stability = np.full(len(neurons), np.nan)
    for behaviour in () if ranked.scorer.joint else positions.behaviours:
        of_behaviour = neurons.behaviour == behaviour
        best = np.flatnonzero(of_behaviour & (neurons["rank"] <= settings.test_top))
        column = positions.column(behaviour)
        if settings.test_top >= _TOO_MANY * of_behaviour.sum() or not len(best) or not ranked.has_min_groups(column):
            continue
        layers = labelled_batches(ranked.space, positions, column, "resampling", ranked.announce)
        shares = stabilities(layers, ranked.scorer, settings.test_top, settings.stability_bootstraps, settings.seed)
        number = {site.layer: number for number, site in enumerate(ranked.space.sites)}
        lines = neurons.iloc[best]
        stability[best] = shares[lines.layer.map(number).to_numpy(), lines.neuron.to_numpy()]
    return neurons.assign(stability=stability)


def unsettled(settings: Evidence, neurons: int) -> list[str]:
    """Return a warning where the best are so large a share of the neurons that stability is not informative."""
    if not settings.stability_bootstraps or settings.test_top < _TOO_MANY * neurons:
        return []
    return [
        f"stability is not computed: `test_top={settings.test_top}` is a fifth or more of {neurons:,} neurons, and "
        f"chance alone puts a neuron among so many; give `test_top={(neurons - 1) // 5}` or less"
    ]


def stabilities(
    layers: Iterable[Batch], scorer: Scorer[Any], best: int, draws: int, seed: int
) -> npt.NDArray[np.float64]:
    """Return, per layer and neuron, the share of draws in which it is among the `best`; ties are all among them.

    Draws, which are resamples of whole groups, in which no neuron has a score are left out. `layers` gives the
    positions of one behaviour at each layer, in one column of labels, a batch a layer. `scorer` must not be joint.
    """
    effects: list[torch.Tensor] = []
    weights: torch.Tensor | None = None
    for batch in layers:
        if weights is None:  # How many times each position counts in each draw.
            names, number = np.unique(batch.groups.numpy(), return_inverse=True)
            weights = torch.from_numpy(resample_weights(len(names), draws, seed)[:, number].astype(np.float32))
        # An undefined score is below any other.
        effects.append(_signed_effects(batch, scorer, weights).abs().nan_to_num(-1.0).float())
    highest = torch.cat([layer.topk(min(best, layer.shape[1]), dim=1).values for layer in effects], dim=1)
    highest = highest.topk(min(best, highest.shape[1]), dim=1).values
    defined = highest[:, 0] >= 0
    among = [(layer >= highest[:, -1:]) & (layer >= 0) for layer in effects]
    share: npt.NDArray[np.float64] = torch.stack([layer[defined].double().mean(dim=0) for layer in among]).numpy()
    return share


def _signed_effects(batch: Batch, scorer: Scorer[Any], weights: torch.Tensor) -> torch.Tensor:
    resampled = scorer.resampled(batch, weights)
    if resampled is not None:
        return minus_neutral(resampled)
    effects = []
    for line in weights.long():
        rows = torch.repeat_interleave(torch.arange(len(line)), line)
        # A group that is drawn twice counts as two: its copies get different numbers.
        copy = torch.arange(len(rows)) - torch.repeat_interleave(line.cumsum(0) - line, line)
        groups = batch.groups[rows] * (int(line.max()) + 1) + copy
        effects.append(minus_neutral(score_batch(repeated(batch, rows, groups), scorer))[0])
    return torch.stack(effects)
