"""The area under the ROC curve over pairs of one stratum: of one token id, or of one group."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Float64, Int, Int8
from torch import Tensor

from neurosieve_plugins.scorers.ordering import midranks

__all__ = ["area_within", "mixed_strata", "pairs_won"]


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
        for _, won_of_stratum, pairs_of_stratum in pairs_won(activations, of_behaviour, strata):
            won += won_of_stratum
            pairs += pairs_of_stratum
        if pairs:
            value[behaviour] = won / pairs
    return value


def pairs_won(
    activations: Float[Tensor, "positions neurons"],
    labels: Int8[Tensor, "positions"],
    strata: Int[Tensor, "positions"],
) -> Iterator[tuple[Int[Tensor, "some"], Float64[Tensor, "neurons"], int]]:
    """Yield the positions of each stratum that has pairs, how many of these the present position wins, and how many
    there are; a tie is half a win."""
    for rows in mixed_strata(labels, strata):
        present = labels[rows] == 1
        m, n = int(present.sum()), int((~present).sum())
        ranks = midranks(activations[rows.to(activations.device)].float())
        yield rows, ranks[present.to(ranks.device)].double().sum(dim=0) - m * (m + 1) / 2, m * n


def mixed_strata(labels: Int8[Tensor, "positions"], strata: Int[Tensor, "positions"]) -> Iterator[Int[Tensor, "some"]]:
    """Yield the positions of each stratum that has both present and control ones."""
    order = strata.argsort(stable=True)
    order = order[labels[order] >= 0]
    _, sizes = torch.unique_consecutive(strata[order], return_counts=True)
    for rows in torch.split(order, sizes.tolist()):
        present = int((labels[rows] == 1).sum())
        if 0 < present < len(rows):
            yield rows
