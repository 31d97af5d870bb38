"""What a learner promises, which makes a detector of annotated documents."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from neurosieve.data import Document, Scope, Span

__all__ = ["Fitted", "Learner"]


class Fitted(ABC):
    """What was learned: how likely a stretch of a text shows the behaviour. The detector `learned` reads it."""

    threshold: float = 0.5
    """What is rated this or higher is marked; `save` was given it."""
    about: Mapping[str, Any] = {}
    """What it was learned from, and how good it was measured to be; `save` was given it."""

    @abstractmethod
    def rate(self, document: Document, scope: Scope = "completion") -> Iterable[tuple[Span, float]]:
        """Yield stretches of a scope, labelled, each with a rating from 0 to 1: the higher, the likelier it shows."""

    def unknown(self, document: Document, scope: Scope = "completion") -> Iterable[Span]:
        """Yield the stretches of a scope that cannot be rated, each with the reason as its label.

        They are near-misses: counted and shown, and no control is taken there.
        """
        return ()

    @abstractmethod
    def save(self, path: Path, threshold: float, about: Mapping[str, Any]) -> None:
        """Write it to a safetensors file, which holds in its metadata, under the key `neurosieve`, a JSON object.

        Its `format` is that of the learner. `about` is kept in the file for whoever looks.
        """


class Learner(ABC):
    """Learns from annotated documents where a behaviour shows: `neurosieve learn` measures and keeps what it learns."""

    format: ClassVar[str] = ""
    """What its files say that they are: the detector `learned` finds by it who can open a file. No two learners share
    one."""

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterable[str]:
        """Do at once what takes long for each of some documents, and return what a run is to note of it.

        Called once before documents are learned from, again and again, in parts; `fit` gives the same without it. What
        `progress` hears is as in `Detector.prepare`.
        """
        return ()

    @abstractmethod
    def fit(self, documents: Sequence[Document], labels: Collection[str]) -> Fitted:
        """Learn to tell the annotated spans with one of the labels from the other annotated spans.

        The same documents and labels give the same.

        Raises:
            DataError: the documents hold too little to learn from.
        """

    @classmethod
    @abstractmethod
    def load(cls, path: Path) -> Fitted:
        """Return what `Fitted.save` wrote to a file of this learner's format.

        Raises:
            DataError: the file is broken.
        """
