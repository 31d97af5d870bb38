"""The mean activation of each neuron at the controls: what an edit by the mean puts in its place."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve.activations.capture import batches_at
from neurosieve.activations.store import Space
from neurosieve.data import Site
from neurosieve.errors import DataError
from neurosieve.texts.positions import Positions

__all__ = ["control_means"]


def control_means(space: Space, positions: Positions) -> Mapping[Site, Float[Tensor, "neurons"]]:
    """Return the mean over the positions of the ranking part that are controls of a behaviour, and show none.

    Raises:
        DataError: there is no such position.
    """
    columns = [positions.column(behaviour) for behaviour in positions.behaviours]
    labels = positions.labels[:, columns]
    controls = torch.from_numpy(np.any(labels == 0, axis=1) & ~np.any(labels == 1, axis=1))
    if not controls.any():
        raise DataError(
            "every control position of the ranking part shows another of the behaviours, so that there is no mean "
            "activation without any: give one detector at a time, or more texts"
        )
    means = {}
    for site in space.sites:
        total, start = torch.zeros(space.neurons, dtype=torch.float64), 0
        for batch in batches_at(space, positions, site):
            rows = controls[start : start + len(batch.activations)]
            total += batch.activations[rows].sum(dim=0, dtype=torch.float64)
            start += len(batch.activations)
        means[site] = (total / int(controls.sum())).float()
    return means
