"""The chosen activations themselves."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float32, Int8, Int64
from torch import Tensor

from neurosieve.contracts import Statistic
from neurosieve.data import Batch

__all__ = ["Rows", "RowsState"]


class RowsState(NamedTuple):
    """A matrix of activations, one row a position, and what is known of each row. The rows are in no order."""

    activations: Float32[Tensor, "positions neurons"]
    labels: Int8[Tensor, "positions behaviours"]
    """1 present, 0 control, -1 not part of this behaviour's comparison."""
    documents: Int64[Tensor, "positions"]
    groups: Int64[Tensor, "positions"]
    token_ids: Int64[Tensor, "positions"]

    def compared(self, behaviour: int) -> tuple[Float32[Tensor, "present neurons"], Float32[Tensor, "control neurons"]]:
        """Return the activations at the present and at the control positions of a behaviour."""
        labels = self.labels[:, behaviour]
        return self.activations[labels == 1], self.activations[labels == 0]


@dataclass(frozen=True)
class Rows(Statistic[RowsState]):
    """Every chosen position's activations, kept as they are: what exact scores and probes read.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1])
    >>> labels = torch.tensor([[1], [0], [-1]], dtype=torch.int8)
    >>> activations = torch.tensor([[1.0], [3.0], [7.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> state = Rows().update(Rows().empty(behaviours=1, neurons=1), batch)
    >>> present, control = state.compared(behaviour=0)
    >>> present.tolist(), control.tolist()
    ([[1.0]], [[3.0]])
    """

    def empty(self, behaviours: int, neurons: int) -> RowsState:
        """Return the summary of nothing, the identity of `merge`."""
        activations = torch.empty(0, neurons, dtype=torch.float32)
        labels = torch.empty(0, behaviours, dtype=torch.int8)
        documents, groups, token_ids = (torch.empty(0, dtype=torch.int64) for _ in range(3))
        return RowsState(activations, labels, documents, groups, token_ids)

    def update(self, state: RowsState, batch: Batch) -> RowsState:
        """Return `state` with the rows of `batch` added, on the batch's device."""
        device = batch.activations.device
        numbers = (part.to(device, torch.int64) for part in (batch.documents, batch.groups, batch.token_ids))
        rows = RowsState(batch.activations.float(), batch.labels.to(device), *numbers)
        return self.merge(RowsState(*(part.to(device) for part in state)), rows)

    def merge(self, left: RowsState, right: RowsState) -> RowsState:
        """Return the rows of both, on the device of `left`."""
        # Rows are never written to, so a state may share a batch's memory: the first batch is not copied.
        if len(left.labels) == 0:
            return right
        if len(right.labels) == 0:
            return left
        device = left.activations.device
        return RowsState(*(torch.cat([old, new.to(device)]) for old, new in zip(left, right, strict=True)))
