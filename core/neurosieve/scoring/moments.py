"""Means and variances of the neurons, in bounded memory."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from neurosieve.contracts import Statistic
from neurosieve.data import Batch
from neurosieve.scoring.on_threads import on_threads

__all__ = ["Moments", "MomentsState"]

_ELEMENTS_AT_ONCE = 1 << 18
"""How many float64 numbers a temporary may hold on a processor: 2 MiB of them, which mostly stay in its caches."""
_ELEMENTS_AT_ONCE_ON_A_GPU = 1 << 22
"""The same on a GPU: 32 MiB of them."""
_FEWEST_AT_ONCE = 16
"""How many neurons are read at once whatever the number of positions: one cache line of each row."""


class MomentsState(NamedTuple):
    """How many positions there are, and what they average. The first axis is the label: 0 control, 1 present."""

    positions: Int64[Tensor, "2 behaviours"]
    mean: Float64[Tensor, "2 behaviours neurons"]
    """0 where nothing was counted."""
    m2: Float64[Tensor, "2 behaviours neurons"]
    """The sum of squared distances from the mean: exactly 0 where every activation was the same."""


@dataclass(frozen=True)
class Moments(Statistic[MomentsState]):
    """Count, mean and sum of squared distances from the mean of each neuron, present and control, per behaviour.

    Batches are joined by the formula of Chan, Golub and LeVeque (1983, "Algorithms for computing the sample variance"),
    so that nothing cancels: activations of 10,000 give or take 0.01 keep their variance.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1])
    >>> labels = torch.tensor([[1], [1], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[1.0], [3.0], [7.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> state = Moments().update(Moments().empty(behaviours=1, neurons=1), batch)
    >>> state.positions.flatten().tolist(), state.mean.flatten().tolist(), state.m2.flatten().tolist()
    ([1, 2], [7.0, 2.0], [0.0, 2.0])
    """

    bounded: ClassVar[bool] = True

    def empty(self, behaviours: int, neurons: int) -> MomentsState:
        """Return the summary of nothing, the identity of `merge`."""
        mean, m2 = (torch.zeros(2, behaviours, neurons, dtype=torch.float64) for _ in ("mean", "m2"))
        return MomentsState(torch.zeros(2, behaviours, dtype=torch.int64), mean, m2)

    def update(self, state: MomentsState, batch: Batch) -> MomentsState:
        """Return `state` with `batch` added, on the batch's device."""
        device = batch.activations.device
        return self.merge(MomentsState(*(part.to(device) for part in state)), _moments(batch))

    def resampled(self, batch: Batch, weights: Float[Tensor, "draws positions"]) -> MomentsState:
        """Return the moments of the first behaviour where each position counts as often as each line says."""
        member = torch.stack([batch.labels[:, 0] == label for label in (0, 1)]).unsqueeze(1)
        return _weighted(batch.activations, (member.to(weights.device) * weights).double())

    def merge(self, left: MomentsState, right: MomentsState) -> MomentsState:
        """Return the summary of what `left` and `right` summarise, on the device of `left`."""
        right = MomentsState(*(part.to(left.mean.device) for part in right))
        count = left.positions + right.positions
        share = (right.positions.double() / count.clamp(min=1)).unsqueeze(-1)
        step = right.mean - left.mean
        mean = left.mean + step * share
        m2 = left.m2 + right.m2 + step.square_().mul_(share * left.positions.unsqueeze(-1))
        return MomentsState(count, mean, m2)


def _moments(batch: Batch) -> MomentsState:
    """Return the moments of one batch, all behaviours at once by matrix products.

    The products are of activations less their mean over the batch, which keeps the squares small.
    """
    # Positions out of every comparison go first: as 0 times nan is nan, a weight of 0 would not keep a nan out.
    activations, labels = batch.activations, batch.labels.to(batch.activations.device)
    chosen = (labels >= 0).any(dim=1)
    if not chosen.all():
        activations, labels = activations[chosen], labels[chosen]
    return _weighted(activations, torch.stack([labels.T == 0, labels.T == 1]).double())


def _weighted(
    activations: Float[Tensor, "positions neurons"], weight: Float64[Tensor, "2 columns positions"]
) -> MomentsState:
    """Return the moments of columns in which each position counts as often as `weight` says."""
    positions, neurons = activations.shape
    count = weight.sum(dim=-1).long()
    mean = torch.zeros(*count.shape, neurons, dtype=torch.float64, device=activations.device)
    m2 = torch.zeros_like(mean)
    if positions == 0:
        return MomentsState(count, mean, m2)
    at_once = _ELEMENTS_AT_ONCE if activations.device.type == "cpu" else _ELEMENTS_AT_ONCE_ON_A_GPU
    width = max(_FEWEST_AT_ONCE, at_once // max(positions, count.numel()))
    moments = MomentsState(count, mean, m2)
    first = (weight > 0).byte().argmax(dim=-1)
    summarise = partial(_summarise, activations, weight, first, moments, width)
    on_threads(summarise, range(0, neurons, width), activations.device)
    mean.masked_fill_((count == 0).unsqueeze(-1), 0.0)
    return moments


def _summarise(
    activations: Float[Tensor, "positions neurons"],
    weight: Float64[Tensor, "2 columns positions"],
    first: Int64[Tensor, "2 columns"],
    moments: MomentsState,
    width: int,
    start: int,
) -> None:
    """Write the mean and m2 of `width` neurons from `start` on; `first` is the first position that counts."""
    chunk = slice(start, start + width)
    size = moments.positions.clamp(min=1).double().unsqueeze(-1)
    # Rounding leaves at most this share of a sum of squares where the true m2 is 0.
    rounding = 2 * (size + 1) * torch.finfo(torch.float64).eps
    values = activations[:, chunk].double()
    # About the mean; for a neuron that never changes, its value. In float32, so that subtracting it is exact.
    shift = (values[0] + (values - values[0]).mean(dim=0)).float()
    values = values - shift  # A batch in float64 is this very memory.
    average = weight @ values / size
    squares = weight @ values.square_()
    spread = squares - size * average.square()
    constant = spread <= rounding * squares
    moments.m2[..., chunk] = spread.masked_fill_(constant, 0.0)
    # A constant's mean is its value, to the last bit: else two batches of one constant would seem to differ.
    moments.mean[..., chunk] = torch.where(constant, activations[first, chunk].double(), average + shift)
