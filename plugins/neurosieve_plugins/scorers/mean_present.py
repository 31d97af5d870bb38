"""The mean where the behaviour shows, for readings of which zero means nothing."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve import Batch, Interval, Moments, MomentsState, Scorer, Scores
from neurosieve_plugins.scorers.clusters import sums_by_group, t_quantile

__all__ = ["MeanPresent"]


@dataclass(frozen=True)
class MeanPresent(Scorer[MomentsState]):
    """A neuron's mean where the behaviour shows, whatever it is at controls.

    For readings of which zero means that the neuron does nothing, as attributions. Its null flips the signs of what
    whole groups add to the mean.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> attributions = torch.tensor([[-0.4], [-0.6], [0.1], [0.3]])
    >>> batch = Batch(Site(0), attributions, labels, documents=where, groups=where, token_ids=where)
    >>> scorer = MeanPresent()
    >>> scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 1), batch)).value.item()
    -0.5
    """

    bounded: ClassVar[bool] = True
    between_documents: ClassVar[bool] = True

    @property
    def statistic(self) -> Moments:
        """The means."""
        return Moments()

    def compute(self, state: MomentsState) -> Scores:
        """Return the mean per behaviour and neuron, nan without a present or a control position."""
        defined = (state.positions > 0).all(dim=0).unsqueeze(-1)
        return Scores(state.mean[1].where(defined, torch.nan))

    def contributions(self, batch: Batch) -> Float[Tensor, "positions neurons"]:
        """Return what each present position adds to the mean."""
        present = batch.labels[:, 0] == 1
        whole = (int(present.sum()) or torch.nan) if (batch.labels[:, 0] == 0).any() else torch.nan
        return batch.activations * present[:, None].to(batch.activations.device) / whole

    def resampled(self, batch: Batch, weights: Float[Tensor, "draws positions"]) -> Scores:
        """Return the score of each draw from its moments."""
        return self.compute(self.statistic.resampled(batch, weights))

    def interval(self, batch: Batch, confidence: float) -> Interval:
        """Return intervals by the jackknife over groups, with Student's t; nan where a class is in one group alone.

        The cluster-robust sandwich known as CV3 (Bell and McCaffrey 2002).
        """
        device = batch.activations.device
        labels, groups = batch.labels[:, 0].to(device), batch.groups.to(device)
        present = labels == 1
        values = batch.activations[present].double()
        mean = values.mean(dim=0)
        sums, _ = sums_by_group(values - mean, groups[present], groups[present])
        size, _ = sums_by_group(torch.ones_like(values[:, :1]), groups[present], groups[present])
        moved = sums / torch.where(size < len(values), len(values) - size, torch.nan)
        clusters = len(moved)
        variance = (clusters - 1) / max(1, clusters) * moved.square().sum(dim=0)
        freedom = min(clusters, len(torch.unique(groups[labels == 0]))) - 1
        spread = t_quantile(confidence, freedom) * variance.sqrt()
        return Interval(mean - spread, mean + spread)
