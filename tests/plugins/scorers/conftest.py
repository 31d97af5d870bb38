"""What the tests of scorers share."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from neurosieve import Batch, Scorer, Scores, Site


@pytest.fixture(scope="session")
def score() -> Callable[..., Scores]:
    """What a scorer says of activations, summarised in parts of the given sizes."""

    def summarise_and_score(
        scorer: Scorer[Any],
        activations: Tensor,
        labels: Tensor,
        groups: Tensor | None = None,
        parts: Sequence[int] | None = None,
    ) -> Scores:
        activations = activations.float()
        labels = labels.to(torch.int8)
        labels = labels.unsqueeze(1) if labels.ndim == 1 else labels
        groups = torch.arange(len(activations)) // 3 if groups is None else groups
        statistic = scorer.statistic
        nothing = (labels.shape[1], activations.shape[1])
        state = statistic.empty(*nothing)
        for rows in torch.arange(len(activations)).split(list(parts) if parts is not None else len(activations)):
            batch = Batch(Site(0), activations[rows], labels[rows], groups[rows], groups[rows], groups[rows] % 5)
            state = statistic.merge(
                state, statistic.update(statistic.empty(labels.shape[1], activations.shape[1]), batch)
            )
        return scorer.compute(state)

    return summarise_and_score


@pytest.fixture(scope="session")
def data() -> Callable[..., tuple[Tensor, Tensor]]:
    """Activations, some of them tied, and labels, some of them out."""

    def draw(
        positions: int = 60, neurons: int = 8, present: int = 15, out: int = 5, seed: int = 0, ties: bool = True
    ) -> tuple[Tensor, Tensor]:
        rng = torch.Generator().manual_seed(seed)
        activations = torch.randn(positions, neurons, generator=rng)
        if ties:
            activations[:, ::2] = (2 * activations[:, ::2]).round() / 2
        labels = torch.zeros(positions, dtype=torch.int8)
        order = torch.randperm(positions, generator=rng)
        labels[order[:present]] = 1
        labels[order[present : present + out]] = -1
        activations[labels == 1, 0] += 2.0
        activations[labels == 1, 1] -= 1.0
        return activations, labels

    return draw
