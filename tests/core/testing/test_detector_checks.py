import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from neurosieve import Detector, Document, Scope, Span
from neurosieve.testing import DETECTOR_CHECKS, PLUGIN_CHECKS, check_detector


@dataclass(frozen=True)
class Sound(Detector):
    """A word, as it is written."""

    word: str = "Wait"

    def detect(self, document: Document) -> Iterable[Span]:
        for match in re.finditer(re.escape(self.word), document.text):
            yield Span(match.start(), match.end(), self.word)


@dataclass(frozen=True)
class Lowering(Sound):
    """A word, sought in the text's lower case: which is longer than the text, after a Turkish İ."""

    def detect(self, document: Document) -> Iterable[Span]:
        for match in re.finditer(re.escape(self.word.lower()), document.text.lower()):
            yield Span(match.start(), match.end(), self.word)


@dataclass(frozen=True)
class Empty(Sound):
    """The gaps between words."""

    def detect(self, document: Document) -> Iterable[Span]:
        return [Span(match.start(), match.end()) for match in re.finditer(r"\b", document.text)]


@dataclass(frozen=True)
class Bare(Sound):
    """A word, as a bare tuple."""

    def detect(self, document: Document) -> Iterable[Any]:
        return [tuple(span) for span in super().detect(document)]


@dataclass(frozen=True)
class Unlabelled(Sound):
    """A word, with a label that is no string."""

    def detect(self, document: Document) -> Iterable[Any]:
        return [span._replace(label=None) for span in super().detect(document)]


@dataclass(frozen=True)
class Fractional(Sound):
    """A word, between characters."""

    def detect(self, document: Document) -> Iterable[Any]:
        return [span._replace(start=span.start + 0.5) for span in super().detect(document)]


@dataclass(frozen=True)
class Crashing(Sound):
    """Texts with a first character."""

    def detect(self, document: Document) -> Iterable[Span]:
        return [Span(0, len(document.text[0]))]


@dataclass(frozen=True)
class Remembering(Sound):
    """A word, unless the text before had it as well."""

    last: ClassVar[list[bool]] = [False]

    def detect(self, document: Document) -> Iterable[Span]:
        found = list(super().detect(document))
        before, self.last[0] = self.last[0], bool(found)
        return [] if before else found


@dataclass(frozen=True)
class Interleaving(Sound):
    """A word, sought in whichever text was last begun."""

    current: ClassVar[list[Document]] = []

    def detect(self, document: Document) -> Iterator[Span]:
        self.current[:] = [document]
        yield from list(super().detect(document))[:1]
        yield from list(super().detect(self.current[0]))[1:]


@dataclass(frozen=True)
class Scribbling(Sound):
    """A word, noted in the document."""

    def detect(self, document: Document) -> Iterable[Span]:
        found = list(super().detect(document))
        document.metadata["found"] = len(found)  # type: ignore[index]
        return found


@dataclass(frozen=True)
class Running(Sound):
    """A letter and all that follows, whoever wrote it."""

    scope: Scope = "completion"

    def detect(self, document: Document) -> Iterable[Span]:
        for start, _ in document.stretches(self.scope):
            yield Span(start, len(document.text))


@dataclass(frozen=True)
class NearlyEmpty(Sound):
    """A word, and nearly the end of a text."""

    def near_misses(self, document: Document) -> Iterable[Span]:
        return [Span(len(document.text), len(document.text) + 1)]


@dataclass(frozen=True)
class Halved(Detector):
    """Whole texts, of which only the first character is marked."""

    whole_texts = True

    def detect(self, document: Document) -> Iterable[Span]:
        return [Span(0, 1)] if len(document.text) > 1 and not document.completion_start else []


@dataclass(frozen=True)
class Undecided(Detector):
    """Whole texts, each of which shows the behaviour, and is not known to."""

    whole_texts = True

    def detect(self, document: Document) -> Iterable[Span]:
        return [Span(start, end) for start, end in document.stretches(self.scope)]

    near_misses = detect


@dataclass(frozen=True)
class Peeking(Detector):
    """The first character of texts, until it has looked ahead, and again once it has looked twice."""

    looks_ahead = True
    looked: list[bool] = field(default_factory=list, compare=False)

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterable[str]:
        self.looked.append(True)
        return ()

    def detect(self, document: Document) -> Iterable[Span]:
        return [Span(0, 1)] if document.text and len(self.looked) % 2 == 0 else []


BROKEN = [
    (Peeking(), {"looking_ahead_changes_nothing"}, "once it has looked ahead, and .* before"),
    (Halved(), {"whole_texts_are_labelled_whole"}, "labels whole texts, and finds .*: yield every stretch"),
    (Undecided(), {"whole_texts_are_labelled_whole"}, "both finds and does not know of the text"),
    (Running(), {"spans_end_where_their_author_does"}, "it starts in its scope, and does not end there"),
    (NearlyEmpty(), {"spans_lie_in_the_text"}, r"its 0 characters hold no stretch from 0 to 1"),
    (
        Lowering(),
        {"spans_lie_in_the_text"},
        r"Lowering\(.* yields Span\(.* in the text 'İ.*: its \d+ characters hold no",
    ),
    (Empty(), {"spans_lie_in_the_text"}, r"hold no stretch from 0 to 0"),
    (Bare(), {"spans_lie_in_the_text"}, r"yields \(4?\d*, \d+, 'Wait'\) in the text .*: it is not a `neurosieve.Span`"),
    (Unlabelled(), {"spans_lie_in_the_text"}, "its label is not a string"),
    (Fractional(), {"spans_lie_in_the_text"}, "start and end must be int"),
    (
        Crashing(),
        {"spans_lie_in_the_text", "order_and_history_do_not_matter", "detecting_leaves_the_document_alone"},
        r"Crashing\(word='Wait'\) raises IndexError on the text '': string index out of range",
    ),
    (Remembering(), {"order_and_history_do_not_matter"}, "and .* when it is the first one"),
    (Interleaving(), {"order_and_history_do_not_matter"}, "while other documents are being read, and"),
    (Scribbling(), {"detecting_leaves_the_document_alone"}, r"changes Document\("),
]


@pytest.mark.parametrize(("detector", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_detector_that_breaks_a_promise_fails_the_checks_of_that_promise(
    detector: Detector, checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(DETECTOR_CHECKS, detector)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed
    with pytest.raises(AssertionError, match=message):
        check_detector(detector)


def test_every_check_has_a_detector_that_fails_it() -> None:
    own = {check.__name__ for check in DETECTOR_CHECKS if check not in PLUGIN_CHECKS}
    assert own == set().union(*(checks for _, checks, _ in BROKEN))


def test_a_detector_that_keeps_its_promises_passes() -> None:
    check_detector(Sound())
    check_detector(Sound(word="never there"))
