"""What a statistic promises."""

from typing import Any

import torch
from torch import Tensor

from neurosieve.contracts import Statistic
from neurosieve.testing.observations import arrived, batches, combined, copied, observed, rows, summary
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, shown, trying

__all__ = ["STATISTIC_CHECKS", "check_statistic"]


def _assert_same(statistic: Statistic[Any], expected: Any, state: Any, how: str) -> None:
    empty = statistic.empty(2, 6)
    if not (type(expected) is type(state) is type(empty)):
        raise AssertionError(
            f"{shown(statistic)} {how}: the state is a {type(state).__name__}, "
            f"of a single pass a {type(expected).__name__}, and of nothing a {type(empty).__name__}"
        )
    # A state that starts with no rows and gains some, such as one a position, may hold them in any order.
    if all(len(value.shape) > 0 and value.shape[0] == 0 for value in empty):
        expected, state = _sorted(expected), _sorted(state)
    for name, one, other in zip(type(empty)._fields, expected, state, strict=True):
        if not (
            one.shape == other.shape
            and torch.allclose(one.double(), other.double(), rtol=1e-4, atol=1e-4, equal_nan=True)
        ):
            raise AssertionError(f"{shown(statistic)} {how}: `{name}` is {other}, and of a single pass {one}")


def _sorted(state: Any) -> tuple[Tensor, ...]:
    """Return a state's fields with their rows, all fields side by side, in order."""
    if len({len(value) for value in state}) > 1:
        return tuple(state)
    table = torch.cat([value.double().unsqueeze(-1).flatten(start_dim=1) for value in state], dim=1)
    order = sorted(range(len(table)), key=lambda row: table[row].tolist())
    return tuple(value[order] for value in state)


def shards_merge_to_what_one_pass_gives(statistic: Statistic[Any]) -> None:
    """Assert the law that batching, resuming and many machines rest on, with uneven shards in any order."""
    batch = observed()
    with trying(statistic, "as shards are summarised and merged"):
        whole = copied(summary(statistic, batch))
        for how, state in combined(statistic, batch):
            _assert_same(statistic, whole, state, f"is not the same {how}")


def nothing_changes_nothing(statistic: Statistic[Any]) -> None:
    """Assert that an empty batch, and merging with an empty shard, change nothing."""
    batch = observed()
    none = rows(batch, torch.arange(0))
    with trying(statistic, "with an empty batch or shard"):
        whole = copied(summary(statistic, batch))
        ways = {
            "changes with an empty batch before": summary(statistic, none, batch),
            "changes with an empty batch after": summary(statistic, batch, none),
            "changes when merged with an empty shard": statistic.merge(
                summary(statistic, batch), statistic.empty(2, 6)
            ),
            "changes when an empty shard is merged with it": statistic.merge(
                statistic.empty(2, 6), summary(statistic, batch)
            ),
        }
        nothing = statistic.merge(statistic.empty(2, 6), summary(statistic, none))
    for how, state in ways.items():
        _assert_same(statistic, whole, state, how)
    _assert_same(statistic, statistic.empty(2, 6), nothing, "is not empty of nothing")


def order_of_positions_does_not_matter(statistic: Statistic[Any]) -> None:
    """Assert that positions can be read in any order."""
    batch = observed()
    shuffled = rows(batch, torch.randperm(len(batch.labels), generator=torch.Generator().manual_seed(2)))
    with trying(statistic, "as positions are summarised in another order"):
        first = copied(summary(statistic, batch))
        _assert_same(statistic, first, summary(statistic, shuffled), "depends on the order of positions")


def batches_are_left_alone(statistic: Statistic[Any]) -> None:
    """Assert that no batch is written to, neither as it is added nor later: other statistics read it too."""
    parts, before = batches(observed()), batches(observed())
    with trying(statistic, "as batches are added and merged"):
        later = statistic.merge(summary(statistic, *parts), summary(statistic, *parts[::-1]))
        statistic.update(later, parts[-1])
    for part, untouched in zip(parts, before, strict=True):
        for name in ("activations", "labels", "documents", "groups", "token_ids"):
            if not torch.equal(getattr(part, name), getattr(untouched, name)):
                raise AssertionError(
                    f"{shown(statistic)} changes the `{name}` of a batch of {len(part.labels)} positions"
                )


def empties_share_nothing(statistic: Statistic[Any]) -> None:
    """Assert that every summary of nothing is a new one: `update` and `merge` may consume it."""
    batch = observed()
    with trying(statistic, "as it is taken twice"):
        state = summary(statistic, batch)
        first = copied(state)
        _assert_same(statistic, first, summary(statistic, batch), "differs when it is taken a second time")
        _assert_same(statistic, first, state, "changes when it is taken a second time")


def a_state_survives_a_file(statistic: Statistic[Any]) -> None:
    """Assert that a state is all tensors, and that what comes back from safetensors is as good as it was."""
    *parts, last = batches(observed())
    with trying(statistic, "with a state that was stored by safetensors"):
        before = summary(statistic, *parts)
        stored = arrived(before)
        _assert_same(statistic, before, stored, "differs after it was stored")
        resumed = copied(statistic.merge(arrived(statistic.update(stored, last)), arrived(statistic.empty(2, 6))))
        _assert_same(statistic, resumed, summary(statistic, *parts, last), "goes on otherwise after it was stored")


def a_bounded_state_does_not_grow(statistic: Statistic[Any]) -> None:
    """Assert that a statistic that calls itself bounded has a state of one size, however much it has seen."""
    if not statistic.bounded:
        return
    batch = observed()
    with trying(statistic, "as it sums up one batch, and two"):
        empty = statistic.empty(batch.labels.shape[1], batch.activations.shape[1])
        sizes = [[tuple(part.shape) for part in state] for state in (empty, summary(statistic, batch, batch))]
    if sizes[0] != sizes[1]:
        raise AssertionError(
            f"{shown(statistic)} calls itself bounded, and its state grows from {sizes[0]} to {sizes[1]}"
        )


STATISTIC_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    empties_share_nothing,
    batches_are_left_alone,
    shards_merge_to_what_one_pass_gives,
    nothing_changes_nothing,
    a_bounded_state_does_not_grow,
    order_of_positions_does_not_matter,
    a_state_survives_a_file,
)
"""What a statistic promises."""


def check_statistic(statistic: Statistic[Any]) -> None:
    """Check all that a statistic promises.

    Raises:
        AssertionError: it breaks a promise; the message says which, and how.
    """
    for check in STATISTIC_CHECKS:
        check(statistic)
