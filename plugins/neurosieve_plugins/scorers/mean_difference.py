"""The difference of means."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve import Batch, Contrast, Interval, Scorer, Scores
from neurosieve_plugins.scorers.centring import centred
from neurosieve_plugins.scorers.clusters import sums_by_group, t_quantile
from neurosieve_plugins.statistics.moments import Moments, MomentsState

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

    @property
    def statistic(self) -> Moments:
        """The means."""
        return Moments()

    def compute(self, state: MomentsState) -> Scores:
        """Return the difference per behaviour and neuron, nan without a present or a control position."""
        defined = (state.positions > 0).all(dim=0).unsqueeze(-1)
        return Scores((state.mean[1] - state.mean[0]).where(defined, torch.nan))

    def contrast(self, batch: Batch) -> Contrast:
        """Return the distances from the mean: their sum over the present positions, times a factor, is the score."""
        total, present = len(batch.labels), int((batch.labels == 1).sum())
        pairs = present * (total - present)

        def score(sums: Float[Tensor, "columns neurons"]) -> Float[Tensor, "columns neurons"]:
            return sums * (total / pairs) if pairs else torch.full_like(sums, torch.nan)

        return Contrast(centred(batch.activations), score)

    def interval(self, batch: Batch, confidence: float) -> Interval:
        """Return intervals by the variance of cluster sums (the sandwich of Liang and Zeger 1986), with Student's t."""
        labels, groups, values = batch.labels[:, 0], batch.groups, batch.activations.double()
        present, control = labels == 1, labels == 0
        means = values[present].mean(dim=0), values[control].mean(dim=0)
        residuals = torch.zeros_like(values)
        for mine, mean, sign in ((present, means[0], 1), (control, means[1], -1)):
            residuals[mine] = sign * (values[mine] - mean) / max(1, int(mine.sum()))
        sums, _ = sums_by_group(residuals, groups, groups)
        clusters = len(sums)
        factor = clusters / (clusters - 1) if clusters > 1 else torch.nan
        variance = factor * sums.square().sum(dim=0)
        difference, spread = means[0] - means[1], t_quantile(confidence, clusters - 1) * variance.sqrt()
        return Interval(difference - spread, difference + spread)
