"""Work in this process."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from neurosieve import Executor

__all__ = ["Local"]


@dataclass(frozen=True)
class Local(Executor):
    """In this process, one unit after another.

    >>> list(Local().map(lambda: lambda units: (unit + 1 for unit in units), [1, 2, 3]))
    [2, 3, 4]
    """

    @property
    def workers(self) -> int:
        """One: this process."""
        return 1

    def map(
        self, prepare: Callable[[], Callable[[Iterable[Any]], Iterator[Any]]], units: Iterable[Any]
    ) -> Iterator[Any]:
        """Yield what comes of each unit."""
        return prepare()(units)
