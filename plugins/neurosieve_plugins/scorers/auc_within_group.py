"""The area under the ROC curve among positions of one group, such as samples of one problem."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from neurosieve import Batch, Contrast, Interval, Rows, RowsState, Scorer, Scores
from neurosieve_plugins.scorers.clusters import area_interval
from neurosieve_plugins.scorers.ordering import midranks
from neurosieve_plugins.scorers.strata import area_within, pairs_won

__all__ = ["AucWithinGroup"]


@dataclass(frozen=True)
class AucWithinGroup(Scorer[RowsState]):
    """The chance that a neuron fires more with the behaviour than at a control of the very same group.

    Only pairs of one group count, such as a wrong and a right answer to one problem, so that a neuron that tells hard
    problems from easy ones scores 0.5. Each group weighs as much as it has pairs (van Elteren 1960).

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [0], [1], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[9.0], [8.0], [1.0], [2.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> scorer = AucWithinGroup()
    >>> scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 1), batch)).value.item()
    0.5
    """

    area: ClassVar[bool] = True

    @property
    def statistic(self) -> Rows:
        """The activations themselves."""
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        """Return the area per behaviour and neuron, nan where no group has both a present and a control position."""
        return Scores(area_within(state.activations, state.labels, state.groups), neutral=0.5)

    def contrast(self, batch: Batch) -> Contrast:
        """Return the midranks within groups, about their mean: they sum to what the area has beyond 0.5, times pairs.

        A null keeps how many pairs there are: it permutes labels within groups, or exchanges those of groups alike.
        """
        labels = batch.labels[:, 0]
        values, pairs = torch.zeros_like(batch.activations, dtype=torch.float32), 0
        _, number, sizes = torch.unique(batch.groups, return_inverse=True, return_counts=True)
        for rows in torch.split(number.argsort(stable=True), sizes.tolist()):
            present = int((labels[rows] == 1).sum())
            values[rows] = midranks(batch.activations[rows].float()) - (len(rows) + 1) / 2
            pairs += present * (len(rows) - present)

        def score(sums: Float[Tensor, "columns neurons"]) -> Float[Tensor, "columns neurons"]:
            return sums.div(pairs).add_(0.5) if pairs else torch.full_like(sums, torch.nan)

        return Contrast(values, score)

    def resampled(self, batch: Batch, weights: Float[Tensor, "draws positions"]) -> Scores:
        """Return the area of each draw: a group that is drawn twice counts as two."""
        won, pairs, rows = _won_by_group(batch)
        times = weights.to(won.device)[:, rows].double()
        total = (times @ pairs).unsqueeze(1)
        return Scores((times @ won) / total.masked_fill(total == 0, torch.nan), neutral=0.5)

    def interval(self, batch: Batch, confidence: float) -> Interval:
        """Return intervals by the variance of what each group adds, on the logit scale; exact ones for 0 or 1.

        The area is a ratio of sums over groups, of pairs won and of pairs, which are independent from group to group.
        """
        won, pairs, _ = _won_by_group(batch)
        groups = len(pairs)
        area = won.sum(dim=0) / pairs.sum().masked_fill(pairs.sum() == 0, torch.nan)
        residual = (won - pairs[:, None] * area) / pairs.sum()
        variance = (groups / (groups - 1) if groups > 1 else torch.nan) * residual.square().sum(dim=0)
        return area_interval(area, variance, confidence, groups - 1, groups)


def _won_by_group(
    batch: Batch,
) -> tuple[Float64[Tensor, "groups neurons"], Float64[Tensor, "groups"], Int64[Tensor, "groups"]]:
    """Return, of each group that has pairs, those that the present position wins, all, and one of its positions."""
    values = batch.activations
    won, pairs, places = [torch.zeros(0, values.shape[1], dtype=torch.float64, device=values.device)], [], []
    for rows, won_of_group, pairs_of_group in pairs_won(values, batch.labels[:, 0], batch.groups):
        won.append(won_of_group[None])
        pairs.append(pairs_of_group)
        places.append(int(rows[0]))
    sizes = torch.tensor(pairs, dtype=torch.float64, device=values.device)
    return torch.cat(won), sizes, torch.tensor(places, dtype=torch.int64, device=values.device)
