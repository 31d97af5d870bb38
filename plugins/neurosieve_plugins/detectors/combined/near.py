"""Detect what stands near something else."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

from annotated_types import Ge

from neurosieve import Detector, Document, Span, sentences
from neurosieve_plugins.detectors.combined.combination import Combination
from neurosieve_plugins.detectors.combined.findings import Findings, Shown, Stretches, sifted

__all__ = ["Near"]

_Side = Literal["before", "after", "either"]


@dataclass(frozen=True)
class Near(Combination):
    r"""Spans of one detector within some characters, or some sentences, of a span of another.

    `before` and `after` say where the spans that are yielded stand, seen from the others: `before` takes those that end
    where a span of `to` starts, or earlier. Spans that overlap are on neither side; `either` takes them too. Nothing is
    near across what another author wrote in between.

    Characters are counted between the two. Sentences are counted from the one to the other: 0 is the same sentence, 1
    also the next.

    >>> from neurosieve_plugins.detectors.phrases import Phrases
    >>> from neurosieve_plugins.detectors.regex import Regex
    >>> wait, equation = Phrases(("wait",)), Regex((r"\w+ = \w+",))
    >>> document = Document(id="a", group="a", text="Wait, I am not sure. Let me try: x = 9. Wait, is that all?")
    >>> list(Near(of=wait, to=equation, within=1, side="before").detect(document))
    [Span(start=0, end=4, label='wait')]
    """

    _takes_whole_texts = False

    of: Detector
    """The detector that gives the spans, and where to look."""
    to: Detector
    """The detector of what they must be near."""
    within: Annotated[int, Ge(0)]
    """How far, at most."""
    unit: Literal["characters", "sentences"] = "sentences"
    """What is counted."""
    side: _Side = "either"
    """Where the spans of `of` stand: `before` a span of `to`, `after` one, or `either`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse_parts_apart()

    def findings(self, document: Document) -> Findings:
        """Return the spans of the first part that are near a span of the other."""
        of = self._findings_of(self.of, document)
        if not of.any:  # The other may take long.
            return of
        to, stretches = self._findings_of(self.to, document), document.stretches(self.scope)
        apart = _sentences_apart(document, stretches) if self.unit == "sentences" and to.any else _characters_apart
        known, possible = (_Places(spans, stretches, apart) for spans in (to.spans, to.unknown))

        def holds(span: Span) -> Shown:
            if known.near(span, self.within, self.side):
                return Shown.YES
            return Shown.UNKNOWN if possible.near(span, self.within, self.side) else Shown.NO

        return sifted(of, holds)


def _characters_apart(left: int, right: int) -> int:
    """Return how many characters stand between what ends behind `left` and what starts with `right`."""
    return right - left


def _sentences_apart(document: Document, stretches: tuple[tuple[int, int], ...]) -> Callable[[int, int], int]:
    """Return what counts the ends of sentences between what ends behind a character and what starts with another."""
    starts = _sentence_starts(document.text, stretches)
    return lambda left, right: bisect_right(starts, right) - bisect_right(starts, left - 1)


@lru_cache(maxsize=64)  # What is found and what is nearly found are asked for one after the other.
def _sentence_starts(text: str, stretches: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """Return where each sentence of some stretches starts; what stands before the first belongs to it."""
    return tuple(
        begin for start, end in stretches for begin in (start, *(each for each, _ in sentences(text, start, end)[1:]))
    )


class _Places:
    """Spans, to be asked whether another span is near one of them."""

    def __init__(
        self, spans: Sequence[Span], stretches: Sequence[tuple[int, int]], apart: Callable[[int, int], int]
    ) -> None:
        self._starts, self._ends = sorted(span.start for span in spans), sorted(span.end for span in spans)
        self._overlapped = Stretches(spans)
        self._stretches, self._begins, self._apart = stretches, [start for start, _ in stretches], apart

    def near(self, span: Span, within: int, side: _Side) -> bool:
        """Return whether a span is near one of them: the nearest on each side decides."""
        start, end = self._stretches[bisect_right(self._begins, span.start) - 1]
        following, preceding = bisect_left(self._starts, span.end), bisect_right(self._ends, span.start) - 1
        right = self._starts[following] if following < len(self._starts) else end
        left = self._ends[preceding] if preceding >= 0 else start
        return (
            (side == "either" and self._overlapped.overlap(span))
            or (side != "after" and right < end and self._apart(span.end, right) <= within)
            or (side != "before" and left > start and self._apart(left, span.start) <= within)
        )
