"""The mean activation of each neuron at the controls: what an edit by the mean puts in its place."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve.activations.capture import batches_at
from neurosieve.activations.store import Space
from neurosieve.data import Site
from neurosieve.errors import DataError
from neurosieve.texts.positions import Positions

__all__ = ["control_means"]


def control_means(space: Space, positions: Positions, behaviour: str) -> Mapping[Site, Float[Tensor, "neurons"]]:
    """Return the mean over the controls of a behaviour in the ranking part: those that `ablate` edits towards.

    Raises:
        DataError: there is no such position.
    """
    controls = torch.from_numpy(positions.labels[:, positions.column(behaviour)] == 0)
    if not controls.any():
        raise DataError(
            f"`{behaviour}` has no control position in the ranking part, so that there is no mean activation without "
            "it: give more texts"
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
