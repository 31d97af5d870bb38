"""Activations to check statistics and scorers with: drawn from a seed, so that a check never changes its verdict."""

import dataclasses
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any, TypeVar

import torch
from safetensors.torch import load, save
from torch import Tensor

from neurosieve.contracts import Statistic
from neurosieve.data import Batch, Site
from neurosieve.testing.plugins import require

__all__ = [
    "PLANTED",
    "SHARDS",
    "arrays_of",
    "copy_of",
    "of_behaviour",
    "of_neurons",
    "parts_of",
    "random_batch",
    "rows",
    "same",
    "shuffled",
    "summary",
    "summary_of_parts",
    "through_a_file",
]

S = TypeVar("S", bound=tuple[Any, ...])

PLANTED = 4
"""The neuron that fires more where the first behaviour shows, in `random_batch()`."""

SHARDS = (1, 0, 97, 22, 120)
"""How many positions each part holds when `random_batch()` is taken in parts."""


def random_batch(seed: int = 0, planted: int = PLANTED) -> Batch:
    """Return 240 positions of 12 groups, with two behaviours and six neurons of which one is planted."""
    positions, neurons = sum(SHARDS), 6
    rng = torch.Generator().manual_seed(seed)
    documents = torch.randint(24, (positions,), generator=rng)
    present = torch.rand(positions, 2, generator=rng) < torch.tensor([0.3, 0.4])
    compared = torch.rand(positions, 2, generator=rng) < torch.tensor([1.0, 0.8])
    labels = torch.where(compared, present.to(torch.int8), torch.tensor(-1, dtype=torch.int8))
    # To a tenth, and 0 where low: ties, as among real activations.
    activations = torch.randn(positions, neurons, generator=rng).mul(10).round().div(10).clamp(min=-1.0)
    activations[:, planted] += 2.5 * (labels[:, 0] == 1)
    token_ids = torch.randint(4, (positions,), generator=rng)
    return Batch(Site(0), activations, labels, documents=documents, groups=documents // 2, token_ids=token_ids)


def same(left: Tensor, right: Tensor, rtol: float = 1e-3) -> bool:
    """Return whether numbers are the same but for sums in float32, or for a solver that stops when it is near."""
    left, right = left.double(), right.double()
    return left.shape == right.shape and torch.allclose(left, right, rtol=rtol, atol=1e-4, equal_nan=True)


def arrays_of(batch: Batch) -> dict[str, Any]:
    """Return the arrays of a batch by name: one row a position."""
    return {name: getattr(batch, name) for name in ("activations", "labels", "documents", "groups", "token_ids")}


def rows(batch: Batch, chosen: Tensor) -> Batch:
    """Return some positions of a batch, by number or by mask."""
    return dataclasses.replace(batch, **{name: values[chosen] for name, values in arrays_of(batch).items()})


def shuffled(batch: Batch) -> Batch:
    """Return the same positions in another order."""
    return rows(batch, torch.randperm(len(batch.labels), generator=torch.Generator().manual_seed(2)))


def of_neurons(batch: Batch, neurons: Sequence[int]) -> Batch:
    """Return a batch of some of its neurons alone."""
    return dataclasses.replace(batch, activations=batch.activations[:, list(neurons)])


def of_behaviour(batch: Batch, behaviour: int) -> Batch:
    """Return a batch of one behaviour alone, without the positions that are not part of its comparison."""
    return rows(dataclasses.replace(batch, labels=batch.labels[:, [behaviour]]), batch.labels[:, behaviour] >= 0)


def parts_of(batch: Batch) -> list[Batch]:
    """Return the uneven parts of a batch; one is empty."""
    order = torch.randperm(sum(SHARDS), generator=torch.Generator().manual_seed(1))
    return [rows(batch, order[end - size : end]) for size, end in zip(SHARDS, accumulate(SHARDS), strict=True)]


def summary(statistic: Statistic[S], *parts: Batch) -> S:
    """Return the summary of some batches, taken one after the other."""
    state = statistic.empty(parts[0].labels.shape[1], parts[0].activations.shape[1])
    for part in parts:
        state = statistic.update(state, part)
    _check_storable(state)
    return state


def copy_of(state: S) -> S:
    """Return a state in memory of its own: what was taken before must not change with what is taken later."""
    return type(state)(*(value.clone() for value in state))


def summary_of_parts(statistic: Statistic[S], batch: Batch) -> Iterator[tuple[str, S]]:
    """Yield a batch's summary as taken in parts and merged in several ways, and how."""
    yield "batch by batch", summary(statistic, *parts_of(batch))

    def shards() -> list[S]:
        # Summarised anew each time, as a merge may consume what it is given.
        return [summary(statistic, part) for part in parts_of(batch)]

    def merge_before(merged: S, part: S) -> S:
        return statistic.merge(part, merged)

    yield "in shards merged from the left", reduce(statistic.merge, shards())
    yield "in shards merged from the right", reduce(merge_before, shards()[::-1])
    yield "in shards merged in the other order", reduce(merge_before, shards())
    *first, second_last, last = shards()
    pairs = reduce(statistic.merge, first), statistic.merge(second_last, last)
    yield "in shards merged in pairs", statistic.merge(*pairs)


def through_a_file(state: S) -> S:
    """Return a state as it comes back from a file, by safetensors."""
    _check_storable(state)
    stored = save({name: value.contiguous().clone() for name, value in state._asdict().items()})  # type: ignore[attr-defined]
    return type(state)(**load(stored))


def _check_storable(state: Any) -> None:
    kind = type(state).__name__
    require(hasattr(state, "_asdict"), f"the state is a {kind}: make it a NamedTuple of tensors")
    for name, value in state._asdict().items():
        require(
            isinstance(value, Tensor),
            f"`{name}` of {kind} is a {type(value).__name__}: a state is all tensors, to be stored and sent",
        )
