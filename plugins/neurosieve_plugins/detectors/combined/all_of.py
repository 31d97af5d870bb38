"""Detect where several detectors find something together."""

from dataclasses import dataclass

from neurosieve import ConfigError, Detector, Document
from neurosieve_plugins.detectors.combined.combination import Combination
from neurosieve_plugins.detectors.combined.findings import Findings, shown_at, sifted

__all__ = ["AllOf"]


@dataclass(frozen=True)
class AllOf(Combination):
    """Spans of the first detector that overlap a span of each of the others.

    The first detector is the behaviour, the others are conditions: the spans are those of the first, as they are. Among
    the others, a detector of whole texts is a condition on the text: `wait` in answers that are wrong. Where the first
    labels whole texts, each of the others must find something anywhere in the text: wrong answers that loop.

    >>> from neurosieve_plugins.detectors.phrases import Phrases
    >>> from neurosieve_plugins.detectors.regex import Regex
    >>> document = Document(id="a", group="a", text='Wait, is it 7? They say "wait for the bus".')
    >>> list(AllOf((Phrases(("wait",)), Regex(('"[^"]*"',)))).detect(document))
    [Span(start=25, end=29, label='wait')]
    """

    detectors: tuple[Detector, ...]
    """The detectors, two or more. The first gives the spans, and where to look."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.detectors) < 2:
            raise ConfigError("`detectors` of the detector `all_of` holds fewer than two: give at least two detectors")
        self._refuse_parts_apart()

    def findings(self, document: Document) -> Findings:
        """Return the spans of the first part at which all others show."""
        first, *others = self.detectors
        findings = self._findings_of(first, document)
        for other in others:
            if not findings.any:  # The others may take long.
                return findings
            condition = self._findings_of(other, document)
            at = shown_at(condition, first.whole_texts or other.whole_texts)
            reason = condition.unknown[0].label if first.whole_texts and condition.unknown else ""
            findings = sifted(findings, at, reason)
        return findings
