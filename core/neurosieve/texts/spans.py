"""What detectors find in texts, without a model."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import pandas as pd
from annotated_types import Ge

from neurosieve.contracts import Detector
from neurosieve.data import Document, Span
from neurosieve.errors import ConfigError, DataError
from neurosieve.fields import check_fields
from neurosieve.registry import failures_of
from neurosieve.wording import plural

__all__ = [
    "Detect",
    "DetectedDocument",
    "Detectors",
    "check_detectors",
    "check_document",
    "check_documents",
    "check_spans",
    "detect_all",
    "detect_each",
    "phrases_table",
    "spans_of",
    "spans_table",
]

Detectors = Mapping[str, Detector]
"""The detector of each behaviour, by name."""


@dataclass(frozen=True)
class Detect:
    """Settings of `detect`, besides its source and its detectors."""

    labels: tuple[str, ...] | None = None
    """The annotated labels to compare the detectors with; all of them, by default."""
    contexts: Annotated[int, Ge(0)] = 10
    """How many spans of each behaviour are printed in their context; all of them are in `spans.parquet`."""
    around: Annotated[int, Ge(0)] = 60
    """How many characters of context on either side."""
    interval_bootstraps: Annotated[int, Ge(1)] = 1000
    """Resamples of the groups behind each interval."""
    seed: Annotated[int, Ge(0)] = 0
    """Draws them."""
    min_groups: Annotated[int, Ge(2)] = 10
    """With fewer annotated groups there is no interval: resampling so few gives intervals that are far too narrow."""

    def __post_init__(self) -> None:
        check_fields(self)


class DetectedDocument(NamedTuple):
    """A document, and where in it each behaviour shows."""

    document: Document
    spans: Mapping[str, Sequence[Span]]
    """The spans of each behaviour in the completion, in the order of the text."""


def check_detectors(detectors: Detectors) -> None:
    """Raise ConfigError unless each is a Detector."""
    for name, detector in detectors.items():
        if not isinstance(detector, Detector):
            raise ConfigError(
                f"the detector `{name}` is {detector!r}, which is not a Detector: give an instance of one"
            )


def check_document(document: object) -> None:
    """Raise DataError unless an item of a source is a Document."""
    if not isinstance(document, Document):
        raise DataError(
            f"the source gave {document!r:.80}, which is not a `neurosieve.Document`: wrap each text in one"
        )


def check_documents(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield the documents.

    Raises:
        DataError: one of them is not a document, or two share an id.
    """
    seen: set[str] = set()
    with failures_of(documents):
        for document in documents:
            check_document(document)
            if document.id in seen:
                raise DataError(f"two documents have the id `{document.id}`: give each an id of its own")
            seen.add(document.id)
            yield document


def spans_of(behaviour: str, detector: Detector, document: Document) -> list[Span]:
    """Return the spans that the detector of a behaviour finds in a document, in the order of the text.

    Raises:
        DataError: one of them is not in the text.
    """
    with failures_of(detector):
        spans = sorted(detector.detect(document))
    check_spans(behaviour, spans, document)
    return spans


def check_spans(behaviour: str, spans: Iterable[Span], document: Document) -> None:
    """Raise DataError unless the spans of a behaviour lie in the document's text."""
    for span in spans:
        if not 0 <= span.start < span.end <= len(document.text):
            raise DataError(
                f"the detector of `{behaviour}` found {tuple(span)} in document `{document.id}`, which has "
                f"{plural(len(document.text), 'character')}: correct it; a span lies in the text and is not empty"
            )


def detect_each(
    documents: Iterable[Document], detectors: Detectors, counts: Counter[str], announce: Callable[..., None]
) -> Iterator[DetectedDocument]:
    """Yield each document with its spans; what was seen and what was left out is added to `counts`.

    Raises:
        DataError: two documents share an id, or a detector found a span that is not in the text.
    """
    number = 0
    for number, document in enumerate(check_documents(documents), 1):
        counts["documents"] += 1
        if not document.text[document.completion_start :].strip():
            counts["documents_empty"] += 1
        spans: dict[str, list[Span]] = {}
        for behaviour, detector in detectors.items():
            in_text = spans_of(behaviour, detector, document)
            spans[behaviour] = [span for span in in_text if span.start >= document.completion_start]
            counts["spans_in_prompt"] += len(in_text) - len(spans[behaviour])
        announce("stage_progressed", stage="detecting", done=number, total=None, unit="documents")
        yield DetectedDocument(document, spans)
    announce("stage_progressed", stage="detecting", done=number, total=number, unit="documents")


def detect_all(
    documents: Iterable[Document], detectors: Detectors, counts: Counter[str], announce: Callable[..., None]
) -> list[DetectedDocument]:
    """Return every document with its spans, as `detect_each` yields them.

    Raises:
        DataError: there is no document, or two share an id, or a detector found a span that is not in the text.
    """
    detected = list(detect_each(documents, detectors, counts, announce))
    if not detected:
        raise DataError("the source gave no document: check its path and the fields that it reads")
    return detected


def spans_table(detected: Sequence[DetectedDocument], around: int) -> pd.DataFrame:
    """Return a line per behaviour and span, `behaviour, document, group, start, end, label, text, before, after`."""
    behaviours = detected[0].spans if detected else ()
    lines = []
    for behaviour in behaviours:
        for document, spans in detected:
            for start, end, label in spans[behaviour]:
                text, before = document.text[start:end], document.text[max(0, start - around) : start]
                after = document.text[end : end + around]
                lines.append((behaviour, document.id, document.group, start, end, label, text, before, after))
    columns = ["behaviour", "document", "group", "start", "end", "label", "text", "before", "after"]
    return pd.DataFrame(lines, columns=columns)


def phrases_table(spans: pd.DataFrame) -> pd.DataFrame:
    """Return how often each phrase was found, `behaviour, label, spans, documents`, the most frequent first."""
    counted = spans.groupby(["behaviour", "label"], sort=False).agg(
        spans=("document", "size"), documents=("document", "nunique")
    )
    ranked = counted.sort_values(["spans", "label"], ascending=[False, True]).reset_index()
    order = {behaviour: place for place, behaviour in enumerate(spans["behaviour"].unique())}
    return ranked.sort_values("behaviour", key=lambda names: names.map(order), kind="stable", ignore_index=True)
