"""The activations of each neuron in order: what every score that reads order alone starts from."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64
from torch import Tensor

from neurosieve import Batch, RowsState, on_threads

__all__ = ["Ordered", "areas_of_resamples", "midranks", "scored_in_order"]

_ELEMENTS_AT_ONCE = 1 << 18
"""How many float32 numbers a thread sorts at once: 1 MiB of them, which stay in a processor's cache."""
_ELEMENTS_AT_ONCE_ON_A_GPU = 1 << 23
"""The same on a GPU: 32 MiB of them."""
_FEWEST_AT_ONCE = 16
"""How many neurons are read at once whatever the number of positions: one cache line of each row."""
_RESAMPLED_AT_ONCE = 512
"""Of how many neurons a thread counts the pairs of all draws at once."""
_ADDED_IN_FLOAT32 = 64
"""How many counts are added up before they are added to a sum in float64."""
_RANKED_AT_ONCE = 1 << 17
"""How many activations a thread ranks at once: few enough that they stay in a processor's cache."""


class Ordered(NamedTuple):
    """Some neurons of a layer, one row each, their activations at the positions of each class from low to high."""

    present: Float32[Tensor, "neurons present"]
    control: Float32[Tensor, "neurons control"]

    @property
    def unordered(self) -> Bool[Tensor, "neurons"]:
        """Which neurons have a nan among their activations; sorting puts it last."""
        return self.present[:, -1].isnan() | self.control[:, -1].isnan()


