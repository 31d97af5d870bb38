"""Would the same neurons have been the best, had other groups been drawn?"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from neurosieve.activations.store import Space
from neurosieve.contracts import Scorer
from neurosieve.data import Batch
from neurosieve.evidence.intervals import repeated, resample_weights
from neurosieve.evidence.null import labelled_batches
from neurosieve.evidence.settings import Evidence
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import distance
from neurosieve.texts.positions import Positions

__all__ = ["add_stability", "stabilities", "unsettled"]

_TOO_MANY = 1 / 5
"""Where the best are such a share of all neurons, being among them again says nothing."""


def add_stability(
    neurons: pd.DataFrame,
    space: Space,
    positions: Positions,
    scorer: Scorer[Any],
    settings: Evidence,
    announce: Callable[..., None],
) -> pd.DataFrame:
    """Return the ranking with the `stability` of its best neurons.

    That is the share of bootstraps, in which whole groups of the ranking part are drawn anew, in which a neuron is
    among as many best again. nan below the best, for scorers that look at neurons jointly, for a behaviour that shows
    in too few groups, and where the best are a fifth of all neurons or more, so that to be among them says little.

    Args:
        neurons: the ranking.
        space: holds the activations.
        positions: where they were read.
        scorer: the one that ranked.
        settings: how many neurons are the best, how many bootstraps there are, and their seed.
        announce: hears how far it has come.
    """
    if not settings.stability_bootstraps:
        return neurons
    stability = np.full(len(neurons), np.nan)
    for behaviour in () if scorer.joint else positions.behaviours:
        column = positions.column(behaviour)
        shown = positions.document_of_row[positions.labels[:, column] == 1]
        mine = np.flatnonzero((neurons.behaviour == behaviour) & (neurons["rank"] <= settings.test_top))
        if settings.test_top >= _TOO_MANY * (neurons.behaviour == behaviour).sum():
            continue
        if not len(mine) or len(np.unique(positions.groups[shown])) < settings.min_groups:
            continue
        layers = labelled_batches(space, positions, column, "resampling", announce)
        found = stabilities(layers, scorer, settings.test_top, settings.stability_bootstraps, settings.seed)
        place = {site.layer: number for number, site in enumerate(space.sites)}
        best = neurons.iloc[mine]
        stability[mine] = found[best.layer.map(place).to_numpy(), best.neuron.to_numpy()]
    return neurons.assign(stability=stability)


def unsettled(settings: Evidence, neurons: int) -> list[str]:
    """Return a warning where stability would be said of so large a share of the neurons that it says nothing."""
    if not settings.stability_bootstraps or settings.test_top < _TOO_MANY * neurons:
        return []
    return [
        f"`test_top={settings.test_top}` is a fifth or more of {neurons:,} neurons: to be among so many best again "
        "says nothing, and stability is nan; ask for fewer"
    ]


def stabilities(
    layers: Iterable[Batch], scorer: Scorer[Any], best: int, draws: int, seed: int
) -> npt.NDArray[np.float64]:
    """Return, per layer and neuron, the share of draws in which it is among the `best`; ties are all among them.

    Draws in which no neuron has a score are left out.

    Args:
        layers: the positions of one behaviour at each layer, in one column of labels, a batch a layer.
        scorer: what to compute on each draw; no joint one.
        best: how many neurons are the best.
        draws: how many resamples of the groups.
        seed: draws them.
    """
    far: list[torch.Tensor] = []
    weights: torch.Tensor | None = None
    for batch in layers:
        weights = _drawn(batch, draws, seed) if weights is None else weights
        # An undefined score is nearer than any other.
        far.append(_distances(batch, scorer, weights).abs().nan_to_num(-1.0).float())
    highest = torch.cat([one.topk(min(best, one.shape[1]), dim=1).values for one in far], dim=1)
    highest = highest.topk(min(best, highest.shape[1]), dim=1).values
    defined = highest[:, 0] >= 0
    among = [(one >= highest[:, -1:]) & (one >= 0) for one in far]
    share: npt.NDArray[np.float64] = torch.stack([one[defined].double().mean(dim=0) for one in among]).numpy()
    return share


def _drawn(batch: Batch, draws: int, seed: int) -> torch.Tensor:
    """Return how many times each position counts in each draw of as many groups as there are."""
    names, number = np.unique(batch.groups.numpy(), return_inverse=True)
    times = resample_weights(len(names), draws, seed)
    return torch.from_numpy(times[:, number].astype(np.float32))


def _distances(batch: Batch, scorer: Scorer[Any], weights: torch.Tensor) -> torch.Tensor:
    quick = scorer.resampled(batch, weights)
    if quick is not None:
        return distance(quick)
    found = []
    for line in weights:
        rows = torch.repeat_interleave(torch.arange(len(line)), line.long())
        found.append(distance(score([repeated(batch, rows, batch.groups[rows])], {"score": scorer})["score"])[0])
    return torch.stack(found)
