"""What one request is about: some sentences of a document with those around them, some spans, or a whole text."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from neurosieve import Document, Scope, Span, sentences

__all__ = ["Window", "different", "sentence_windows", "span_windows", "text_window"]

_CHARACTERS = 12_000
"""A window ends early where its sentences are longer than this together."""
_CONTEXT_CHARACTERS = 400
"""So much is shown of a sentence that is context alone."""


class Window(NamedTuple):
    """Some stretches of a document that are labelled by one request, in the order of the text."""

    bounds: tuple[tuple[int, int], ...]
    """Where each stretch starts and ends, in characters of the document's text."""
    texts: tuple[str, ...]
    """The text of each."""
    before: tuple[str, ...] = ()
    """The sentences before the first of them, as context."""
    after: tuple[str, ...] = ()
    """The sentences behind the last of them, as context."""
    around: tuple[tuple[str, str], ...] = ()
    """Where the stretches are spans: the text before and after each, as context."""


def different(windows: Iterable[Window]) -> list[Window]:
    """Return one of the windows of each content: those of the same texts have the same answers, wherever they stand."""
    return list({window._replace(bounds=()): window for window in windows}.values())


def sentence_windows(document: Document, scope: Scope, size: int, context: int) -> Iterator[Window]:
    """Yield the sentences of a scope, `size` to a window, with `context` sentences before and after each window.

    No window, and no context, goes beyond a stretch of the scope.
    """
    for bounds in _sentences_of(document.text, tuple(document.stretches(scope))):
        first = 0
        while first < len(bounds):
            last = _last(bounds, first, size)
            before, after = bounds[max(0, first - context) : first], bounds[last : last + context]
            yield Window(
                bounds[first:last],
                tuple(document.text[begin:behind] for begin, behind in bounds[first:last]),
                tuple(_end_of(document.text[begin:behind]) for begin, behind in before),
                tuple(_start_of(document.text[begin:behind]) for begin, behind in after),
            )
            first = last


def span_windows(document: Document, spans: Iterable[Span], scope: Scope, size: int, context: int) -> Iterator[Window]:
    """Yield those of some spans that lie in a scope, `size` to a window, each in its sentence and `context` others."""
    bounds = sorted({(span.start, span.end) for span in document.in_scope(spans, scope)})
    stretches = tuple(document.stretches(scope))
    first = 0
    while first < len(bounds):
        last = _last(bounds, first, size)
        yield Window(
            tuple(bounds[first:last]),
            tuple(document.text[begin:behind] for begin, behind in bounds[first:last]),
            around=tuple(_around(document.text, span, stretches, context) for span in bounds[first:last]),
        )
        first = last


def text_window(document: Document, scope: Scope) -> Window | None:
    """Return the whole text of a scope as one stretch to label; None where it is blank."""
    stretches, text = document.stretches(scope), document.text_of(scope)
    return Window(((stretches[0][0], stretches[-1][1]),), (text,)) if text.strip() else None


def _last(bounds: Sequence[tuple[int, int]], first: int, size: int) -> int:
    """Return where the window ends that starts at the stretch `first`: behind at least one."""
    last, characters = first, 0
    while last < min(len(bounds), first + size):
        characters += bounds[last][1] - bounds[last][0]
        if last > first and characters > _CHARACTERS:
            break
        last += 1
    return last


@lru_cache(maxsize=64)  # The windows of a document are made for its labels, and again for what is not known of it.
def _sentences_of(text: str, stretches: tuple[tuple[int, int], ...]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return where the sentences of each stretch of a text are."""
    return tuple(tuple(sentences(text, start, end)) for start, end in stretches)


def _around(text: str, span: tuple[int, int], stretches: tuple[tuple[int, int], ...], context: int) -> tuple[str, str]:
    """Return the text before a span and the text after it, of its sentences and of `context` others on either side."""
    place = bisect_right(stretches, span[0], key=lambda stretch: stretch[0]) - 1
    (start, end), bounds = stretches[place], _sentences_of(text, stretches)[place]
    first = bisect_right(bounds, span[0], key=lambda sentence: sentence[1])
    behind = bisect_left(bounds, span[1], key=lambda sentence: sentence[0])
    if first < behind:
        start = min(span[0], bounds[max(0, first - context)][0])
        end = max(span[1], bounds[min(len(bounds), behind + context) - 1][1])
    return _end_of(text[start : span[0]], 1 + context), _start_of(text[span[1] : end], 1 + context)


def _start_of(text: str, sentences: int = 1) -> str:
    longest = _CONTEXT_CHARACTERS * sentences
    return text if len(text) <= longest else f"{text[:longest]}…"


def _end_of(text: str, sentences: int = 1) -> str:
    longest = _CONTEXT_CHARACTERS * sentences
    return text if len(text) <= longest else f"…{text[-longest:]}"
