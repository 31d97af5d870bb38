"""The standardised difference of means."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve import Batch, ConfigError, Contrast, Moments, MomentsState, Scorer, Scores
from neurosieve_plugins.scorers.centring import centred, sums_of_squares

__all__ = ["CohensD"]


@dataclass(frozen=True)
class CohensD(Scorer[MomentsState]):
    """How many standard deviations higher a neuron fires on average with the behaviour than at a control.

    Cohen (1988, "Statistical power analysis for the behavioral sciences"). 0 is chance level.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[4.0], [6.0], [1.0], [3.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> for scorer in CohensD(), CohensD(pooling="average"), CohensD(hedges=True):
    ...     state = scorer.statistic.update(scorer.statistic.empty(1, 1), batch)
    ...     print(round(scorer.compute(state).value.item(), 4))
    2.1213
    3.0
    1.2122
    """

    bounded: ClassVar[bool] = True
    unit_free: ClassVar[bool] = True

    pooling: Literal["pooled", "average"] = "pooled"
    """`pooled` divides by the pooled standard deviation, each class weighted by its degrees of freedom. `average`
    divides by the root of the average of both variances, each over n."""
    hedges: bool = False
    """Whether to take off the bias of small samples (Hedges 1981): times 1 - 3 / (4 (n1 + n0 - 2) - 1)."""

    def __post_init__(self) -> None:
        if self.pooling not in ("pooled", "average"):
            raise ConfigError(f"`pooling` of `cohens_d` is {self.pooling!r}: it must be `pooled` or `average`.")

    @property
    def statistic(self) -> Moments:
        """Means and variances."""
        return Moments()

    def compute(self, state: MomentsState) -> Scores:
        """Return d per behaviour and neuron, nan where a class lacks a variance or both have none."""
        control, present = state.positions.double().unsqueeze(-1)
        freedom = control + present - 2
        if self.pooling == "pooled":
            variance = state.m2.sum(dim=0) / freedom
            defined = (control > 1) & (present > 1)
        else:
            variance = (state.m2[0] / control + state.m2[1] / present) / 2
            defined = (control > 0) & (present > 0)
        d = (state.mean[1] - state.mean[0]) / variance.sqrt()
        if self.hedges:
            d = d * (1 - 3 / (4 * freedom - 1))
            defined &= freedom > 0
        return Scores(d.where(defined & (variance > 0), torch.nan))

    def resampled(self, batch: Batch, weights: Float[Tensor, "draws positions"]) -> Scores:
        """Return the score of each draw from its moments."""
        return self.compute(self.statistic.resampled(batch, weights))

    def contrast(self, batch: Batch) -> Contrast | None:
        """Return the distances from the mean: their sum over the present positions gives the difference of means.

        What both classes vary together does not depend on the labels, so that the pooled variance is that less what
        the difference of means explains. The average of both variances is no such function.
        """
        total, present = len(batch.labels), int((batch.labels == 1).sum())
        control, freedom = total - present, total - 2
        if self.pooling != "pooled":
            return None
        values = centred(batch.activations)
        square = sums_of_squares(values).float()
        factor = 1 - 3 / (4 * freedom - 1) if self.hedges else 1.0

        def score(sums: Float[Tensor, "columns neurons"]) -> Float[Tensor, "columns neurons"]:
            if min(present, control) < 2:
                return torch.full_like(sums, torch.nan)
            difference = sums * (total / (present * control))
            within = square - difference.square() * (present * control / total)
            d = difference.mul_(factor).div_(within.clamp_(min=0).div_(freedom).sqrt_())
            return d.masked_fill_(d.isinf(), torch.nan)

        return Contrast(values, score)
