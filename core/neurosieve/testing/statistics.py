"""What a statistic promises."""

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from neurosieve.contracts import Statistic
from neurosieve.testing.observations import (
    arrays_of,
    copy_of,
    parts_of,
    random_batch,
    rows,
    same,
    shuffled,
    summary,
    summary_of_parts,
    through_a_file,
)
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying, unchanged

__all__ = ["STATISTIC_CHECKS", "check_statistic"]


def _require_same(statistic: Statistic[Any], expected: Any, state: Any, how: str) -> None:
    empty = statistic.empty(2, 6)
    require(
        type(expected) is type(state) is type(empty),
        f"{shown(statistic)} {how}: the state is a {type(state).__name__}, of a single pass a "
        f"{type(expected).__name__}, and of nothing a {type(empty).__name__}",
    )
    # A state that starts with no rows and gains some, such as one a position, may hold them in any order.
    if all(len(value.shape) > 0 and value.shape[0] == 0 for value in empty):
        expected, state = _sorted(expected), _sorted(state)
    for name, right, value in zip(type(empty)._fields, expected, state, strict=True):
        wrong = f"{shown(statistic)} {how}: `{name}` is {value}, and of a single pass {right}"
        require(same(right, value, rtol=1e-4), wrong)


def _sorted(state: Any) -> tuple[Tensor, ...]:
    """Return a state's fields with their rows, all fields side by side, in order."""
    if len({len(value) for value in state}) > 1:
        return tuple(state)
    table = torch.cat([value.double().unsqueeze(-1).flatten(start_dim=1) for value in state], dim=1)
    order = sorted(range(len(table)), key=lambda row: table[row].tolist())
    return tuple(value[order] for value in state)


def shards_merge_to_what_one_pass_gives(statistic: Statistic[Any]) -> None:
    """Assert the law that batching, resuming and many machines rest on, with uneven shards in any order."""
    batch = random_batch()
    with trying(statistic, "as shards are summarised and merged"):
        whole = copy_of(summary(statistic, batch))
        for how, state in summary_of_parts(statistic, batch):
            _require_same(statistic, whole, state, f"is not the same {how}")


def nothing_changes_nothing(statistic: Statistic[Any]) -> None:
    """Assert that an empty batch, and merging with an empty shard, change nothing."""
    batch = random_batch()
    none = rows(batch, torch.arange(0))
    with trying(statistic, "with an empty batch or shard"):
        whole = copy_of(summary(statistic, batch))
        right, left = statistic.empty(2, 6), statistic.empty(2, 6)
        states = {
            "changes with an empty batch before": summary(statistic, none, batch),
            "changes with an empty batch after": summary(statistic, batch, none),
            "changes when merged with an empty shard": statistic.merge(summary(statistic, batch), right),
            "changes when an empty shard is merged with it": statistic.merge(left, summary(statistic, batch)),
        }
        nothing = statistic.merge(statistic.empty(2, 6), summary(statistic, none))
    for how, state in states.items():
        _require_same(statistic, whole, state, how)
    _require_same(statistic, statistic.empty(2, 6), nothing, "is not empty of nothing")


def order_of_positions_does_not_matter(statistic: Statistic[Any]) -> None:
    """Assert that positions can be read in any order."""
    batch = random_batch()
    with trying(statistic, "as positions are summarised in another order"):
        first = copy_of(summary(statistic, batch))
        _require_same(statistic, first, summary(statistic, shuffled(batch)), "depends on the order of positions")


def batches_are_left_alone(statistic: Statistic[Any]) -> None:
    """Assert that no batch is written to, neither as it is added nor later: other statistics read it too."""
    parts = parts_of(random_batch())
    with ExitStack() as stack:
        for part in parts[::-1]:  # The first is checked first.
            what = f"of a batch of {len(part.labels)} positions"
            stack.enter_context(unchanged(statistic, arrays_of(part), what))
        stack.enter_context(trying(statistic, "as batches are added and merged"))
        later = statistic.merge(summary(statistic, *parts), summary(statistic, *parts[::-1]))
        statistic.update(later, parts[-1])


def empties_share_nothing(statistic: Statistic[Any]) -> None:
    """Assert that every summary of nothing is a new one: `update` and `merge` may consume it."""
    batch = random_batch()
    with trying(statistic, "as it is taken twice"):
        state = summary(statistic, batch)
        first = copy_of(state)
        _require_same(statistic, first, summary(statistic, batch), "differs when it is taken a second time")
        _require_same(statistic, first, state, "changes when it is taken a second time")


def a_state_survives_a_file(statistic: Statistic[Any]) -> None:
    """Assert that a state is all tensors, and that what comes back from safetensors is as good as it was."""
    *parts, last = parts_of(random_batch())
    with trying(statistic, "with a state that was stored by safetensors"):
        before = summary(statistic, *parts)
        stored = through_a_file(before)
        _require_same(statistic, before, stored, "differs after it was stored")
        nothing = through_a_file(statistic.empty(2, 6))
        resumed = copy_of(statistic.merge(through_a_file(statistic.update(stored, last)), nothing))
        whole = summary(statistic, *parts, last)
        _require_same(statistic, resumed, whole, "continues differently after it was stored")


def a_bounded_state_does_not_grow(statistic: Statistic[Any]) -> None:
    """Assert that a statistic that calls itself bounded has a state of one size, however much it has seen."""
    if not statistic.bounded:
        return
    batch = random_batch()
    with trying(statistic, "as it sums up one batch, and two"):
        empty = statistic.empty(batch.labels.shape[1], batch.activations.shape[1])
        before, after = ([tuple(part.shape) for part in state] for state in (empty, summary(statistic, batch, batch)))
    require(before == after, f"{shown(statistic)} calls itself bounded, and its state grows from {before} to {after}")


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
check_statistic = checker(STATISTIC_CHECKS)
