"""What detectors find in texts, without a model."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, cast

import pandas as pd
from annotated_types import Ge

from neurosieve.contracts import Detector
from neurosieve.data import Document, Scope, Skipped, Span, TokenizedDocument
from neurosieve.errors import ConfigError, DataError
from neurosieve.fields import check_fields
from neurosieve.registry import failures_of
from neurosieve.texts.intake import add_doubt, admit, check_documents
from neurosieve.texts.looking_ahead import look_ahead
from neurosieve.texts.sameness import join_spellings
from neurosieve.wording import plural

__all__ = [
    "Detect",
    "DetectedDocument",
    "Detectors",
    "check_detectors",
    "check_labels",
    "check_spans",
    "count_empty",
    "detect_all",
    "detect_each",
    "detect_first",
    "phrases_table",
    "scopes_of",
    "spans_in_scope",
    "spans_of",
    "spans_table",
]

Detectors = Mapping[str, Detector]
"""The detector of each behaviour, by name."""


@dataclass(frozen=True)
class Detect:
    """Settings of `detect`, besides its source and its detectors."""

    labels: tuple[str, ...] | None = None
    """The annotated labels to compare the detectors with; all of them, by default. With labels given, annotators are
    also set beside the detectors as raters."""
    contexts: Annotated[int, Ge(0)] = 10
    """How many spans of each behaviour, and sentences on which two detectors differ, are printed in their context; all
    spans are in `spans.parquet`, and up to 200 sentences of each two detectors in `disagreements.parquet`."""
    around: Annotated[int, Ge(0)] = 60
    """How many characters of context on either side."""
    look: Annotated[int, Ge(0)] = 0
    """Of so many documents it is printed what was understood, in place of a run: whose words, guesses, spans."""
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
    """The spans of each behaviour in the scope of its detector, in the order of the text."""


def check_detectors(detectors: Detectors) -> None:
    """Raise ConfigError unless each is a Detector."""
    for name, detector in detectors.items():
        if not isinstance(detector, Detector):
            raise ConfigError(
                f"the detector `{name}` is {detector!r}, which is not a Detector: give an instance of one"
            )


def check_labels(documents: Sequence[Document | TokenizedDocument], detectors: Detectors, counts: Counter[str]) -> None:
    """Check that detectors fit the documents of a run; what makes their labels doubtful is added to `counts`.

    Raises:
        DataError: the settings of a detector fit none of them, as when no record has its field.
    """
    for behaviour, detector in detectors.items():
        try:
            detector.check(documents)
        except DataError as error:
            raise DataError(f"`{behaviour}` cannot be looked for: {error}") from error
        for doubt in detector.doubts(documents):
            add_doubt(counts, f"`{behaviour}`: {doubt}")


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


def spans_in_scope(behaviour: str, detector: Detector, document: Document, counts: Counter[str]) -> list[Span]:
    """Return the spans that lie in one stretch of the detector's scope; how many do not is added to `counts`.

    Raises:
        DataError: one of them is not in the text.
    """
    in_text = spans_of(behaviour, detector, document)
    in_scope = document.in_scope(in_text, detector.scope)
    counts["spans_out_of_scope"] += len(in_text) - len(in_scope)
    return in_scope


def detect_each(
    documents: Iterable[Document | Skipped], detectors: Detectors, counts: Counter[str], announce: Callable[..., None]
) -> Iterator[DetectedDocument]:
    """Yield each document with its spans; what was seen and what was left out is added to `counts`.

    Raises:
        DataError: a document is not sound, or a detector found a span that is not in the text.
    """
    number, scopes = 0, scopes_of(detectors)
    sound = look_ahead(check_documents(documents, counts), detectors, counts, announce)
    for number, document in enumerate(sound, 1):
        empty = {scope: not document.text_of(scope).strip() for scope in scopes}
        count_empty(empty, counts)
        spans = {
            behaviour: spans_in_scope(behaviour, detector, document, counts)
            for behaviour, detector in detectors.items()
        }
        announce("stage_progressed", stage="detecting", done=number, total=None, unit="documents")
        yield DetectedDocument(document, spans)
    announce("stage_progressed", stage="detecting", done=number, total=number, unit="documents")


def detect_first(
    documents: Iterable[Document | Skipped], detectors: Detectors, number: int
) -> Iterator[DetectedDocument | Skipped]:
    """Yield the first `number` documents with their spans, and the skipped records among them.

    Raises:
        DataError: there is no document or skipped record, or one is not sound, or a detector found a span that is not
            in the text.
    """
    counts = Counter[str]()
    with failures_of(documents):
        for item in documents:
            document = admit(item, counts)
            if document is None:
                yield cast(Skipped, item)
            else:
                spans = {name: spans_in_scope(name, each, document, counts) for name, each in detectors.items()}
                yield DetectedDocument(document, spans)
            # A source that skips and skips is not read to its end.
            if counts["documents"] == number or counts["documents_skipped"] == 10 * number:
                return
    if not counts:
        raise DataError("the source gave no document: check its path and the fields that it reads")


def scopes_of(detectors: Detectors) -> tuple[Scope, ...]:
    """Return the scopes in which some detectors look; where there is none, all that the model wrote."""
    return tuple(dict.fromkeys(detector.scope for detector in detectors.values())) or ("completion",)


def count_empty(empty: Mapping[Scope, bool], counts: Counter[str]) -> None:
    """Count a document that has no text in a scope, or in none of them."""
    if all(empty.values()):
        counts["documents_empty"] += 1
    for scope, nothing in empty.items():
        if nothing and scope != "completion":
            counts[f"documents_without_{scope}"] += 1


def detect_all(
    documents: Iterable[Document | Skipped], detectors: Detectors, counts: Counter[str], announce: Callable[..., None]
) -> list[DetectedDocument]:
    """Return every document with its spans, as `detect_each` yields them, in one group where the names are the same.

    Raises:
        DataError: there is no document, or one is not sound, or a detector found a span that is not in the text, or
            its settings fit none of them.
    """
    detected = list(detect_each(documents, detectors, counts, announce))
    if not detected:
        raise DataError("the source gave no document: check its path and the fields that it reads")
    check_labels([result.document for result in detected], detectors, counts)
    documents = join_spellings((result.document for result in detected), counts)
    return [result._replace(document=document) for result, document in zip(detected, documents, strict=True)]


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
