"""The area under the ROC curve."""

from dataclasses import dataclass

import torch

from neurosieve import Scorer, Scores
from neurosieve_plugins.scorers.ordering import in_order
from neurosieve_plugins.statistics.rows import Rows, RowsState

__all__ = ["Auc"]


@dataclass(frozen=True)
class Auc(Scorer[RowsState]):
    """The chance that a neuron fires more at a position with the behaviour than at a control, a tie counting half.

    Exact: the Mann-Whitney U with midranks over the number of pairs. 0.5 tells nothing, and is what a constant neuron
    has; below it a neuron fires less with the behaviour.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[3.0], [1.0], [1.0], [0.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> auc = Auc()
    >>> auc.compute(auc.statistic.update(auc.statistic.empty(1, 1), batch)).value.item()
    0.875
    """

    @property
    def statistic(self) -> Rows:
        """The activations themselves."""
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        """Return the area per behaviour and neuron, nan without a present or a control position."""
        behaviours, neurons = state.labels.shape[1], state.activations.shape[1]
        value = torch.full((behaviours, neurons), torch.nan, dtype=torch.float64, device=state.activations.device)
        for behaviour in range(behaviours):
            for ordered in in_order(state, behaviour):
                present, control = ordered.present, ordered.control
                # Seek each position of the smaller class among the larger: fewer searches, in the same sorted rows.
                fewer, more = (present, control) if present.shape[1] <= control.shape[1] else (control, present)
                below = torch.searchsorted(more, fewer).sum(dim=1)
                not_above = torch.searchsorted(more, fewer, right=True).sum(dim=1)
                won = (below + not_above).double() / (2 * fewer.shape[1] * more.shape[1])
                area = won if fewer is present else 1 - won
                value[behaviour, ordered.chunk] = area.masked_fill_(ordered.unordered, torch.nan)
        return Scores(value, neutral=0.5)
