"""Annotated sentences, as learners train on them: each with its neighbours, and whether it shows the behaviour."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from neurosieve import DataError, Document, sentences

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
    context: list[tuple[int, int]]
    """Where they, and the sentences of the text that nobody annotated, begin and end: a sentence's neighbours are the
    ones before and after it here."""
    places: list[int]
    """Which of the context each annotated sentence is."""

    @property
    def context_texts(self) -> list[str]:
        """The text of each sentence of the context."""
        return [self.document.text[start:end] for start, end in self.context]


def annotated_stretches(documents: Sequence[Document], labels: Collection[str]) -> Iterator[Stretch]:
    """Yield the annotated sentences of each stretch of what the model wrote; each stretch of text counts once."""
    for document in documents:
        spans = document.in_scope(document.annotations)
        shows = {(span.start, span.end) for span in spans if span.label in labels}
        for start, end in document.stretches():
            bounds = sorted({(span.start, span.end) for span in spans if start <= span.start < end})
            texts = [document.text[begin:behind] for begin, behind in bounds]
            context = _with_gaps(document.text, start, end, bounds) if bounds else []
            place_of = {sentence: place for place, sentence in enumerate(context)}
            places = [place_of[sentence] for sentence in bounds]
            present = [sentence in shows for sentence in bounds]
            yield Stretch(document, start, end, bounds, texts, present, context, places)


def _with_gaps(text: str, start: int, end: int, bounds: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return annotated sentences of a stretch, with the sentences of the text that lie between them, in order.

    A detector that was trained rates a sentence beside those of the text, annotated or not.
    """
    every, context, behind = sentences(text, start, end), list[tuple[int, int]](), start
    starts, ends = zip(*every, strict=True) if every else ((), ())
    for begin, finish in [*bounds, (end, end)]:
        # Those that start behind what is annotated, and end before the next annotated sentence.
        context += every[bisect_left(starts, behind) : bisect_right(ends, begin)]
        context.append((begin, finish))
        behind = max(behind, finish)
    return context[:-1]


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
