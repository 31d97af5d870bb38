"""What an executor promises."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from neurosieve.contracts import Executor
from neurosieve.errors import ConfigError, DataError
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying

__all__ = ["EXECUTOR_CHECKS", "check_executor"]


@dataclass(frozen=True)
class _Squares:
    """Work that squares its units, and fails at one of them; `ahead` of what it yields by some units."""

    ahead: int = 0
    fails_at: int = -1

    def __call__(self) -> Callable[[Iterable[int]], Iterator[int]]:
        return self.work

    def work(self, units: Iterable[int]) -> Iterator[int]:
        taken = []
        for unit in units:
            if unit == self.fails_at:
                raise DataError(f"unit {unit} cannot be squared")
            taken.append(unit * unit)
            if len(taken) > self.ahead:
                yield taken.pop(0)
        yield from taken


def it_has_workers(executor: Executor) -> None:
    """Assert that the number of workers is a whole number from 1 on."""
    workers = executor.workers
    enough = isinstance(workers, int) and workers >= 1
    require(enough, f"{shown(executor)} has {shown(workers)} workers: it must have at least 1")


def every_unit_is_done_once_and_in_order(executor: Executor) -> None:
    """Assert that what comes of the units comes once each and in their order, also where the work looks ahead."""
    for count, ahead in product((0, 1, 7, 40), (0, 2)):
        with trying(executor, f"as it maps {count} units"):
            squares = list(executor.map(_Squares(ahead), iter(range(count))))
        right = squares == [unit * unit for unit in range(count)]
        require(right, f"{shown(executor)} returns {shown(squares)} as the squares of the numbers below {count}")


def units_are_taken_as_they_are_needed(executor: Executor) -> None:
    """Assert that units without end can be mapped: few are taken before what came of the first is yielded."""
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with trying(executor, "as it maps units without end"):
        results = iter(executor.map(_Squares(), endless()))
        first = next(results)
    few = first == 1 and taken <= 100 * executor.workers
    require(few, f"{shown(executor)} takes {taken} units before it yields the first, {first}")
    del results


def an_error_of_the_work_comes_back(executor: Executor) -> None:
    """Assert that an error that a user can meet comes back from a worker as it is."""
    try:
        list(executor.map(_Squares(fails_at=5), range(10)))
    except DataError as error:
        same = str(error) == "unit 5 cannot be squared"
        require(same, f"{shown(executor)} turns the error `unit 5 cannot be squared` into `{error}`")
    except ConfigError:
        raise
    except Exception as error:
        raise AssertionError(f"{shown(executor)} turns a DataError of its work into {type(error).__name__}") from error
    else:
        raise AssertionError(f"{shown(executor)} hides an error of its work")


EXECUTOR_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    it_has_workers,
    every_unit_is_done_once_and_in_order,
    units_are_taken_as_they_are_needed,
    an_error_of_the_work_comes_back,
)
check_executor = checker(EXECUTOR_CHECKS)
