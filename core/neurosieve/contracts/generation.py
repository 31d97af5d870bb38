"""What gives problems to a model, and what grades its answers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from neurosieve.data import Problem, Verdict

__all__ = ["Grader", "Problems"]


class Problems(ABC):
    """Where problems come from, for a model to answer."""

    @abstractmethod
    def __iter__(self) -> Iterator[Problem]:
        """Yield the problems, the same ones in the same order each time."""


class Grader(ABC):
    """Says whether a completion answers its problem correctly."""

    @abstractmethod
    def grade(self, completion: str, truth: str) -> Verdict:
        """Compare the answer that `completion` gives with `truth`, the right answer or a solution that ends with it."""
