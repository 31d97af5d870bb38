"""A logistic regression on each neuron alone."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from neurosieve import ConfigError, Rows, RowsState, Scorer, Scores, on_threads

__all__ = ["LogisticProbe"]

_ELEMENTS_AT_ONCE = 1 << 19
"""How many numbers a temporary may hold on a processor: 2 MiB of float32, which mostly stay in its caches. Threads
wait for one another's calls where there are fewer."""
_ELEMENTS_AT_ONCE_ON_A_GPU = 1 << 24
"""The same on a GPU, which little work leaves idle."""
_FEWEST_AT_ONCE = 16
"""How many neurons are read at once whatever the number of positions: one cache line of each row."""
_ROUGH_STEPS = 12
_ROUGH = 1e-3
"""By how much the last rough step may move a log odds: what is then off is about the square of this."""
_LAST_STEPS = {torch.float32: 2, torch.float64: 200}
"""How many steps may follow the rough ones in each precision; float64 is for what float32 leaves open."""
_ALONE_ENOUGH = 1 / 16
"""How much of a coefficient must be free of the intercept in float32, whose rounding grows by the inverse of it."""
_FOLDS = 6
"""The chances of 2^6 positions are multiplied before their logarithm is taken."""
_CONVERGED = 1e-8
"""How far at most a coefficient may be off."""
_SURELY_LOWER = 1.75
"""A full step that moves no log odds by more lowers the loss, as e^r - r - 1 < r^2 holds up to r = 1.79."""


@dataclass(frozen=True)
class LogisticProbe(Scorer[RowsState]):
    """How steeply the log odds of the behaviour rise with a neuron's activation, by a logistic regression on it alone.

    The coefficient per standard deviation of the activation over the compared positions, under an L2 penalty (as
    scikit-learn's `LogisticRegression(C=C)`, whose intercept is free). 0 is chance level. Detail: `log_loss_gain`, by
    how many nats per position the fit is better than the intercept alone.

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

    unit_free: ClassVar[bool] = True

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
            if len(present) > 0 and len(control) > 0:
                compared = torch.cat([present, control])
                value[behaviour], gain[behaviour] = _fit_all(state.activations, compared, len(present), self.C)
        return Scores(value, details={"log_loss_gain": gain})


def _fit_all(
    activations: Float32[Tensor, "rows neurons"], compared: Int64[Tensor, "positions"], present: int, strength: float
) -> Float64[Tensor, "2 neurons"]:
    """Return the coefficient and the gain of each neuron, the first `present` of the compared rows being 1."""
    fitted = torch.empty(2, activations.shape[1], dtype=torch.float64, device=activations.device)
    at_once = _ELEMENTS_AT_ONCE if activations.device.type == "cpu" else _ELEMENTS_AT_ONCE_ON_A_GPU
    few = max(1, at_once // len(compared))
    width = max(_FEWEST_AT_ONCE, few)

    def fit(start: int) -> None:
        # Copied first, then turned: torch turns a whole matrix many times as fast as a part of a larger one.
        neurons = activations[:, start : start + width].index_select(0, compared).T.contiguous()
        for first in range(0, len(neurons), few):
            some = neurons[first : first + few]
            fitted[:, start + first : start + first + len(some)] = _fit(_standardised(some), present, strength)

    on_threads(fit, range(0, activations.shape[1], width), activations.device)
    return fitted


def _standardised(activations: Float32[Tensor, "neurons positions"]) -> Float64[Tensor, "neurons positions"]:
    """Return the activations with mean 0 and variance 1, nan where they do not vary."""
    values = activations.double()
    # A constant neuron is then exactly 0, which what follows cannot round to anything else.
    values -= values[:, :1].clone()
    values -= values.mean(dim=1, keepdim=True)
    values /= torch.linalg.vecdot(values, values).div_(values.shape[1]).sqrt_().unsqueeze(1)
    return values


class _Fits(NamedTuple):
    """Regressions on some neurons, one row each, the first `present` positions being 1."""

    x: Float[Tensor, "neurons positions"]
    ends: Float[Tensor, "2 neurons"]
    """The least and the largest of each row: no other position's log odds move as far as at one of them."""
    at: Float[Tensor, "2 neurons"]
    """The coefficient and the intercept, so far."""

    def of(self, rows: Int64[Tensor, "some"]) -> "_Fits":
        """Return some of them, in order."""
        if len(rows) == len(self.x):
            return self
        return _Fits(self.x.index_select(0, rows), self.ends[:, rows], self.at[:, rows])

    def astray(self, present: int) -> Float[Tensor, "neurons positions"]:
        """Return the log odds of calling each position what it is not: no sum takes numbers near 1 from each other."""
        odds = (self.x * self.at[0].unsqueeze(1)).add_(self.at[1].unsqueeze(1))
        odds[:, :present].neg_()
        return odds


