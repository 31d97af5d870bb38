"""The checks of executors, each on an executor that breaks it."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest

from neurosieve import DataError, Executor
from neurosieve.testing import EXECUTOR_CHECKS, PLUGIN_CHECKS, check_executor


@dataclass(frozen=True)
class Sound(Executor):
    """One process."""

    workers: int = 1

    def map(self, start: Callable[[], Any], units: Iterable[Any]) -> Iterator[Any]:
        return iter(start()(units))


@dataclass(frozen=True)
class Idle(Sound):
    """No worker."""

    workers: int = 0


@dataclass(frozen=True)
class Shuffling(Sound):
    """The first results come in the other order."""

    def map(self, start: Callable[[], Any], units: Iterable[Any]) -> Iterator[Any]:
        results = super().map(start, units)
        first = list(islice(results, 2))
        yield from first[::-1]
        yield from results


@dataclass(frozen=True)
class Repeating(Sound):
    """Every result comes twice."""

    def map(self, start: Callable[[], Any], units: Iterable[Any]) -> Iterator[Any]:
        for result in super().map(start, units):
            yield result
            yield result


@dataclass(frozen=True)
class Greedy(Sound):
    """A thousand units are taken before the first is done."""

    def map(self, start: Callable[[], Any], units: Iterable[Any]) -> Iterator[Any]:
        units = iter(units)
        first = list(islice(units, 1000))
        yield from start()(first)
        yield from start()(units)


@dataclass(frozen=True)
class Wrapping(Sound):
    """An error of the work comes back as another."""

    def map(self, start: Callable[[], Any], units: Iterable[Any]) -> Iterator[Any]:
        try:
            yield from super().map(start, units)
        except DataError as error:
            raise RuntimeError("a worker failed") from error


@dataclass(frozen=True)
class Rewording(Sound):
    """An error of the work comes back in other words."""

    def map(self, start: Callable[[], Any], units: Iterable[Any]) -> Iterator[Any]:
        try:
            yield from super().map(start, units)
        except DataError as error:
            raise DataError("a worker failed") from error


@dataclass(frozen=True)
class Hiding(Sound):
    """An error of the work ends it."""

    def map(self, start: Callable[[], Any], units: Iterable[Any]) -> Iterator[Any]:
        try:
            yield from super().map(start, units)
        except DataError:
            return


ALL = {check.__name__ for check in EXECUTOR_CHECKS if check not in PLUGIN_CHECKS}
ORDER, ERROR = "every_unit_is_done_once_and_in_order", "an_error_of_the_work_comes_back"
NEED = "units_are_taken_as_they_are_needed"

BROKEN = [
    (Idle(), {"it_has_workers", NEED}, "has 0 workers: it must have at least 1|takes 1 units before"),
    (Shuffling(), {ORDER, NEED}, r"returns \[1, 0, 4.* as the squares|takes 2 units before it yields the first, 4"),
    (Repeating(), {ORDER}, r"returns \[0, 0\] as the squares of the numbers below 1"),
    (Greedy(), {NEED}, "takes 1000 units before it yields the first, 1"),
    (Wrapping(), {ERROR}, "turns a DataError of its work into RuntimeError"),
    (Rewording(), {ERROR}, "turns the error `unit 5 cannot be squared` into `a worker failed`"),
    (Hiding(), {ERROR}, "hides an error of its work"),
]


@pytest.mark.parametrize(("executor", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_an_executor_that_breaks_a_promise_fails_the_checks_of_that_promise(
    executor: Executor, checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(EXECUTOR_CHECKS, executor)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed
    with pytest.raises(AssertionError, match=message):
        check_executor(executor)


def test_every_check_has_an_executor_that_fails_it() -> None:
    assert set().union(*(checks for _, checks, _ in BROKEN)) == ALL


def test_an_executor_that_keeps_its_promises_passes() -> None:
    check_executor(Sound())
