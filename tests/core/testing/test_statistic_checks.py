import re
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor

from neurosieve import Batch, Statistic
from neurosieve.testing import PLUGIN_CHECKS, STATISTIC_CHECKS, check_statistic


class Sums(NamedTuple):
    """How many positions there are, and their sum, by behaviour."""

    count: Tensor
    total: Tensor


@dataclass(frozen=True)
class Sound(Statistic[Any]):
    """Count and sum of the present positions."""

    def empty(self, behaviours: int, neurons: int) -> Any:
        return Sums(torch.zeros(behaviours, 1), torch.zeros(behaviours, neurons))

    def update(self, state: Any, batch: Batch) -> Any:
        return self.merge(state, self.of(batch))

    def of(self, batch: Batch) -> Any:
        weight = (batch.labels == 1).float().T
        return Sums(weight.sum(dim=1, keepdim=True), weight @ batch.activations)

    def merge(self, left: Any, right: Any) -> Any:
        return Sums(left.count + right.count, left.total + right.total)


@dataclass(frozen=True)
class Rows(Sound):
    """The positions, in whatever order they came."""

    def empty(self, behaviours: int, neurons: int) -> Any:
        return Sums(torch.zeros(0), torch.zeros(0, neurons))

    def of(self, batch: Batch) -> Any:
        return Sums(batch.documents.float(), batch.activations)

    def merge(self, left: Any, right: Any) -> Any:
        return Sums(torch.cat([right.count, left.count]), torch.cat([right.total, left.total]))


@dataclass(frozen=True)
class TornRows(Rows):
    """The positions, and the documents of others."""

    def merge(self, left: Any, right: Any) -> Any:
        return Sums(torch.cat([left.count, right.count]), torch.cat([right.total, left.total]))


@dataclass(frozen=True)
class UnweightedMean(Sound):
    """The mean, as the mean of means."""

    def of(self, batch: Batch) -> Any:
        count, total = super().of(batch)
        return Sums(count, total / count.clamp(min=1))

    def merge(self, left: Any, right: Any) -> Any:
        both = (left.count > 0) & (right.count > 0)
        total = left.total + right.total
        return Sums(left.count + right.count, torch.where(both, total / 2, total))


@dataclass(frozen=True)
class Updates(Sound):
    """How often there was something to add."""

    def of(self, batch: Batch) -> Any:
        return Sums(torch.ones(2, 1), super().of(batch).total)


@dataclass(frozen=True)
class Offset(Sound):
    """A sum that starts at one."""

    def empty(self, behaviours: int, neurons: int) -> Any:
        return Sums(torch.zeros(behaviours, 1), torch.ones(behaviours, neurons))


@dataclass(frozen=True)
class Latest(Sound):
    """The latest position."""

    def update(self, state: Any, batch: Batch) -> Any:
        if len(batch.labels) == 0:
            return state
        return Sums(state.count + len(batch.labels), batch.activations[-1:].repeat(2, 1))


@dataclass(frozen=True)
class Rectifying(Sound):
    """The sum of what is positive, made so in place."""

    def of(self, batch: Batch) -> Any:
        batch.activations.clamp_(min=0)
        return super().of(batch)


@dataclass(frozen=True)
class Keeping(Sound):
    """The largest activation, kept in the memory of the first batch."""

    def empty(self, behaviours: int, neurons: int) -> Any:
        return Sums(torch.zeros(1), torch.full((neurons,), -torch.inf))

    def of(self, batch: Batch) -> Any:
        if len(batch.labels) == 0:
            return self.empty(2, batch.activations.shape[1])
        largest = batch.activations[0]
        for row in batch.activations[1:]:
            largest = torch.maximum(largest, row)
        return Sums(torch.zeros(1), largest)

    def merge(self, left: Any, right: Any) -> Any:
        if bool(left.total.isinf().all()):
            return right
        return left._replace(total=torch.maximum(left.total, right.total, out=left.total))


@dataclass(frozen=True)
class OneEmpty(Sound):
    """A sum that is added to in place, from an empty one that is made once."""

    made: ClassVar[Any] = Sums(torch.zeros(2, 1), torch.zeros(2, 6))

    def empty(self, behaviours: int, neurons: int) -> Any:
        return self.made

    def merge(self, left: Any, right: Any) -> Any:
        return Sums(left.count.add_(right.count), left.total.add_(right.total))


