"""Welch's t test."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve import Batch, Moments, MomentsState, Scorer, Scores

__all__ = ["WelchT"]


@dataclass(frozen=True)
class WelchT(Scorer[MomentsState]):
    """Welch's t: the difference of means in standard errors, the classes' variances not taken to be equal.

    Details: `df`, the degrees of freedom (Welch 1947), and `p`, two-sided. The p-value takes positions to be
    independent, which those of one document are not: read it as a description, and let the null decide.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[4.0], [6.0], [1.0], [3.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> scorer = WelchT()
    >>> scores = scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 1), batch))
    >>> round(scores.value.item(), 4), scores.details["df"].item(), round(scores.details["p"].item(), 4)
    (2.1213, 2.0, 0.1679)
    """

    bounded: ClassVar[bool] = True
    unit_free: ClassVar[bool] = True

    @property
    def statistic(self) -> Moments:
        """Means and variances."""
        return Moments()

    def compute(self, state: MomentsState) -> Scores:
        """Return t per behaviour and neuron, nan where a class lacks a variance or both have none."""
        from scipy.special import stdtr

        positions = state.positions.double().unsqueeze(-1)
        # The squared standard error of each class's mean.
        control, present = state.m2 / (positions * (positions - 1))
        squared = control + present
        freedom = squared.square() / (control.square() / (positions[0] - 1) + present.square() / (positions[1] - 1))
        defined = (positions > 1).all(dim=0) & (squared > 0)
        t = ((state.mean[1] - state.mean[0]) / squared.sqrt()).where(defined, torch.nan)
        df = freedom.where(defined, torch.nan)
        p = 2 * torch.as_tensor(stdtr(df.cpu().numpy(), -t.abs().cpu().numpy())).to(t.device)
        return Scores(t, details={"df": df, "p": p})

    def resampled(self, batch: Batch, weights: Float[Tensor, "draws positions"]) -> Scores:
        """Return the score of each draw from its moments."""
        return self.compute(self.statistic.resampled(batch, weights))
