"""The area under the ROC curve."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from neurosieve import Batch, Contrast, Interval, Rows, RowsState, Scorer, Scores
from neurosieve_plugins.scorers.clusters import area_interval, sums_by_group
from neurosieve_plugins.scorers.ordering import Ordered, areas_of_resamples, midranks, scored_in_order

__all__ = ["Auc"]


@dataclass(frozen=True)
class Auc(Scorer[RowsState]):
    """The chance that a neuron fires more at a position with the behaviour than at a control, a tie counting half.

    Exact: the Mann-Whitney U with midranks over the number of pairs. 0.5 is chance level, and is what a constant neuron
    has; below it a neuron fires less with the behaviour.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[3.0], [1.0], [1.0], [0.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> auc = Auc()
    >>> auc.compute(auc.statistic.update(auc.statistic.empty(1, 1), batch)).value.item()
    0.875
    """

    area: ClassVar[bool] = True

    @property
    def statistic(self) -> Rows:
        """The activations themselves."""
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        """Return the area per behaviour and neuron, nan without a present or a control position."""
        return Scores(scored_in_order(state, _area), neutral=0.5)

    def contrast(self, batch: Batch) -> Contrast:
        """Return the midranks, whose sum over the present positions is Mann and Whitney's U up to a constant."""
        total, present = len(batch.labels), int((batch.labels == 1).sum())
        pairs = present * (total - present)
        # About their mean, so that float32 sums stay exact for longer.
        ranks = midranks(batch.activations.float()).sub_((total + 1) / 2)

        def score(sums: Float[Tensor, "columns neurons"]) -> Float[Tensor, "columns neurons"]:
            return sums.div(pairs).add_(0.5) if pairs else torch.full_like(sums, torch.nan)

        return Contrast(ranks, score)

    def resampled(self, batch: Batch, weights: Float[Tensor, "draws positions"]) -> Scores:
        """Return the area of each draw; a neuron's controls are sorted once for all of them."""
        return Scores(areas_of_resamples(batch, torch.zeros_like(batch.documents), weights), neutral=0.5)

    def interval(self, batch: Batch, confidence: float) -> Interval:
        """Return intervals by the clustered variance of Obuchowski (1997, "Nonparametric analysis of clustered ROC
        curve data", Biometrics 53), on the logit scale; exact ones for an area of 0 or 1.
        """
        values = batch.activations.float()
        labels, groups = batch.labels[:, 0].to(values.device), batch.groups.to(values.device)
        present, control = labels == 1, labels == 0
        m, n = int(present.sum()), int(control.sum())
        if not (m and n):
            nothing = torch.full((values.shape[1],), torch.nan, dtype=torch.float64, device=values.device)
            return Interval(nothing, nothing.clone())
        overall = midranks(values)
        # For each position, the share of the other class that it outfires, or that outfires it.
        won = (overall[present] - midranks(values[present])).double() / n
        lost = 1 - (overall[control] - midranks(values[control])).double() / m
        area = won.mean(dim=0)
        x, has_x = sums_by_group(won - area, groups[present], groups)
        y, has_y = sums_by_group(lost - area, groups[control], groups)
        clusters, with_x, with_y = len(x), int(has_x.sum()), int(has_y.sum())
        factors = [torch.tensor(k / (k - 1) if k > 1 else torch.nan) for k in (with_x, with_y, clusters)]
        s10 = factors[0] / m * x.square().sum(dim=0)
        s01 = factors[1] / n * y.square().sum(dim=0)
        s11 = factors[2] * (x * y).sum(dim=0)
        variance = s10 / m + s01 / n + 2 * s11 / (m * n)
        fewest = min(with_x, with_y)
        return area_interval(area, variance, confidence, fewest - 1, fewest)


def _area(ordered: Ordered) -> Float64[Tensor, "neurons"]:
    present, control = ordered
    # Seek each position of the smaller class among the larger: fewer searches, in the same sorted rows.
    fewer, more = (present, control) if present.shape[1] <= control.shape[1] else (control, present)
    below = torch.searchsorted(more, fewer).sum(dim=1)
    not_above = torch.searchsorted(more, fewer, right=True).sum(dim=1)
    won = (below + not_above).double() / (2 * fewer.shape[1] * more.shape[1])
    return won if fewer is present else 1 - won
