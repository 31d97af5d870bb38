"""Detect what one detector finds, where another finds nothing."""

from dataclasses import dataclass

from neurosieve import Detector, Document
from neurosieve_plugins.detectors.combined.combination import Combination
from neurosieve_plugins.detectors.combined.findings import Findings, negation, shown_at, sifted

__all__ = ["Without"]


@dataclass(frozen=True)
class Without(Combination):
    """Spans of one detector that overlap no span of another.

    What is excluded may be several things, in an `any_of`. Where `excluded` labels whole texts, the spans are those of
    texts that it does not find. Where `of` labels whole texts, `excluded` must find nothing anywhere in the text. A
    span that overlaps what `excluded` nearly finds is neither the behaviour nor a control.

    >>> from neurosieve_plugins.detectors.phrases import Phrases
    >>> from neurosieve_plugins.detectors.regex import Regex
    >>> document = Document(id="a", group="a", text='Wait, is it 7? They say "wait for the bus".')
    >>> list(Without(of=Phrases(("wait",)), excluded=Regex(('"[^"]*"',))).detect(document))
    [Span(start=0, end=4, label='wait')]
    """

    of: Detector
    """The detector that gives the spans, and where to look."""
    excluded: Detector
    """The detector of what must not be there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse_parts_apart()

    def findings(self, document: Document) -> Findings:
        """Return the spans of the first part at which the other does not show."""
        findings = self._findings_of(self.of, document)
        if not findings.any:  # The other may take long.
            return findings
        excluded = self._findings_of(self.excluded, document)
        at = shown_at(excluded, self.of.whole_texts or self.excluded.whole_texts)
        reason = excluded.unknown[0].label if self.of.whole_texts and excluded.unknown else ""
        return sifted(findings, lambda span: negation(at(span)), reason)
