"""Detect what any of several detectors finds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neurosieve import ConfigError, Detector, Document, Span
from neurosieve_plugins.detectors.combined.combination import Combination
from neurosieve_plugins.detectors.combined.findings import Findings, settled

__all__ = ["AnyOf"]


@dataclass(frozen=True)
class AnyOf(Combination):
    """Where any of several detectors finds something.

    Spans that overlap are one occurrence: they are joined, and the span is labelled with the labels of all. Spans that
    only touch stay apart. Detectors of whole texts give the texts that any of them finds.

    >>> from neurosieve_plugins.detectors.phrases import Phrases
    >>> parts = Phrases(("wait, no",)), Phrases(("no, that's wrong", "hmm"))
    >>> document = Document(id="a", group="a", text="Hmm, 9? Wait, no, that's wrong.")
    >>> list(AnyOf(parts).detect(document))
    [Span(start=0, end=3, label='hmm'), Span(start=8, end=30, label="wait, no + no, that's wrong")]
    """

    detectors: tuple[Detector, ...]
    """The detectors, two or more: all of spans with the same scope, or all of whole texts with the same scope."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.detectors) < 2:
            raise ConfigError("`detectors` of the detector `any_of` holds fewer than two: give at least two detectors")
        if len({detector.whole_texts for detector in self.detectors}) > 1:
            raise ConfigError(
                "some `detectors` of the detector `any_of` label whole texts, and some find spans: what any of them "
                "finds would be neither; give detectors of one kind"
            )
        scopes = list(dict.fromkeys(detector.scope for detector in self.detectors))
        if len(scopes) > 1:
            raise ConfigError(
                f"the `detectors` of the detector `any_of` look in the {' and in the '.join(scopes)}: controls are "
                "taken where a detector looks, so give all of them the same `scope`"
            )

    def findings(self, document: Document) -> Findings:
        """Return what any part finds; unknown is what a part cannot tell where no other finds anything."""
        parts = [self._findings_of(detector, document) for detector in self.detectors]
        findings = settled(
            _joined(span for part in parts for span in part.spans),
            [span for part in parts for span in part.unknown],
            list(_joined(span for part in parts for span in part.out_of_scope)),
        )
        # Only now: joined to one that overlaps what is found, an unknown stretch would be left out with it.
        return findings._replace(unknown=list(_joined(findings.unknown)))


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans that do not overlap: those that do as one, with the labels of all."""
    start, behind, labels = 0, -1, dict[str, None]()
    for span in sorted(spans):
        if span.start >= behind:
            if labels:
                yield Span(start, behind, " + ".join(filter(None, labels)))
            start, behind, labels = span.start, span.end, {}
        behind = max(behind, span.end)
        labels[span.label] = None
    if labels:
        yield Span(start, behind, " + ".join(filter(None, labels)))
