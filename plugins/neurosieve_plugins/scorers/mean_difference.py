"""The difference of means."""

from dataclasses import dataclass

import torch

from neurosieve import Scorer, Scores
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
