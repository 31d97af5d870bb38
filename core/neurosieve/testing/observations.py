"""Activations to check statistics and scorers with: drawn from a seed, so that a check never changes its mind."""

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, TypeVar

import torch
from safetensors.torch import load, save
from torch import Tensor

from neurosieve.contracts import Statistic
from neurosieve.data import Batch, Site

__all__ = [
    "PLANTED",
    "SHARDS",
    "arrived",
    "batches",
    "combined",
    "copied",
    "observed",
    "of_behaviour",
    "of_neurons",
    "rows",
    "summary",
]

S = TypeVar("S", bound=tuple[Any, ...])

PLANTED = 4
"""The neuron that fires more where the first behaviour shows, in `observed()`."""

SHARDS = (1, 0, 97, 22, 120)
"""How many positions each part holds when `observed()` is taken in parts."""


def observed(seed: int = 0, planted: int = PLANTED) -> Batch:
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


def rows(batch: Batch, chosen: Tensor) -> Batch:
    """Return some positions of a batch, by number or by mask."""
    parts = ("activations", "labels", "documents", "groups", "token_ids")
    return dataclasses.replace(batch, **{name: getattr(batch, name)[chosen] for name in parts})


def of_neurons(batch: Batch, neurons: Sequence[int]) -> Batch:
    """Return a batch of some of its neurons alone."""
    return dataclasses.replace(batch, activations=batch.activations[:, list(neurons)])


def of_behaviour(batch: Batch, behaviour: int) -> Batch:
    """Return a batch of one behaviour alone, without the positions that are not part of its comparison."""
    return rows(dataclasses.replace(batch, labels=batch.labels[:, [behaviour]]), batch.labels[:, behaviour] >= 0)


def batches(batch: Batch) -> list[Batch]:
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


def copied(state: S) -> S:
    """Return a state in memory of its own: what was taken before must not change with what is taken later."""
    return type(state)(*(value.clone() for value in state))


def combined(statistic: Statistic[S], batch: Batch) -> Iterator[tuple[str, S]]:
    """Yield a batch's summary as taken in parts and merged in several ways, and how."""

    def shards() -> list[S]:
        # Summarised anew each time, as a merge may consume what it is given.
        return [summary(statistic, part) for part in batches(batch)]

    yield "batch by batch", summary(statistic, *batches(batch))
    first, *others = shards()
    for other in others:
        first = statistic.merge(first, other)
    yield "in shards merged from the left", first
    *others, last = shards()
    for other in others[::-1]:
        last = statistic.merge(other, last)
    yield "in shards merged from the right", last
    first, *others = shards()
    for other in others:
        first = statistic.merge(other, first)
    yield "in shards merged in the other order", first
    one, two, three, four, five = shards()
    yield (
        "in shards merged in pairs",
        statistic.merge(statistic.merge(statistic.merge(one, two), three), statistic.merge(four, five)),
    )


def arrived(state: S) -> S:
    """Return a state as it comes back from a file, by safetensors."""
    _check_storable(state)
    stored = save({name: value.contiguous().clone() for name, value in state._asdict().items()})  # type: ignore[attr-defined]
    return type(state)(**load(stored))


def _check_storable(state: Any) -> None:
    if not hasattr(state, "_asdict"):
        raise AssertionError(f"the state is a {type(state).__name__}: make it a NamedTuple of tensors")
    for name, value in state._asdict().items():
        if not isinstance(value, Tensor):
            raise AssertionError(
                f"`{name}` of {type(state).__name__} is a {type(value).__name__}: "
                "a state is all tensors, so that it can be stored and sent"
            )
