"""The area under the ROC curve over pairs of one stratum: of one token id, or of one group."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Float64, Int, Int8
from torch import Tensor

from neurosieve_plugins.scorers.ordering import midranks

__all__ = ["area_within", "mixed_strata"]


def area_within(
    activations: Float[Tensor, "positions neurons"],
    labels: Int8[Tensor, "positions behaviours"],
    strata: Int[Tensor, "positions"],
) -> Float64[Tensor, "behaviours neurons"]:
    """Return the area per behaviour and neuron, nan where no stratum has both a present and a control position.

    Each stratum weighs as much as it has pairs: van Elteren (1960), On the combination of independent two sample tests
    of Wilcoxon.
    """
    behaviours, neurons = labels.shape[1], activations.shape[1]
    value = torch.full((behaviours, neurons), torch.nan, dtype=torch.float64, device=activations.device)
    for behaviour in range(behaviours):
        of_behaviour = labels[:, behaviour]
        won, pairs = torch.zeros(neurons, dtype=torch.float64, device=value.device), 0
        for rows in mixed_strata(of_behaviour, strata):
            present = of_behaviour[rows] == 1
            m, n = int(present.sum()), int((~present).sum())
            ranks = midranks(activations[rows].float())
            won += ranks[present].double().sum(dim=0) - m * (m + 1) / 2
            pairs += m * n
        if pairs:
            value[behaviour] = won / pairs
    return value


def mixed_strata(labels: Int8[Tensor, "positions"], strata: Int[Tensor, "positions"]) -> Iterator[Int[Tensor, "some"]]:
    """Yield the positions of each stratum that has both present and control ones."""
    order = strata.argsort(stable=True)
    order = order[labels[order] >= 0]
    _, sizes = torch.unique_consecutive(strata[order], return_counts=True)
    for rows in torch.split(order, sizes.tolist()):
        present = int((labels[rows] == 1).sum())
        if 0 < present < len(rows):
            yield rows
