"""A logistic regression on each neuron alone."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from neurosieve import ConfigError, Scorer, Scores
from neurosieve_plugins.statistics.rows import Rows, RowsState

__all__ = ["LogisticProbe"]

_ELEMENTS_AT_ONCE = 1 << 15
"""How many float64 numbers a temporary may hold: 256 KiB of them. They stay in a processor's cache, and torch does not
split such small work over threads, whose waiting for each other is most of the time on a busy machine."""
_FEWEST_AT_ONCE = 16
"""How many neurons are worked on at once whatever the number of positions: one cache line of each row."""
_MOST_STEPS = 200
_CONVERGED = 1e-13
"""What the last step may promise to lower the loss by. The penalty alone curves the loss by 1 along the coefficient,
which is then off by less than 1e-6."""


@dataclass(frozen=True)
class LogisticProbe(Scorer[RowsState]):
    """How steeply the log odds of the behaviour rise with a neuron's activation, by a logistic regression on it alone.

    The coefficient per standard deviation of the activation over the compared positions, under an L2 penalty (as
    scikit-learn's `LogisticRegression(C=C)`, whose intercept is free). 0 tells nothing. Detail: `log_loss_gain`, by how
    many nats per position the fit is better than the intercept alone.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[3.0], [1.0], [2.0], [0.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> scorer = LogisticProbe()
    >>> scores = scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 1), batch))
    >>> round(scores.value.item(), 4), round(scores.details["log_loss_gain"].item(), 4)
    (0.4534, 0.076)
    """

    C: float = 1.0
    """The inverse of the penalty's strength: what is minimised is C times the log losses' sum plus half the squared
    coefficient."""

    def __post_init__(self) -> None:
        if not 0 < self.C < float("inf"):
            raise ConfigError(f"`C` of `logistic_probe` is {self.C}: it must be a positive number.")

    @property
    def statistic(self) -> Rows:
        """The activations themselves."""
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        """Return the coefficient per behaviour and neuron, nan for a constant neuron or an absent class."""
        behaviours, neurons = state.labels.shape[1], state.activations.shape[1]
        value = torch.full((behaviours, neurons), torch.nan, dtype=torch.float64, device=state.activations.device)
        gain = torch.full_like(value, torch.nan)
        for behaviour in range(behaviours):
            labels = state.labels[:, behaviour]
            present, control = (labels == 1).nonzero().squeeze(1), (labels == 0).nonzero().squeeze(1)
            if len(present) == 0 or len(control) == 0:
                continue
            compared = torch.cat([present, control])
            width = max(_FEWEST_AT_ONCE, _ELEMENTS_AT_ONCE // len(compared))
            for start in range(0, neurons, width):
                chunk = slice(start, start + width)
                fitted = _fit(_standardised(state.activations[:, chunk][compared]), len(present), self.C)
                value[behaviour, chunk], gain[behaviour, chunk] = fitted
        return Scores(value, details={"log_loss_gain": gain})


def _standardised(activations: Tensor) -> Float64[Tensor, "positions neurons"]:
    """Return the activations with mean 0 and variance 1, nan where they do not vary."""
    values = activations.double()
    # A constant neuron is then exactly 0, which what follows cannot round to anything else.
    values = values - values[0]
    values -= values.mean(dim=0)
    return values / values.square().mean(dim=0).sqrt()


def _fit(
    x: Float64[Tensor, "positions neurons"], present: int, strength: float
) -> tuple[Float64[Tensor, "neurons"], Float64[Tensor, "neurons"]]:
    """Return the coefficient and the gain in log loss of a regression on each column, the first `present` rows being 1.

    Newton's method on all columns at once. Where a full step does not lower the penalised loss it is halved until it
    does, so that no column can diverge, however well the classes are told apart. `strength` is scikit-learn's C.
    """
    prevalence = present / len(x)
    alone = -(prevalence * math.log(prevalence) + (1 - prevalence) * math.log1p(-prevalence))
    undefined = ~x[0].isfinite()
    settled = undefined.clone()
    loss, log_loss = torch.full_like(x[0], torch.inf), torch.full_like(x[0], torch.inf)
    # Rows: the coefficient and the intercept, of the best fit so far and of the one on trial. The first trial is the
    # intercept alone.
    best = torch.zeros_like(x[:2])
    best[1] = math.log(present / (len(x) - present))
    trial, step, zero = best, torch.zeros_like(best), best.new_zeros(())
    for _ in range(_MOST_STEPS):
        # The log odds of calling each row what it is not: so no sum below takes large numbers from each other.
        astray = torch.addcmul(trial[1], x, trial[0])
        astray[:present].neg_()
        trial_log_loss = torch.logaddexp(astray, zero).sum(dim=0)
        trial_loss = strength * trial_log_loss + trial[0].square() / 2
        # The slack is rounding's: near the minimum it may lift the loss by some units in its last place.
        lower = (trial_loss <= loss * (1 + 1e-14)) & ~settled
        loss, log_loss = torch.where(lower, trial_loss, loss), torch.where(lower, trial_log_loss, log_loss)
        best = torch.where(lower, trial, best)
        error = astray.sigmoid_()
        weight = error * (1 - error)
        error[:present].neg_()
        slope = strength * torch.stack([(error * x).sum(dim=0), error.sum(dim=0)])
        slope[0] += trial[0]
        curve_intercept = strength * weight.sum(dim=0)
        weight *= x
        curve_both = strength * weight.sum(dim=0)
        curve_coefficient = strength * weight.mul_(x).sum(dim=0) + 1
        newton = torch.stack(
            [
                curve_both * slope[1] - curve_intercept * slope[0],
                curve_both * slope[0] - curve_coefficient * slope[1],
            ]
        ) / (curve_coefficient * curve_intercept - curve_both.square())
        promised = -(newton * slope).sum(dim=0) / 2
        settled |= lower & (promised <= _CONVERGED)
        if settled.all():
            break
        step = torch.where(lower, newton, step / 2)
        trial = best + step
    undefined |= ~settled
    return best[0].masked_fill(undefined, torch.nan), (alone - log_loss / len(x)).masked_fill(undefined, torch.nan)
