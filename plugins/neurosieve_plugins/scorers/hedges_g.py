"""The standardised difference of means, without the bias of small samples."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from neurosieve import Batch, Contrast, Moments, MomentsState, Scorer, Scores
from neurosieve_plugins.scorers.cohens_d import CohensD

__all__ = ["HedgesG"]

_D = CohensD(hedges=True)


@dataclass(frozen=True)
class HedgesG(Scorer[MomentsState]):
    """How many standard deviations higher a neuron fires with the behaviour, without the bias of small samples.

    Cohen's d with the pooled standard deviation, times 1 - 3 / (4 (n1 + n0 - 2) - 1) (Hedges 1981, "Distribution theory
    for Glass's estimator of effect size"): what `cohens_d` computes with `hedges: true`. 0 is chance level.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[4.0], [6.0], [1.0], [3.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> scorer = HedgesG()
    >>> state = scorer.statistic.update(scorer.statistic.empty(1, 1), batch)
    >>> round(scorer.compute(state).value.item(), 4)
    1.2122
    """

    bounded: ClassVar[bool] = True
    unit_free: ClassVar[bool] = True

    @property
    def statistic(self) -> Moments:
        """Means and variances."""
        return _D.statistic

    def compute(self, state: MomentsState) -> Scores:
        """Return g per behaviour and neuron, nan where a class lacks a variance or both have none."""
        return _D.compute(state)

    def resampled(self, batch: Batch, weights: Float[Tensor, "draws positions"]) -> Scores:
        """Return the score of each draw from its moments."""
        return self.compute(self.statistic.resampled(batch, weights))

    def contrast(self, batch: Batch) -> Contrast | None:
        """Return what gives Cohen's d, corrected."""
        return _D.contrast(batch)
