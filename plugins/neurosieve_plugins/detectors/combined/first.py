"""Detect the first span of a document."""

from dataclasses import dataclass

from neurosieve import Detector, Document
from neurosieve_plugins.detectors.combined.combination import Combination
from neurosieve_plugins.detectors.combined.findings import Findings, settled

__all__ = ["First"]


@dataclass(frozen=True)
class First(Combination):
    """The first span that a detector finds in a document; of a chat, in all its turns together.

    Of several spans that start at the same character, the longest. If something before it is nearly found, it is not
    known which is the first, and neither counts.

    >>> from neurosieve_plugins.detectors.phrases import Phrases
    >>> document = Document(id="a", group="a", text="So 9. Wait, no. Hmm, wait.")
    >>> list(First(Phrases(("wait", "hmm"))).detect(document))
    [Span(start=6, end=10, label='wait')]
    """

    _takes_whole_texts = False

    of: Detector
    """The detector that gives the spans, and where to look."""

    def findings(self, document: Document) -> Findings:
        """Return the first span, unless it is not known which is the first."""
        of = self._findings_of(self.of, document)
        first = sorted(of.spans, key=lambda span: (span.start, -span.end))[:1]
        before = [span for span in of.unknown if not first or span < first[0]]
        return settled([] if before else first, [*before, *first] if before else [], of.out_of_scope)