class _Step(NamedTuple):
    """Newton's step of each row."""

    newton: Float[Tensor, "2 neurons"]
    reach: Float[Tensor, "neurons"]
    """By how much it moves a log odds at most."""
    promised: Float[Tensor, "neurons"]
    """By how much the loss falls if it is as curved everywhere as it is here."""
    alone: Float[Tensor, "neurons"]
    """How much of the curvature along the coefficient is left when the intercept gives way, 0 to 1."""

    @property
    def damped(self) -> Float[Tensor, "2 neurons"]:
        """So much of the step as lowers the loss for sure, so that no row can diverge, however well told apart.

        A curvature grows by no more than e^r as log odds move by r. A share t of the step thus changes the loss by no
        more than 2 promised ((e^rt - rt - 1) / r^2 - t), which is least at t = ln(1 + r) / r.
        """
        share = torch.where(self.reach <= _SURELY_LOWER, 1.0, self.reach.log1p() / self.reach)
        return self.newton * share

    @property
    def last(self) -> Bool[Tensor, "neurons"]:
        """Whether nothing is left to do after it, in its precision.

        By the norm of the curvature, in which a step is as long as the root of twice what it promises, a full step
        leaves no more than `reach` of its own length; and the penalty alone curves the loss by 1.
        """
        settled = (self.reach <= 1) & (self.reach * (2 * self.promised.abs()).sqrt() <= _CONVERGED)
        return settled & (self.alone >= _ALONE_ENOUGH) if self.reach.dtype == torch.float32 else settled


def _fit(x: Float64[Tensor, "neurons positions"], present: int, strength: float) -> Float64[Tensor, "2 neurons"]:
    """Return the coefficient and the gain in log loss of a regression on each row, the first `present` columns being 1.

    Newton's method on all rows at once: in float32, which takes a third of the time, and in float64 where that does not
    settle. `strength` is scikit-learn's C.
    """
    positions = x.shape[1]
    prevalence = present / positions
    alone = -(prevalence * math.log(prevalence) + (1 - prevalence) * math.log1p(-prevalence))
    fitted = torch.full_like(x[:, :2].T, torch.nan)
    begun = _Fits(x, torch.stack([x.amin(dim=1), x.amax(dim=1)]), _start(x, present, strength))
    out = x[:, 0].isfinite().nonzero().squeeze(1)
    for precision, steps in _LAST_STEPS.items():
        if len(out) == 0:
            break
        fits = _Fits(*(part.to(precision) for part in begun.of(out)))
        if precision == torch.float32:
            fits = _roughly(fits, present, strength)
            begun.at[:, out] = fits.at.double()
        for _ in range(steps):
            astray = fits.astray(present)
            error = astray.sigmoid()
            log_loss = _log_loss(astray, error)
            step = _step(fits, error, present, strength)
            at = fits.at + step.damped
            penalty = (at[0].square() - fits.at[0].square()) / 2
            gain = alone - (log_loss - (step.promised + penalty) / strength) / positions
            settled, further = step.last.nonzero().squeeze(1), (~step.last).nonzero().squeeze(1)
            fitted[:, out[settled]] = torch.stack([at[0], gain])[:, settled].double()
            out, fits = out[further], fits._replace(at=at).of(further)
            if len(out) == 0:
                break
    return fitted


