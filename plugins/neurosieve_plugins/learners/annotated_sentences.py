"""Annotated sentences, as learners train on them: each with its neighbours, and whether it shows the behaviour."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from neurosieve import DataError, Document

__all__ = ["Stretch", "annotated_stretches", "check_both_kinds"]


class Stretch(NamedTuple):
    """The annotated sentences of one stretch of a text, in order."""

    document: Document
    start: int
    """Where in the document's text the stretch begins, in characters."""
    end: int
    bounds: list[tuple[int, int]]
    """Where each sentence begins and ends."""
    texts: list[str]
    present: list[bool]
    """Which of them have one of the labels."""


def annotated_stretches(documents: Sequence[Document], labels: Collection[str]) -> Iterator[Stretch]:
    """Yield the annotated sentences of each stretch of what the model wrote; each stretch of text counts once."""
    for document in documents:
        spans = document.in_scope(document.annotations)
        shows = {(span.start, span.end) for span in spans if span.label in labels}
        for start, end in document.stretches():
            bounds = sorted({(span.start, span.end) for span in spans if start <= span.start < end})
            texts = [document.text[begin:behind] for begin, behind in bounds]
            yield Stretch(document, start, end, bounds, texts, [sentence in shows for sentence in bounds])


def check_both_kinds(present: Sequence[bool], labels: Collection[str]) -> None:
    """Raise unless some sentences show the behaviour and some do not.

    Raises:
        DataError: all of them, or none, have one of the labels.
    """
    if not any(present) or all(present):
        raise DataError(
            f"of {len(present):,} annotated sentences to learn from, {sum(present):,} have the label "
            f"{' or '.join(f'`{label}`' for label in labels)}: there must be some with it and some without; annotate "
            "the sentences that do not show the behaviour too"
        )
