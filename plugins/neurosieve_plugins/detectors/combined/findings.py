"""What a part finds in a document, and what it cannot tell; and whether it shows at a span."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from neurosieve import Span

__all__ = ["Findings", "Shown", "Stretches", "negation", "settled", "shown_at", "sifted"]


class Shown(IntEnum):
    """Whether something shows: "and" is the least of several, "or" the greatest."""

    NO = 0
    UNKNOWN = 1
    YES = 2


def negation(shown: Shown) -> Shown:
    """Return whether something does not show."""
    return Shown(2 - shown)


class Findings(NamedTuple):
    """What a detector finds in a document, in the order of the text."""

    spans: Sequence[Span]
    """Where it shows, within its scope."""
    unknown: Sequence[Span]
    """Where it may show, within its scope; none overlaps a span where it does."""
    out_of_scope: Sequence[Span] = ()
    """What it finds elsewhere: a run counts it and leaves it out."""

    @property
    def any(self) -> bool:
        """Whether there is something to decide about."""
        return bool(self.spans or self.unknown)


class Stretches:
    """Spans as stretches of text that do not overlap, to be asked whether another span overlaps one of them."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end, _ in sorted(spans):
            if self._ends and start < self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def overlap(self, span: Span) -> bool:
        """Return whether a span has a character in one of them."""
        behind = bisect_left(self._starts, span.end)
        return behind > 0 and self._ends[behind - 1] > span.start


def settled(spans: Iterable[Span], unknown: Iterable[Span], out_of_scope: Sequence[Span] = ()) -> Findings:
    """Return findings in the order of the text, without what is unknown and overlaps what is known."""
    known = sorted(spans)
    stretches = Stretches(known)
    return Findings(known, sorted(span for span in unknown if not stretches.overlap(span)), out_of_scope)


def shown_at(findings: Findings, anywhere: bool) -> Callable[[Span], Shown]:
    """Return what says whether a part shows at a span: where it overlaps it, or `anywhere` in the document."""
    if anywhere:
        shown = Shown.YES if findings.spans else Shown.UNKNOWN if findings.unknown else Shown.NO
        return lambda _: shown
    spans, unknown = Stretches(findings.spans), Stretches(findings.unknown)
    return lambda span: Shown.YES if spans.overlap(span) else Shown.UNKNOWN if unknown.overlap(span) else Shown.NO


def sifted(findings: Findings, holds: Callable[[Span], Shown], reason: str = "") -> Findings:
    """Return the findings for which a condition holds; unknown are those for which that is not known.

    A span that is unknown for the condition alone takes the `reason` as its label, where there is one.
    """
    doubtful = [span._replace(label=reason or span.label) for span in findings.spans if holds(span) is Shown.UNKNOWN]
    return settled(
        (span for span in findings.spans if holds(span) is Shown.YES),
        [*(span for span in findings.unknown if holds(span) is not Shown.NO), *doubtful],
        findings.out_of_scope,
    )
