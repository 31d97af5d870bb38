"""What an executor promises, which runs the model here or elsewhere."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["Executor"]


class Executor(ABC):
    """Where the model is run: in this process, or in several, on one machine or many."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many units are processed at a time."""

    @abstractmethod
    def map(
        self, prepare: Callable[[], Callable[[Iterable[Any]], Iterator[Any]]], units: Iterable[Any]
    ) -> Iterator[Any]:
        """Yield what comes of each unit, once each and in their order, however the work is divided.

        A unit whose worker dies is done again by another: nothing is lost, and nothing comes twice.

        Args:
            prepare: called once in each worker. What it returns is given units, and yields what comes of each in turn;
                it may take a unit before it has yielded what came of the one before. Like the units and what comes
                of them, it can be sent to another process.
            units: taken as they are needed.

        Raises:
            NeurosieveError: what the work raised; or workers die at a unit again and again, or cannot be had.
        """
