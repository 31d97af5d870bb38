"""The activations of each neuron in order: what every score that reads order alone starts from."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from neurosieve_plugins.statistics.rows import RowsState

__all__ = ["Ordered", "in_order", "midranks"]

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


def midranks(values: Float32[Tensor, "positions neurons"]) -> Float32[Tensor, "positions neurons"]:
    """Return the rank of each value among those of its neuron, from 1; ties share the mean of their ranks.

    nan for a neuron that has a nan.
    """
    positions, neurons = values.shape
    ranks = torch.empty(neurons, positions)
    width = max(1, _ELEMENTS_AT_ONCE // max(1, positions))
    for start in range(0, neurons, width):
        chunk = slice(start, start + width)
        ranks[chunk] = torch.from_numpy(_ranked_rows(values[:, chunk].T.contiguous().cpu().numpy()))
    return ranks.T.to(values.device)


def _ranked_rows(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the midranks along each row.

    Each value is packed with its place into one integer: numpy sorts integers by vector instructions, several times as
    fast as it sorts places by value.
    """
    if rows.shape[1] == 0:
        return rows
    bits = (rows + np.float32(0)).view(np.uint32)  # -0 is 0.
    # Floats in the order of integers: negative ones are turned round.
    key = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31))
    packed = key.astype(np.uint64)
    packed <<= np.uint64(32)
    packed |= np.arange(rows.shape[1], dtype=np.uint64)
    packed.sort(axis=1)
    place = (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)
    packed >>= np.uint64(32)
    number = np.arange(1, rows.shape[1] + 1, dtype=np.int32)
    ordered = np.broadcast_to(number.astype(np.float32), rows.shape)
    tied = packed[:, 1:] == packed[:, :-1]
    if tied.any():
        first = np.maximum.accumulate(np.where(np.pad(tied, ((0, 0), (1, 0))), 0, number), axis=1)
        after = np.where(np.pad(tied, ((0, 0), (0, 1))), number[-1] + 1, number)
        last = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
        ordered = ((first + last) / 2).astype(np.float32)
    ranks = np.empty_like(rows)
    np.put_along_axis(ranks, place, ordered, axis=1)
    ranks[np.isnan(rows).any(axis=1)] = np.nan
    return ranks