def _start(x: Float64[Tensor, "neurons positions"], present: int, strength: float) -> Float64[Tensor, "2 neurons"]:
    """Return the coefficient and the intercept of Fisher's linear discriminant, near where most regressions end."""
    control = x.shape[1] - present
    total = x[:, :present].sum(dim=1)
    between = total.square() * (1 / present + 1 / control)
    # What is told apart well would start too far out to come back quickly.
    within = (x.shape[1] - between).clamp(min=x.shape[1] / 4)
    coefficient = total / (within * (present * control / x.shape[1] ** 2) + 1 / strength)
    middle = total * (1 / present - 1 / control) / 2
    return torch.stack([coefficient, math.log(present / control) - coefficient * middle])


def _roughly(fits: _Fits, present: int, strength: float) -> _Fits:
    """Return regressions in float32 near where they end; one that rounding leads astray stays where it was."""
    at, out, rough = fits.at.clone(), torch.arange(len(fits.x), device=fits.x.device), fits
    for _ in range(_ROUGH_STEPS):
        if len(out) == 0:
            break
        step = _step(rough, rough.astray(present).sigmoid_(), present, strength)
        rough = rough._replace(at=rough.at + step.damped)
        usable = rough.at.isfinite().all(dim=0) & (step.promised >= 0)
        at[:, out[usable]] = rough.at[:, usable]
        further = (usable & (step.reach > _ROUGH)).nonzero().squeeze(1)
        out, rough = out[further], rough.of(further)
    return fits._replace(at=at)


def _log_loss(
    astray: Float[Tensor, "neurons positions"], error: Float[Tensor, "neurons positions"]
) -> Float[Tensor, "neurons"]:
    """Return the sum of log(1 + e^astray) over each row; `astray` is written to."""
    # The chance of the likelier call is at least a half. As many as are multiplied here cannot get too small, and
    # logarithms are what takes the time.
    loss, columns = astray.clamp_(min=0).sum(dim=1), error.shape[1]
    chance = torch.maximum(error, torch.sub(1, error, out=astray), out=astray)
    for _ in range(_FOLDS):
        kept = (columns + 1) // 2
        chance[:, : columns - kept] *= chance[:, kept:columns]
        columns = kept
    return loss - chance[:, :columns].log().sum(dim=1)


def _step(fits: _Fits, error: Float[Tensor, "neurons positions"], present: int, strength: float) -> _Step:
    """Return Newton's step; `error` is written to."""
    # In place, as every fresh temporary would drive another out of the cache.
    weight = torch.addcmul(error, error, error, value=-1)
    error[:, :present].neg_()
    slope_intercept = strength * error.sum(dim=1)
    slope = torch.stack([strength * error.mul_(fits.x).sum(dim=1) + fits.at[0], slope_intercept])
    curve_intercept = strength * weight.sum(dim=1)
    curve_both = strength * weight.mul_(fits.x).sum(dim=1)
    curve_coefficient = strength * weight.mul_(fits.x).sum(dim=1) + 1
    product = curve_coefficient * curve_intercept
    determinant = product - curve_both.square()
    newton = (
        torch.stack(
            [
                curve_both * slope[1] - curve_intercept * slope[0],
                curve_both * slope[0] - curve_coefficient * slope[1],
            ]
        )
        / determinant
    )
    reach = (fits.ends * newton[0]).add_(newton[1]).abs_().amax(dim=0)
    return _Step(newton, reach, promised=-(newton * slope).sum(dim=0) / 2, alone=determinant / product)
