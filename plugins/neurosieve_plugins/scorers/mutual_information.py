"""Mutual information between a neuron and a behaviour."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from neurosieve import ConfigError, Rows, RowsState, Scorer, Scores
from neurosieve_plugins.scorers.ordering import midranks

__all__ = ["MutualInformation"]

_ELEMENTS_AT_ONCE = 1 << 22
"""How many float64 numbers a temporary may hold: 32 MiB of them."""


@dataclass(frozen=True)
class MutualInformation(Scorer[RowsState]):
    """The information, in nats, that the quantile of a neuron's activation gives about whether the behaviour shows.

    The plug-in estimate from counts in `bins` quantile bins over the compared positions. A value is binned by its
    midrank, so that equal values share one bin, the one that the middle of them falls into. It sees what is not
    monotone, such as a neuron that is near 0 with the behaviour alone, and has no sign. 0 is chance level; the most is
    the entropy of the labels.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[4.0], [6.0], [1.0], [3.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> scorer = MutualInformation(bins=2)
    >>> state = scorer.statistic.update(scorer.statistic.empty(1, 1), batch)
    >>> round(scorer.compute(state).value.item(), 4)
    0.6931
    """

    unit_free: ClassVar[bool] = True

    centred: ClassVar[bool] = False
    """Noise has about (bins - 1) / (2 positions) nats. This bias is not subtracted, so that the score is what its name
    says: the null has it too."""

    bins: int = 8
    """Into how many quantile bins the activations go; fewer for a neuron with large ties."""

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ConfigError(f"`bins` of `mutual_information` is {self.bins}: it must be at least 2.")

    @property
    def statistic(self) -> Rows:
        """The activations themselves."""
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        """Return the information per behaviour and neuron, nan without a present or a control position."""
        behaviours, neurons = state.labels.shape[1], state.activations.shape[1]
        value = torch.full((behaviours, neurons), torch.nan, dtype=torch.float64, device=state.activations.device)
        for rows, columns in _compared_alike(state):
            present = (state.labels[rows][:, columns] == 1).T.float()
            width = max(1, _ELEMENTS_AT_ONCE // max(len(rows), len(columns), 1))
            for start in range(0, neurons, width):
                chunk = slice(start, start + width)
                ranks = midranks(state.activations[:, chunk][rows])
                information = _information(ranks, self.bins, present)
                value[columns, chunk] = information.masked_fill_(ranks.isnan().any(dim=0), torch.nan)
        return Scores(value)


def _compared_alike(state: RowsState) -> Iterator[tuple[Int64[Tensor, "some"], Int64[Tensor, "columns"]]]:
    """Yield positions, and the behaviours that compare exactly these: permuted labels are all binned at once."""
    if len(state.labels) == 0:
        return
    sets, number = torch.unique(state.labels >= 0, dim=1, return_inverse=True)
    for index in range(sets.shape[1]):
        rows = sets[:, index].nonzero().squeeze(1)
        yield rows, (number == index).nonzero().squeeze(1)


def _information(
    ranks: Float32[Tensor, "positions neurons"], bins: int, present: Float32[Tensor, "columns positions"]
) -> Float64[Tensor, "columns neurons"]:
    """Return the mutual information in nats; nan for a column of labels that lacks a class."""
    positions = len(ranks)
    # In whole numbers: a rank may lie right on the edge of two bins.
    number = ranks.nan_to_num(1.0).mul(2).long().sub_(1).mul_(bins).div_(max(1, 2 * positions), rounding_mode="floor")
    classes = torch.stack([present.sum(dim=1), (1 - present).sum(dim=1)]).double().unsqueeze(-1)
    # As entropies, in counts: n log n summed over the table, less that over its margins.
    total = _n_log_n(torch.tensor(float(positions))) - _n_log_n(classes).sum(dim=0)
    total = total.repeat(1, ranks.shape[1])
    for index in range(bins):
        inside = (number == index).float()
        # float32 counts exactly up to 2^24.
        both = (present @ inside).double()
        each = inside.sum(dim=0).double()
        total += _n_log_n(both).add_(_n_log_n(each - both)).sub_(_n_log_n(each))
    # Rounding may leave a little less than 0.
    return (total / positions).clamp_(min=0).masked_fill_((classes == 0).any(dim=0), torch.nan)


def _n_log_n(count: Tensor) -> Float64[Tensor, "*shape"]:
    terms: Tensor = torch.special.xlogy(count.double(), count.double())
    return terms