@dataclass(frozen=True)
class Knowing(Sound):
    """A sum that is only good with what the process remembers of it."""

    known: ClassVar[dict[int, Tensor]] = {}

    def empty(self, behaviours: int, neurons: int) -> Any:
        return self.know(super().empty(behaviours, neurons))

    def of(self, batch: Batch) -> Any:
        return self.know(super().of(batch))

    def merge(self, left: Any, right: Any) -> Any:
        assert left.total is self.known[id(left.total)]
        assert right.total is self.known[id(right.total)]
        return self.know(super().merge(left, right))

    def know(self, state: Any) -> Any:
        self.known[id(state.total)] = state.total
        return state


@dataclass(frozen=True)
class Bare(Sound):
    """A sum as a bare tuple."""

    def merge(self, left: Any, right: Any) -> Any:
        return (left[0] + right[0], left[1] + right[1])


@dataclass(frozen=True)
class Counting(Sound):
    """A sum with a count that is no tensor."""

    def empty(self, behaviours: int, neurons: int) -> Any:
        return Sums(0, torch.zeros(behaviours, neurons))  # type: ignore[arg-type]

    def merge(self, left: Any, right: Any) -> Any:
        return Sums(left.count + int(right.count.sum()), left.total + right.total)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Crashing(Sound):
    """A sum that needs a position."""

    def of(self, batch: Batch) -> Any:
        batch.activations[0]
        return super().of(batch)


@dataclass(frozen=True)
class Hoarding(Rows):
    """Calls itself bounded, and keeps every row."""

    bounded: ClassVar[bool] = True


BOUNDED = "a_bounded_state_does_not_grow"
ALL = {check.__name__ for check in STATISTIC_CHECKS if check not in PLUGIN_CHECKS} - {BOUNDED}
SHARDS, NOTHING, ORDER = (
    "shards_merge_to_what_one_pass_gives",
    "nothing_changes_nothing",
    "order_of_positions_does_not_matter",
)
FILE, EMPTIES = "a_state_survives_a_file", "empties_share_nothing"

BROKEN = [
    (TornRows(), {SHARDS}, r"TornRows\(\) is not the same .*: `total` is"),
    (UnweightedMean(), {SHARDS}, "is not the same batch by batch: `total` is tensor"),
    (Updates(), {SHARDS, NOTHING}, "`count` is"),
    (Offset(), {SHARDS, NOTHING, FILE}, "`total` is"),
    (Latest(), {SHARDS, ORDER}, "depends on the order of positions|`total` is"),
    (Rectifying(), {"batches_are_left_alone"}, "changes `activations` of a batch of 1 positions"),
    (Keeping(), {"batches_are_left_alone"}, "changes `activations` of a batch of 1 positions"),
    (OneEmpty(), ALL - {"batches_are_left_alone"}, "a second time|a single pass"),
    (Knowing(), {FILE}, "raises KeyError with a state that was stored"),
    (Bare(), ALL, "the state is a tuple: make it a NamedTuple of tensors"),
    (Counting(), ALL, "`count` of Sums is a int: a state is all tensors"),
    (Crashing(), ALL - {EMPTIES, ORDER}, "raises IndexError"),
    (Hoarding(), {BOUNDED}, "calls itself bounded, and its state grows"),
]


@pytest.mark.parametrize(("statistic", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_statistic_that_breaks_a_promise_fails_the_checks_of_that_promise(
    statistic: Statistic[Any], checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(STATISTIC_CHECKS, statistic)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed
    with pytest.raises(AssertionError, match=message):
        check_statistic(statistic)


def test_every_check_has_a_statistic_that_fails_it() -> None:
    assert set().union(*(checks for _, checks, _ in BROKEN if len(checks) < len(ALL))) == ALL | {BOUNDED}


@pytest.mark.parametrize("statistic", [Sound(), Rows()])
def test_a_statistic_that_keeps_its_promises_passes(statistic: Statistic[Any]) -> None:
    check_statistic(statistic)
