"""Detect sentences by a classifier that was trained on annotations."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from neurosieve import ConfigError, Document, Learnable, Scope, Span, check_fields
from neurosieve_plugins.detectors.sentence_model import SentenceModel, fit_sentences, load_sentences

__all__ = ["Learned"]


@dataclass(frozen=True)
class Learned(Learnable):
    """Sentences that show the behaviour by the judgement of a classifier, trained by `neurosieve learn`.

    Its features are words and pieces of words of the sentence, and words of the sentences before and after it. A span
    is a whole sentence, with the annotators' label of the behaviour. The classifier's file holds numbers and texts
    alone: opening one runs no code.

    >>> from tempfile import TemporaryDirectory
    >>> text = "So it is 7. Wait, is it? Let me add again."
    >>> spans = (Span(0, 11, "work"), Span(12, 24, "doubt"), Span(25, 42, "work"))
    >>> documents = [Document(id=str(n), group=str(n), text=text, annotations=spans) for n in range(20)]
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "doubt.safetensors")
    ...     Learned.fit(documents, ["doubt"]).save(file, threshold=0.5, about={})
    ...     list(Learned(str(file)).detect(Document(id="a", group="a", text="So it is 9. Wait, is it? Let me add.")))
    [Span(start=12, end=24, label='doubt')]
    """

    path: str
    """The file that `neurosieve learn` wrote."""
    threshold: float | None = None
    """The least probability of a sentence that is marked, 0 to 1; null for the one that was chosen in training."""
    scope: Scope = "completion"
    """Where to look: `completion`, all that the model wrote; `thought` or `answer` alone; or `prompt`, what others
    wrote."""

    def __post_init__(self) -> None:
        check_fields(self, "the detector `learned`: ")
        if not self.path.strip():
            raise ConfigError("`path` of the detector `learned` is empty: give the file that `neurosieve learn` wrote")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f"`threshold` of the detector `learned` is {self.threshold}: give a number from 0 to 1")

    @classmethod
    def fit(cls, documents: Sequence[Document], labels: Collection[str]) -> SentenceModel:
        """Learn to tell the annotated sentences with one of the labels from those without.

        Raises:
            DataError: all of them, or none, have one of the labels, or no two of them share a word.
        """
        return fit_sentences(documents, labels)

    @classmethod
    def load(cls, path: Path) -> SentenceModel:
        """Return the classifier of a file.

        Raises:
            DataError: the file does not exist, is broken, or holds something else.
        """
        return load_sentences(path)

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the sentences of the scope that are likely enough to show the behaviour.

        Raises:
            DataError: the file does not exist, is broken, or holds something else.
        """
        path = Path(self.path).expanduser()
        state = path.stat() if path.is_file() else None
        model = _opened(path, (state.st_mtime_ns, state.st_size) if state else None)
        least = model.threshold if self.threshold is None else self.threshold
        for span, probability in model.rate(document, self.scope):
            if probability >= least:
                yield span


@lru_cache(maxsize=8)
def _opened(path: Path, _version: tuple[int, int] | None) -> SentenceModel:
    return load_sentences(path)
