"""A detector that finds what it is told to, and is unsure where it is told to be."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from neurosieve import Detector, Document, Scope, Span


@dataclass(frozen=True)
class Told(Detector):
    """The given stretches, `(start, end)`, and those that it cannot tell."""

    spans: tuple[tuple[int, int], ...] = ()
    unknown: tuple[tuple[int, int], ...] = ()
    scope: Scope = "completion"
    looks_ahead: bool = False

    def detect(self, document: Document) -> Iterable[Span]:
        return [Span(*span, "told") for span in self.spans]

    def near_misses(self, document: Document) -> Iterable[Span]:
        return [Span(*span, "unsure") for span in self.unknown]

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterable[str]:
        progress(stage="asking", done=len(documents), total=len(documents), unit="documents")
        yield f"asked of {len(documents)}"

    def estimate(self, documents: Sequence[Document]) -> str:
        return f"{len(documents)} requests"


@dataclass(frozen=True)
class Whole(Detector):
    """All texts, none of them, or one does not know."""

    shows: bool | None = True
    scope: Scope = "completion"
    label: str = "whole"

    whole_texts = True

    def detect(self, document: Document) -> Iterable[Span]:
        return [Span(*each, self.label) for each in document.stretches(self.scope)] if self.shows else []

    def near_misses(self, document: Document) -> Iterable[Span]:
        return [Span(*each, "no answer") for each in document.stretches(self.scope)] if self.shows is None else []
