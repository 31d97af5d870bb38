"""What a report promises, which draws a finished run."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Report"]


class Report(ABC):
    """Draws a finished run for people to read."""

    @abstractmethod
    def write(self, folder: Path) -> Iterable[Path]:
        """Draw the run in `folder`, and return the files that were written, all of them inside it."""
