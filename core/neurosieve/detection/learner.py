"""What a detector promises that learns from annotated documents where a behaviour shows."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.contracts import Detector
from neurosieve.data import Document, Span

__all__ = ["Fitted", "Learnable"]


class Fitted(ABC):
    """What a detector has learned."""

    @abstractmethod
    def rate(self, document: Document) -> Iterable[tuple[Span, float]]:
        """Yield stretches of the completion, each with how likely the behaviour shows there, 0 to 1."""

    @abstractmethod
    def save(self, path: Path, threshold: float, about: Mapping[str, Any]) -> None:
        """Write it to a file, whole; its detector will mark what is rated `threshold` or higher.

        `about` says what it was learned from, as JSON has it; the file keeps it for whoever looks.
        """


class Learnable(Detector):
    """A detector that `neurosieve learn` can train; its field `path` names the file with what it has learned."""

    @classmethod
    @abstractmethod
    def fit(cls, documents: Sequence[Document], labels: Collection[str]) -> Fitted:
        """Learn to tell the annotated spans with one of the labels from the other annotated spans.

        Raises:
            DataError: the documents hold too little to learn from.
        """

    @classmethod
    @abstractmethod
    def load(cls, path: Path) -> Fitted:
        """Return what `Fitted.save` wrote.

        Raises:
            DataError: the file is not there, is broken, or holds something else.
        """
