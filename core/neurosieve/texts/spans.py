"""Detectors alone, without a model: what they find in texts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from neurosieve.contracts import Detector
from neurosieve.data import Document, Span
from neurosieve.errors import ConfigError, DataError
from neurosieve.registry import failures_of
from neurosieve.wording import plural

__all__ = [
    "Detect",
    "Detected",
    "all_detected",
    "check_detectors",
    "checked",
    "detected",
    "phrases_table",
    "spans_of",
    "spans_table",
]


@dataclass(frozen=True)
class Detect:
    """What `detect` is told besides its source and its detectors."""

    labels: tuple[str, ...] | None = None
    """The annotated labels to compare the detectors with; all that there are, by default."""
    contexts: int = 10
    """How many spans of each behaviour are printed in their context; all of them are in `spans.parquet`."""
    around: int = 60
    """How many characters of context on either side."""
    interval_bootstraps: int = 1000
    """Resamples of the groups behind each interval."""
    seed: int = 0
    """Draws them."""
    min_groups: int = 10
    """With fewer annotated groups there is no interval: resampling so few gives intervals that are far too narrow."""

    def __post_init__(self) -> None:
        for name, least in (("contexts", 0), ("around", 0), ("interval_bootstraps", 1), ("seed", 0), ("min_groups", 2)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} is {value!r}: give a whole number, at least {least}")


class Detected(NamedTuple):
    """A document, and where in it each behaviour shows."""

    document: Document
    spans: Mapping[str, Sequence[Span]]
    """The spans of each behaviour in the completion, in the order of the text."""


def check_detectors(detectors: Mapping[str, Detector], folder: Path) -> None:
    """Raise unless the detectors are detectors, and the folder is free for a run.

    Raises:
        ConfigError: they are not, or it is not.
    """
    for name, one in detectors.items():
        if not isinstance(one, Detector):
            raise ConfigError(f"the detector `{name}` is {one!r}, which is no Detector: give an instance of one")
    if (folder / "run.json").exists():
        raise ConfigError(f"`{folder}` holds a finished run already, which is not written over: give another folder")


def checked(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield the documents.

    Raises:
        DataError: one of them is no document, or two share an id.
    """
    seen: set[str] = set()
    end = object()
    with failures_of(documents):
        remaining: Iterator[object] = iter(documents)
    while True:
        with failures_of(documents):
            document = next(remaining, end)
        if document is end:
            return
        if not isinstance(document, Document):
            raise DataError(
                f"the source gave {document!r:.80}, which is no `neurosieve.Document`: wrap each text in one"
            )
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
        found = sorted(detector.detect(document))
    for span in found:
        if not 0 <= span.start < span.end <= len(document.text):
            raise DataError(
                f"the detector of `{behaviour}` found {tuple(span)} in document `{document.id}`, which has "
                f"{plural(len(document.text), 'character')}: mend it, for a span must lie in the text and hold some"
            )
    return found


def detected(
    documents: Iterable[Document],
    detectors: Mapping[str, Detector],
    counts: Counter[str],
    announce: Callable[..., None],
) -> Iterator[Detected]:
    """Yield each document with its spans; `counts` gains what was seen and what was left out.

    Raises:
        DataError: two documents share an id, or a detector found a span that is not in the text.
    """
    number = 0
    for number, document in enumerate(checked(documents), 1):
        counts["documents"] += 1
        if not document.text[document.completion_start :].strip():
            counts["documents_empty"] += 1
        spans: dict[str, list[Span]] = {}
        for behaviour, detector in detectors.items():
            found = spans_of(behaviour, detector, document)
            spans[behaviour] = [span for span in found if span.start >= document.completion_start]
            counts["spans_in_prompt"] += len(found) - len(spans[behaviour])
        announce("stage_progressed", stage="detecting", done=number, total=None, unit="documents")
        yield Detected(document, spans)
    announce("stage_progressed", stage="detecting", done=number, total=number, unit="documents")


def all_detected(
    documents: Iterable[Document],
    detectors: Mapping[str, Detector],
    counts: Counter[str],
    announce: Callable[..., None],
) -> list[Detected]:
    """Return every document with its spans, as `detected` yields them.

    Raises:
        DataError: there is no document, or two share an id, or a detector found a span that is not in the text.
    """
    found = list(detected(documents, detectors, counts, announce))
    if not found:
        raise DataError("the source gave no document: check its path and the fields that it reads")
    return found


def spans_table(found: Sequence[Detected], around: int) -> pd.DataFrame:
    """Return a line per behaviour and span, `behaviour, document, group, start, end, label, text, before, after`."""
    behaviours = found[0].spans if found else ()
    lines = [
        (
            behaviour,
            one.document.id,
            one.document.group,
            *span,
            one.document.text[span.start : span.end],
            one.document.text[max(0, span.start - around) : span.start],
            one.document.text[span.end : span.end + around],
        )
        for behaviour in behaviours
        for one in found
        for span in one.spans[behaviour]
    ]
    columns = ["behaviour", "document", "group", "start", "end", "label", "text", "before", "after"]
    return pd.DataFrame(lines, columns=columns)


def phrases_table(spans: pd.DataFrame) -> pd.DataFrame:
    """Return how often each phrase was found, `behaviour, label, spans, documents`, the most frequent first."""
    counted = spans.groupby(["behaviour", "label"], sort=False)["document"].agg(["size", "nunique"]).reset_index()
    counted.columns = pd.Index(["behaviour", "label", "spans", "documents"])
    order = {behaviour: place for place, behaviour in enumerate(spans["behaviour"].unique())}
    return counted.sort_values(
        ["behaviour", "spans", "label"],
        ascending=[True, False, True],
        key=lambda column: column.map(order) if column.name == "behaviour" else column,
        ignore_index=True,
    )
