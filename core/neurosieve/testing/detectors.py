"""What a detector promises."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import Any, cast

from neurosieve.contracts import Detector
from neurosieve.data import Document, Passage, Role, Span
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying

__all__ = ["DETECTOR_CHECKS", "check_detector"]

_SENTENCES = (
    "So 12 + 7 = 19. Wait, that's not right: let me recalculate. WAIT! I made a mistake, I'm not sure.\n",
    "İstanbul'da İKİ kişi: İ İ İ. STRASSE or Straße, ﬁnally. ",
    "Hmm 🤔👩‍👩‍👧‍👦🇹🇷, no… actually, that’s wrong 😀 ",
    "e\u0301le\u0300ve, Z\u0351\u036b\u0343a\u0300\u0301lgo, \u202eright to left\u202c, \u200bzero\u200dwidth\ufeff ",
    "let's try again;\r\n\tlet me\u00a0rethink\u2028on second thought\x00\x0b",
)


def _words(value: Any) -> Iterator[str]:
    """Yield the strings of a plugin's fields: a text that holds them is one where it finds something."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _words(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _words(item)


def _documents(detector: Any) -> list[Document]:
    """Return documents that are awkward, and that hold what the detector looks for as far as its fields tell."""
    words = [word for field in dataclasses.fields(detector) for word in _words(getattr(detector, field.name))][:50]
    sentences = [*_SENTENCES, *(f"İ🤔e\u0301 {word.upper()} {word}" for word in words)]
    texts = [
        "",
        " ",
        "\n\n\t ",
        "🤔",
        "\u0301",
        "İ",
        "A",
        *sentences,
        *words,
        "İ" * 300 + " " + " ".join(sentences),
        "".join(islice(cycle("".join(sentences)), 100_000)),
        "İ" * 100_000,
        " " * 100_000,
    ]
    return [
        Document(
            id=f"document {number}",
            text=text,
            group=f"group {number}",
            completion_start=number % 2 * (len(text) // 3),
            annotations=(Span(len(text) // 2, len(text), "WAIT"),) if text else (),
            metadata={"number": number},
        )
        for number, text in enumerate(texts)
    ]


def _chats(detector: Any) -> list[Document]:
    """Return chats whose turns are the awkward texts in halves: a turn's end cuts what a detector looks for."""
    sides: tuple[tuple[Role, Role], ...] = (
        ("user", "completion"),
        ("completion", "user"),
        ("thought", "answer"),
        ("tool", "thought"),
    )
    chats: list[Document] = []
    for document in _documents(detector):
        text = document.text[:2000]
        middle = len(text) // 2
        for first, second in sides:
            whole, passages = "", list[Passage]()
            for turn, role in ((text[:middle], first), (text[middle:], second), (text, first)):
                passages.append(Passage(len(whole), len(whole) + len(turn), role))
                whole += turn
            chats.append(Document(f"chat {len(chats)}", whole, "chats", passages=tuple(passages)))
    return chats


def _spans(detector: Detector, document: Document) -> list[Any]:
    with trying(detector, f"on the text {shown(document.text)}"):
        return sorted(detector.detect(document))


def _spans_at_once(detector: Detector, documents: Sequence[Document]) -> list[list[Any]]:
    """Return the spans of each document as all of them are read at once: the first span of each, then the rest."""
    with trying(detector, "as another document is detected while the spans of one are still being read"):
        pending = [iter(detector.detect(document)) for document in documents]
        firsts = [list(islice(spans, 1)) for spans in pending]
        rests = [list(spans) for spans in pending[::-1]][::-1]
    return [sorted(first + rest) for first, rest in zip(firsts, rests, strict=True)]


def spans_lie_in_the_text(detector: Detector) -> None:
    """Assert that every span, and every near-miss, is a stretch of the document's text, whatever the text is."""
    for document in _documents(detector):
        with trying(detector, f"on the text {shown(document.text)}"):
            near_misses = list(detector.near_misses(document))
        for span in [*_spans(detector, document), *near_misses]:
            # The message is made only where it is needed: there are 100,000 spans or more.
            if fault := _fault(span, len(document.text)):
                text = shown(document.text)
                raise AssertionError(f"{shown(detector)} yields {shown(span)} in the text {text}: {fault}")


def spans_end_where_their_author_does(detector: Detector) -> None:
    """Assert that no span that starts in the detector's scope runs on into what somebody else wrote.

    That is asked of detectors that look in a scope themselves, by a field `scope`; such spans would be left out.
    """
    if "scope" not in {field.name for field in dataclasses.fields(cast(Any, detector))}:
        return
    for chat in _chats(detector):
        stretches = chat.stretches(detector.scope)
        for span in _spans(detector, chat):
            if any(start <= span.start < end < span.end for start, end in stretches):
                raise AssertionError(
                    f"{shown(detector)} yields {shown(span)} in the text {shown(chat.text)}: it starts in its scope, "
                    f"and does not end there; look in each stretch of `document.stretches(scope)` by itself"
                )


def _fault(span: Any, characters: int) -> str:
    if not isinstance(span, Span):
        return "it is not a `neurosieve.Span`"
    if not (isinstance(span.start, int) and isinstance(span.end, int)):
        return "start and end must be int"
    if not isinstance(span.label, str):
        return "its label is not a string"
    if not (0 <= span.start < span.end <= characters):
        return f"its {characters} characters hold no stretch from {span.start} to {span.end}"
    return ""


def order_and_history_do_not_matter(detector: Detector) -> None:
    """Assert that what is found in a document does not depend on what was detected before, or in between."""
    documents = _documents(detector)
    fresh = [_spans(copy.deepcopy(detector), document) for document in documents]
    ways = {
        "after other documents": [_spans(detector, document) for document in documents],
        "after other documents in reverse order": [_spans(detector, document) for document in documents[::-1]][::-1],
        "while other documents are being read": _spans_at_once(detector, documents),
    }
    for way, spans in ways.items():
        for document, first, later in zip(documents, fresh, spans, strict=True):
            require(
                first == later,
                f"{shown(detector)} finds {shown(later)} in the text {shown(document.text)} {way}, "
                f"and {shown(first)} when it is the first one",
            )


def detecting_leaves_the_document_alone(detector: Detector) -> None:
    """Assert that a document is the same after detecting: other detectors read it too."""
    for document in _documents(detector):
        before = copy.deepcopy(document)
        _spans(detector, document)
        require(document == before, f"{shown(detector)} changes {shown(before)} to {shown(document)}")


def looking_ahead_changes_nothing(detector: Detector) -> None:
    """Assert that a document's spans are the same once the detector has looked at all of them, as a run lets it."""
    if not detector.looks_ahead:
        return
    documents = _documents(detector)
    alone = [_spans(copy.deepcopy(detector), document) for document in documents]
    with trying(detector, "as it looks ahead"):
        remarks = list(detector.prepare(documents, lambda **_: None))
        estimate = detector.estimate(documents)
    require(all(isinstance(each, str) for each in [*remarks, estimate]), f"{shown(detector)} remarks {shown(remarks)}")
    require(estimate == "", f"{shown(detector)} has looked at all texts, and has still to do {shown(estimate)}")
    for document, before in zip(documents, alone, strict=True):
        after = _spans(detector, document)
        require(
            before == after,
            f"{shown(detector)} finds {shown(after)} in the text {shown(document.text)} once it has looked ahead, and "
            f"{shown(before)} before",
        )


def whole_texts_are_labelled_whole(detector: Detector) -> None:
    """Assert that a detector of whole texts marks every stretch of its scope, or none, and not what it does not know.

    Likewise what it does not know is every stretch, or none.
    """
    if not detector.whole_texts:
        return
    for document in [*_documents(detector), *_chats(detector)]:
        with trying(detector, f"on the text {shown(document.text)}"):
            unknown = {(span.start, span.end) for span in detector.near_misses(document)}
        spans = {(span[0], span[1]) for span in _spans(detector, document)}
        stretches, text = set(document.stretches(detector.scope)), shown(document.text)
        require(not (spans and unknown), f"{shown(detector)} both finds and does not know of the text {text}")
        for what, marked in (("finds", spans), ("does not know of", unknown)):
            require(
                marked in (set(), stretches),
                f"{shown(detector)} labels whole texts, and {what} {shown(marked)} in the text {text}: yield every "
                "stretch of `document.stretches(scope)`, or none",
            )


DETECTOR_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    spans_lie_in_the_text,
    spans_end_where_their_author_does,
    whole_texts_are_labelled_whole,
    looking_ahead_changes_nothing,
    order_and_history_do_not_matter,
    detecting_leaves_the_document_alone,
)
check_detector = checker(DETECTOR_CHECKS)