def scored_in_order(
    state: RowsState, score: Callable[[Ordered], Float64[Tensor, "some"]]
) -> Float64[Tensor, "behaviours neurons"]:
    """Return what `score` says of neurons whose activations are sorted; nan without both classes, or for a nan.

    Values are sorted, never indices: numpy's sort of values is vectorised, and several times as fast as any argsort.
    """
    activations = state.activations
    behaviours, neurons = state.labels.shape[1], activations.shape[1]
    scored = torch.full((behaviours, neurons), torch.nan, dtype=torch.float64, device=activations.device)
    at_once = _ELEMENTS_AT_ONCE if activations.device.type == "cpu" else _ELEMENTS_AT_ONCE_ON_A_GPU
    width = max(_FEWEST_AT_ONCE, at_once // max(1, len(state.labels)))
    for behaviour in range(behaviours):
        labels = state.labels[:, behaviour]
        present, control = (labels == 1).nonzero().squeeze(1), (labels == 0).nonzero().squeeze(1)
        if len(present) == 0 or len(control) == 0:
            continue
        score_some = partial(_score_columns, score, activations, present, control, scored[behaviour], width)
        on_threads(score_some, range(0, neurons, width), activations.device)
    return scored


def _score_columns(
    score: Callable[[Ordered], Float64[Tensor, "some"]],
    activations: Float32[Tensor, "positions neurons"],
    present: Int64[Tensor, "present"],
    control: Int64[Tensor, "control"],
    scored: Float64[Tensor, "neurons"],
    width: int,
    start: int,
) -> None:
    """Write the scores of `width` neurons from `start` on; `present` and `control` are places of positions."""
    chunk = slice(start, start + width)
    values = activations[:, chunk]
    ordered = Ordered(*(_sorted_columns(values.index_select(0, rows)) for rows in (present, control)))
    scored[chunk] = score(ordered).masked_fill_(ordered.unordered, torch.nan)


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
    if values.device.type != "cpu":
        return _midranks_on_a_gpu(values)
    positions, neurons = values.shape
    ranks = np.empty((neurons, positions), dtype=np.float32)
    width = max(1, _RANKED_AT_ONCE // max(1, positions))
    rank = partial(_rank_columns, values, ranks, width)
    starts = range(0, neurons, width)
    # numpy lets other threads work as it sorts; one chunk alone is not worth a thread.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        for _ in map(rank, starts) if len(starts) < 2 else threads.map(rank, starts):
            pass
    return torch.from_numpy(ranks).T


def _midranks_on_a_gpu(values: Float32[Tensor, "positions neurons"]) -> Float32[Tensor, "positions neurons"]:
    """Return what `midranks` does: a rank follows from how many values are below, and how many not above."""
    ranks = torch.empty_like(values)
    width = max(1, _ELEMENTS_AT_ONCE_ON_A_GPU // max(1, len(values)))
    for start in range(0, values.shape[1], width):
        columns = values[:, start : start + width].T.contiguous()
        ordered = columns.sort(dim=1).values
        twice = torch.searchsorted(ordered, columns) + torch.searchsorted(ordered, columns, right=True) + 1
        midrank = (twice / 2).masked_fill_(columns.isnan().any(dim=1, keepdim=True), torch.nan)
        ranks[:, start : start + width] = midrank.T
    return ranks


def _rank_columns(
    values: Float32[Tensor, "positions neurons"], ranks: npt.NDArray[np.float32], width: int, start: int
) -> None:
    """Write the midranks of `width` neurons from `start` on."""
    chunk = slice(start, start + width)
    _rank_rows(values[:, chunk].T.contiguous().numpy(), ranks[chunk])


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


def areas_of_resamples(
    batch: Batch, strata: Int[Tensor, "positions"], weights: Float[Tensor, "draws positions"]
) -> Float64[Tensor, "draws neurons"]:
    """Return the area under the ROC curve over pairs of one stratum, each position counting as often as a line says.

    nan where there is no pair, and for a neuron that has a nan.

    Args:
        batch: positions of one behaviour, in one column of labels; every one of them is compared.
        strata: a number for each position.
        weights: how many times each position counts in each draw.
    """
    labels, values = batch.labels[:, 0].cpu(), batch.activations.float()
    number = torch.unique(strata.cpu(), return_inverse=True)[1]
    # In the order of strata and, within one, of activations: twice a midrank is a whole number.
    keys = midranks(values).mul(2).nan_to_num(0.0).cpu().long()
    keys += number.unsqueeze(1) * (2 * len(labels) + 2)
    times = weights.cpu().T.float().contiguous()
    times_present, times_control = (times * (labels == label).unsqueeze(1) for label in (1, 0))
    # The present and the control positions of each stratum, strata by draws.
    size = (int(number.max()) + 1, len(weights))
    m, n = (
        torch.zeros(size, dtype=torch.float64).index_add_(0, number, weight.double())
        for weight in (times_present, times_control)
    )
    pairs = (m * n).sum(dim=0)
    # A present position is above every control of an earlier stratum: those are no pairs.
    no_pairs = ((m.sum(dim=0) - m.cumsum(dim=0)) * n).sum(dim=0)
    won = torch.empty(values.shape[1], len(weights), dtype=torch.float64)

    def count(start: int) -> None:
        some = slice(start, start + _RESAMPLED_AT_ONCE)
        won[some] = _won(keys[:, some].T.contiguous().numpy(), labels.numpy() == 1, times_present, times_control)

    on_threads(count, range(0, len(won), _RESAMPLED_AT_ONCE), torch.device("cpu"))
    areas = ((won - no_pairs) / pairs.masked_fill(pairs == 0, torch.nan)).T
    return areas.masked_fill(values.isnan().any(dim=0).cpu(), torch.nan).to(values.device)


def _won(
    keys: npt.NDArray[np.int64],
    present: npt.NDArray[np.bool_],
    times_present: Float32[Tensor, "positions draws"],
    times_control: Float32[Tensor, "positions draws"],
) -> Float64[Tensor, "neurons draws"]:
    """Return the pairs of each draw in which the present position has the higher key, a tie counting half.

    Were all controls of a tie below its present positions, its pairs would all be won, and none were they above.
    """
    above, below = ((2 * keys + last) for last in (present, ~present))
    order, tied = _order(above, keys, present)
    won = _walked(order, times_present, times_control)
    return (won + _walked(_order(below, keys, present)[0], times_present, times_control)) / 2 if tied else won


def _order(
    keys: npt.NDArray[np.int64], bare: npt.NDArray[np.int64], present: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], bool]:
    """Return the positions of each neuron from the lowest key to the highest, a column each; and whether a present and
    a control position have the same bare key.
    """
    bits = max(1, (keys.shape[1] - 1).bit_length())
    # numpy sorts numbers several times as fast as it sorts their places: these ride along.
    packed = (keys << bits) | np.arange(keys.shape[1])
    packed.sort(axis=1)
    order = packed & ((1 << bits) - 1)
    ordered, shown = np.take_along_axis(bare, order, axis=1), present[order]
    tied = ((ordered[:, 1:] == ordered[:, :-1]) & (shown[:, 1:] != shown[:, :-1])).any()
    return np.ascontiguousarray(order.T), bool(tied)


def _walked(
    order: npt.NDArray[np.int64],
    times_present: Float32[Tensor, "positions draws"],
    times_control: Float32[Tensor, "positions draws"],
) -> Float64[Tensor, "neurons draws"]:
    """Return the pairs of a present position and a control before it, of all neurons and draws at a time."""
    size = (order.shape[1], times_present.shape[1])
    won, lately, passed = torch.zeros(size, dtype=torch.float64), torch.zeros(size), torch.zeros(size)
    for step, places in enumerate(torch.from_numpy(order), 1):
        passed += times_control.index_select(0, places)
        lately.addcmul_(times_present.index_select(0, places), passed)
        if step % _ADDED_IN_FLOAT32 == 0 or step == len(order):
            won += lately
            lately.zero_()
    return won
