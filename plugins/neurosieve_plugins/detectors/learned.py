"""Detect sentences by what was learned from annotations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from neurosieve import (
    ConfigError,
    Detector,
    Document,
    Fitted,
    Scope,
    Span,
    TokenizedDocument,
    check_fields,
    content_address,
    open_trained,
    plural,
)

__all__ = ["Learned"]


@dataclass(frozen=True)
class Learned(Detector):
    """Sentences that show the behaviour by the judgement of a classifier, trained by `neurosieve learn`.

    Any learner's file is read. A span is a whole sentence, with the annotators' label of the behaviour. The file holds
    numbers and texts alone: opening one runs no code.

    >>> from tempfile import TemporaryDirectory
    >>> from neurosieve_plugins.learners.words import Words
    >>> text = "So it is 7. Wait, is it? Let me add again."
    >>> spans = (Span(0, 11, "work"), Span(12, 24, "doubt"), Span(25, 42, "work"))
    >>> documents = [Document(id=str(n), group=str(n), text=text, annotations=spans) for n in range(20)]
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "doubt.safetensors")
    ...     Words().fit(documents, ["doubt"]).save(file, threshold=0.5, about={})
    ...     list(Learned(str(file)).detect(Document(id="a", group="a", text="So it is 9. Wait, is it? Let me add.")))
    [Span(start=12, end=24, label='doubt')]
    """

    near_misses_are_unknown = True

    path: str
    """The file that `neurosieve learn` wrote."""
    threshold: float | None = None
    """The least rating of a sentence that is marked, 0 to 1; null for the one that was chosen in training."""
    scope: Scope = "completion"
    """Where to look: `completion`, all that the model wrote; `thought` or `answer` alone; or `prompt`, what others
    wrote."""

    def __post_init__(self) -> None:
        check_fields(self, "the detector `learned`: ")
        if not self.path.strip():
            raise ConfigError("`path` of the detector `learned` is empty: give the file that `neurosieve learn` wrote")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f"`threshold` of the detector `learned` is {self.threshold}: give a number from 0 to 1")

    @property
    def fitted(self) -> Fitted:
        """What the file holds: its `about` says what it was learned from, and how good it was measured to be.

        Raises:
            DataError: the file does not exist, is broken, or holds something else.
        """
        path = Path(self.path).expanduser()
        state = path.stat() if path.is_file() else None
        return _opened(path, (state.st_mtime_ns, state.st_size) if state else None)

    def doubts(self, documents: Sequence[Document | TokenizedDocument]) -> Iterator[str]:
        """Yield how many of the documents it was trained on, where there are some."""
        trained_on = set(self.fitted.about.get("texts", ()))
        if seen := sum(content_address(document.text) in trained_on for document in documents):
            yield (
                f"it was trained on {seen:,} of {plural(len(documents), 'document')}: there its labels agree better "
                "with the annotators' than on new texts, and precision and recall that are measured there are too "
                "high; those of `neurosieve learn` are from documents that it was not trained on"
            )

    def remark(self) -> str:
        """Return how good it was measured to be as it was trained, unless another threshold is set."""
        about = self.fitted.about
        measured = {name: about.get(name) for name in ("precision", "recall")}
        if self.threshold is not None or None in measured.values():
            return ""
        return (
            f"on held-out groups of the {plural(about['documents'], 'document')} that it was trained on, it found "
            f"{' or '.join(f'`{label}`' for label in about['labels'])} with a precision of {measured['precision']:.2f} "
            f"and a recall of {measured['recall']:.2f}; `measured=<the run of neurosieve learn>` says what that does "
            "to a ranking"
        )

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the sentences of the scope that are likely enough to show the behaviour.

        Raises:
            DataError: the file does not exist, is broken, or holds something else.
        """
        fitted = self.fitted
        least = fitted.threshold if self.threshold is None else self.threshold
        for span, rating in fitted.rate(document, self.scope):
            if rating >= least:
                yield span

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield the sentences that cannot be rated, each with the reason as its label."""
        yield from self.fitted.unknown(document, self.scope)


@lru_cache(maxsize=8)
def _opened(path: Path, _version: tuple[int, int] | None) -> Fitted:
    return open_trained(path)
