"""Detect what follows something else."""

from dataclasses import dataclass
from typing import Literal

from neurosieve import Detector, Document, Span
from neurosieve_plugins.detectors.combined.combination import Combination
from neurosieve_plugins.detectors.combined.findings import Findings, Shown, sifted

__all__ = ["After"]


@dataclass(frozen=True)
class After(Combination):
    """Spans of one detector that start behind a span of another, however far, in the same document.

    In a document without a span of `start`, nothing is found. The two may look in different places: `start` in the
    thought, `of` in the answer.

    >>> from neurosieve_plugins.detectors.phrases import Phrases
    >>> document = Document(id="a", group="a", text="Wait, is it 7? I made an error. Wait, 9. Wait!")
    >>> list(After(of=Phrases(("wait",)), start=Phrases(("error",))).detect(document))
    [Span(start=32, end=36, label='wait'), Span(start=41, end=45, label='wait')]
    """

    _takes_whole_texts = False

    of: Detector
    """The detector that gives the spans, and where to look."""
    start: Detector
    """The detector of what must come before them."""
    which: Literal["first", "last"] = "first"
    """Behind which span of `start` in a document: the `first` or the `last`."""

    def findings(self, document: Document) -> Findings:
        """Return the spans of the first part that start behind the end of the other's."""
        of = self._findings_of(self.of, document)
        if not of.any:  # The other may take long.
            return of
        start = self._findings_of(self.start, document)
        beyond = len(document.text)  # No span starts there.
        first, maybe_first = (
            min((each.end for each in spans), default=beyond) for spans in (start.spans, start.unknown)
        )
        last, maybe_last = (max((each.end for each in spans), default=0) for spans in (start.spans, start.unknown))

        def holds(span: Span) -> Shown:
            begun = Shown.YES if span.start >= first else Shown.UNKNOWN if span.start >= maybe_first else Shown.NO
            if self.which == "first":
                return begun
            over = Shown.NO if span.start < last else Shown.UNKNOWN if span.start < maybe_last else Shown.YES
            return min(begun, over)

        return sifted(of, holds)
