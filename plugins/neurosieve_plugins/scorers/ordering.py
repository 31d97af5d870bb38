"""The activations of each neuron in order: what every score that reads order alone starts from."""

from collections.abc import Iterator
from typing import NamedTuple

from jaxtyping import Bool, Float32
from torch import Tensor

from neurosieve_plugins.statistics.rows import RowsState

__all__ = ["Ordered", "in_order"]

_ELEMENTS_AT_ONCE = 1 << 23
"""How many float32 numbers a temporary may hold: 32 MiB of them."""


class Ordered(NamedTuple):
    """Some neurons of a layer, one row each, their activations at the positions of each class from low to high."""

    chunk: slice
    present: Float32[Tensor, "neurons present"]
    control: Float32[Tensor, "neurons control"]

    @property
    def unordered(self) -> Bool[Tensor, "neurons"]:
        """Which neurons have a nan among their activations; sorting puts it last."""
        return self.present[:, -1].isnan() | self.control[:, -1].isnan()


def in_order(state: RowsState, behaviour: int) -> Iterator[Ordered]:
    """Yield the neurons in chunks, sorted; nothing if either class has no position.

    Values are sorted, never indices: numpy's sort of values is vectorised, and several times as fast as any argsort.
    """
    labels = state.labels[:, behaviour]
    present, control = (labels == 1).nonzero().squeeze(1), (labels == 0).nonzero().squeeze(1)
    if len(present) == 0 or len(control) == 0:
        return
    neurons = state.activations.shape[1]
    width = max(1, _ELEMENTS_AT_ONCE // len(labels))
    for start in range(0, neurons, width):
        chunk = slice(start, min(start + width, neurons))
        values = state.activations[:, chunk]
        yield Ordered(chunk, _sorted_columns(values[present]), _sorted_columns(values[control]))


def _sorted_columns(values: Float32[Tensor, "rows columns"]) -> Float32[Tensor, "columns rows"]:
    columns = values.T.contiguous()
    if columns.device.type != "cpu":
        return columns.sort(dim=1).values
    # In place: `values` was indexed out of the state's rows, so it is a copy already.
    columns.numpy().sort(axis=1)
    return columns
