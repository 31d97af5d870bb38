"""What a detector promises, which says where a behaviour shows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from neurosieve.data import Document, Scope, Span, TokenizedDocument

__all__ = ["Detector"]


class Detector(ABC):
    """Says where in a document a behaviour shows, in characters: it does not see tokens.

    A detector that can look elsewhere than in what the model wrote has a field `scope`.
    """

    whole_texts: bool = False
    """Whether it labels whole texts. What it yields as near-misses are then texts of which it is not known whether
    they show the behaviour, and the label of such a near-miss says why."""

    near_misses_are_unknown: bool = False
    """Whether what it yields as near-misses is what it cannot tell, so that the label of each says why; of one that
    labels whole texts that is so in any case."""

    looks_ahead: bool = False
    """Whether it is to have all documents of a run before it labels the first one, as where it asks a server or a large
    model: the run then calls `prepare`, and holds the documents in memory. What it yields as near-misses are spans of
    which it is not known whether they show the behaviour, and the label of such a near-miss says why."""

    asks_server: bool = False
    """Whether it asks a server for each text, which takes time and may cost money: it is refused where it cannot look
    ahead, as in a pass without a store."""

    cost_fields: ClassVar[tuple[str, ...]] = ()
    """Which of its fields decide what a label costs, and not what it is."""

    scope: Scope = "completion"
    """Where it looks, and where its controls are taken from: spans elsewhere are counted and left out."""

    @abstractmethod
    def detect(self, document: Document) -> Iterable[Span]:
        """Yield where the behaviour shows, in characters of `document.text`, in any order."""

    def near_misses(self, document: Document) -> Iterable[Span]:
        """Yield what is nearly the behaviour as far as the detector can see, in any order.

        A run counts it and shows an example, and takes no control there: it may well be what is looked for.
        """
        return ()

    def check(self, documents: Sequence[Document | TokenizedDocument]) -> None:  # noqa: B027  # Most have nothing to do.
        """Raise where the settings fit none of the documents of a run, such as a field that no record has.

        A run calls it once all documents are read, and again for those that it replicates on, where it ends the run
        only if no behaviour shows. A pass without a store never has all of them, and does not; it takes no detector
        that labels whole texts.

        Raises:
            DataError: the message says what the documents hold instead.
        """

    def doubts(self, documents: Sequence[Document | TokenizedDocument]) -> Iterable[str]:
        """Yield what makes its labels of the documents of a run doubtful, such as that it was trained on them.

        A run warns of it. It is called where `check` is.
        """
        return ()

    def remark(self) -> str:
        """Return what every run with it is to note, such as how good it was measured to be; empty for nothing."""
        return ""

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterable[str]:
        """Do at once what takes long for each of some documents, and return what a run is to note of it.

        Called where `looks_ahead`, before `detect`, which gives the same without it, only slower.

        Args:
            documents: all of a run.
            progress: hears how far it has come, as `progress(stage=..., done=3, total=40, unit="documents")`; `done`
                equals `total` at the end.
        """
        return ()

    def estimate(self, documents: Sequence[Document]) -> str:
        """Return what `prepare` would cost for some documents, in half a sentence; empty where nothing is left to do.

        A plan says so in place of doing it.
        """
        return ""
