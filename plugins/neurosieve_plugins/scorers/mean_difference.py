"""The difference of means."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve import Batch, Contrast, Interval, Moments, MomentsState, Scorer, Scores
from neurosieve_plugins.scorers.centring import centred
from neurosieve_plugins.scorers.clusters import sums_by_group, t_quantile

__all__ = ["MeanDifference"]


@dataclass(frozen=True)
class MeanDifference(Scorer[MomentsState]):
    """How much higher a neuron fires on average with the behaviour than at a control, in the neuron's own unit.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[4.0], [6.0], [1.0], [3.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> scorer = MeanDifference()
    >>> scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 1), batch)).value.item()
    3.0
    """

    bounded: ClassVar[bool] = True

    @property
    def statistic(self) -> Moments:
        """The means."""
        return Moments()

    def compute(self, state: MomentsState) -> Scores:
        """Return the difference per behaviour and neuron, nan without a present or a control position."""
        defined = (state.positions > 0).all(dim=0).unsqueeze(-1)
        return Scores((state.mean[1] - state.mean[0]).where(defined, torch.nan))

    def resampled(self, batch: Batch, weights: Float[Tensor, "draws positions"]) -> Scores:
        """Return the score of each draw from its moments."""
        return self.compute(self.statistic.resampled(batch, weights))

    def contrast(self, batch: Batch) -> Contrast:
        """Return the distances from the mean: their sum over the present positions, times a factor, is the score."""
        total, present = len(batch.labels), int((batch.labels == 1).sum())
        pairs = present * (total - present)

        def score(sums: Float[Tensor, "columns neurons"]) -> Float[Tensor, "columns neurons"]:
            return sums * (total / pairs) if pairs else torch.full_like(sums, torch.nan)

        return Contrast(centred(batch.activations), score)

    def interval(self, batch: Batch, confidence: float) -> Interval:
        """Return intervals by the jackknife over groups, with Student's t; nan where a class is in one group alone.

        The cluster-robust sandwich known as CV3 (Bell and McCaffrey 2002). Plain cluster sums (Liang and Zeger 1986)
        take a group's mean to be known, and are too narrow where few groups hold most of the behaviour.
        """
        values = batch.activations.double()
        labels, groups = batch.labels[:, 0].to(values.device), batch.groups.to(values.device)
        moved, with_class, difference = [], [], torch.zeros_like(values[:1].sum(dim=0))
        for label, sign in ((1, 1), (0, -1)):
            of_class = labels == label
            mean = values[of_class].mean(dim=0)
            sums, has = sums_by_group(values[of_class] - mean, groups[of_class], groups)
            size, _ = sums_by_group(of_class[of_class].double().unsqueeze(1), groups[of_class], groups)
            # How far the mean moves as a group is left out; nan if nothing is left.
            moved.append(sign * sums / torch.where(size < of_class.sum(), of_class.sum() - size, torch.nan))
            with_class.append(int(has.sum()))
            difference += sign * mean
        clusters = len(moved[0])
        variance = (clusters - 1) / max(1, clusters) * (moved[0] + moved[1]).square().sum(dim=0)
        spread = t_quantile(confidence, min(with_class) - 1) * variance.sqrt()
        return Interval(difference - spread, difference + spread)
