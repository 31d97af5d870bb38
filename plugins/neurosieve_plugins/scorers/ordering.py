"""The activations of each neuron in order: what every score that reads order alone starts from."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
_RANKED_AT_ONCE = 1 << 17
"""How many activations a thread ranks at once: few enough that they stay in a processor's cache."""


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
    ranks = np.empty((neurons, positions), dtype=np.float32)
    width = max(1, _RANKED_AT_ONCE // max(1, positions))

    def rank(start: int) -> None:
        chunk = slice(start, start + width)
        _rank_rows(values[:, chunk].T.contiguous().cpu().numpy(), ranks[chunk])

    starts = range(0, neurons, width)
    # numpy lets other threads work as it sorts; one chunk alone is not worth a thread.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        for _ in map(rank, starts) if len(starts) < 2 else threads.map(rank, starts):
            pass
    return torch.from_numpy(ranks).T.to(values.device)


def _rank_rows(rows: npt.NDArray[np.float32], ranks: npt.NDArray[np.float32]) -> None:
    """Write the midranks along each row into `ranks`.

    Each value is packed with its place into one integer: numpy sorts integers by vector instructions, several times as
    fast as it sorts places by value.
    """
    bits = (rows + np.float32(0)).view(np.int32)  # -0 is 0.
    # Floats in the order of integers: the more negative a float, the larger its bits without the sign.
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)
    packed = bits.astype(np.int64)
    packed <<= 32
    packed |= np.arange(rows.size, dtype=np.int64).reshape(rows.shape)
    packed.sort(axis=1)
    place = packed & 0xFFFFFFFF
    packed >>= 32
    ordered = np.empty_like(rows)
    ordered[:] = np.arange(1, rows.shape[1] + 1, dtype=np.float32)
    # Whether a value is that of the next one in its row.
    tied = np.zeros(rows.shape, dtype=np.bool_)
    np.equal(packed[:, 1:], packed[:, :-1], out=tied[:, :-1])
    if tied.any():
        _share(ordered.reshape(-1), tied.reshape(-1))
    ranks.reshape(-1)[place] = ordered
    ranks[np.isnan(rows).any(axis=1)] = np.nan


def _share(ordered: npt.NDArray[np.float32], tied: npt.NDArray[np.bool_]) -> None:
    """Give each run of ties the mean of its ranks."""
    before = np.concatenate([[False], tied[:-1]])
    first, last = np.flatnonzero(tied & ~before), np.flatnonzero(before & ~tied)
    ordered[tied | before] = np.repeat((ordered[first] + ordered[last]) / 2, last - first + 1)
