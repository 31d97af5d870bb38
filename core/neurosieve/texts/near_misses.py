"""What detectors nearly find, or cannot tell: it is counted, and taken neither as present nor as a control."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from neurosieve.contracts import Detector
from neurosieve.data import Document, Span
from neurosieve.registry import failures_of
from neurosieve.texts.spans import DetectedDocument, Detectors, check_spans
from neurosieve.wording import plural, visible

__all__ = ["NearMiss", "near_miss_warnings", "near_misses_in", "near_misses_of", "near_misses_table"]

_SHOWN = 80
"""So many characters of an example, or of a reason, are shown."""
_REASONS = 5
"""Of so many reasons it is told how many texts they hold for."""


class NearMiss(NamedTuple):
    """A stretch of a document that a detector nearly finds."""

    document: str
    """The document's id."""
    start: int
    end: int
    label: str
    """What it nearly is; or, where the detector cannot tell, why it is not known whether it shows the behaviour."""
    text: str
    whole_text: bool = False
    """Whether the detector labels whole texts, and does not know what to make of this one."""
    unknown: bool = False
    """Whether the detector does not know of this stretch whether it shows the behaviour."""


def near_misses_of(behaviour: str, detector: Detector, document: Document, spans: Sequence[Span]) -> list[NearMiss]:
    """Return what the detector of a behaviour nearly finds in its scope, in the order of the text.

    What touches one of the `spans` that it does find is left out.

    Raises:
        DataError: one of them is not in the text.
    """
    with failures_of(detector):
        nearly = sorted(detector.near_misses(document))
    if not nearly:
        return []
    check_spans(behaviour, nearly, document)
    stretches, kind = document.stretches(detector.scope), (detector.whole_texts, detector.near_misses_are_unknown)
    return [
        NearMiss(document.id, *near, document.text[near.start : near.end], *kind)
        for near in nearly
        if any(start <= near.start and near.end <= end for start, end in stretches)
        and not any(near.start < span.end and span.start < near.end for span in spans)
    ]


def near_misses_in(detected: Iterable[DetectedDocument], detectors: Detectors) -> dict[str, list[NearMiss]]:
    """Return what the detector of each behaviour nearly finds in some documents.

    Raises:
        DataError: one of them is not in the text.
    """
    documents = list(detected)
    return {
        name: [near for document, spans in documents for near in near_misses_of(name, detector, document, spans[name])]
        for name, detector in detectors.items()
    }


def near_misses_table(nearly: Mapping[str, Sequence[NearMiss]]) -> pd.DataFrame:
    """Return a line per behaviour and near-miss, `behaviour, document, start, end, label, text`."""
    columns = ["document", "start", "end", "label", "text"]
    lines = [
        (behaviour, *(getattr(near_miss, column) for column in columns))
        for behaviour, near_misses in nearly.items()
        for near_miss in near_misses
    ]
    return pd.DataFrame(lines, columns=["behaviour", *columns])


def near_miss_warnings(nearly: Mapping[str, Sequence[NearMiss]]) -> list[str]:
    """Return a warning for each behaviour that is nearly found somewhere, with how often and an example."""
    warnings = []
    for behaviour, near_misses in nearly.items():
        if unknown := [near_miss for near_miss in near_misses if near_miss.whole_text]:
            warnings.append(_not_known(behaviour, unknown))
        elif near_misses and near_misses[0].unknown:
            warnings.append(_stretches_not_known(behaviour, near_misses))
        elif near_misses:
            documents = plural(len({near_miss.document for near_miss in near_misses}), "document")
            first = near_misses[0]
            warnings.append(
                f"in {documents} something is nearly `{behaviour}`, such as {_example(first)}, "
                f"where “{first.label}” is looked for: it counts neither as the behaviour nor as a control; if it is "
                "meant, add it to the detector"
            )
    return warnings


def _not_known(behaviour: str, texts: Sequence[NearMiss]) -> str:
    """Return of how many whole texts it is not known whether they show a behaviour, by reason, the most frequent first.

    A detector yields such a text in as many stretches as its scope has.
    """
    reason_of = {text.document: text.label for text in texts}
    return (
        f"of {plural(len(reason_of), 'document')} it is not known whether they show `{behaviour}` "
        f"({_reasons(reason_of.values())}): they count neither as the behaviour nor as controls"
    )


def _stretches_not_known(behaviour: str, stretches: Sequence[NearMiss]) -> str:
    """Return of how many stretches it is not known whether they show a behaviour, by reason, with an example."""
    documents = plural(len({stretch.document for stretch in stretches}), "document")
    return (
        f"of {plural(len(stretches), 'stretch', 'stretches')} in {documents}, such as {_example(stretches[0])}, it is "
        f"not known whether they show `{behaviour}` ({_reasons(stretch.label for stretch in stretches)}): they count "
        "neither as the behaviour nor as controls"
    )


def _example(near_miss: NearMiss) -> str:
    shown = near_miss.text if len(near_miss.text) <= _SHOWN else near_miss.text[:_SHOWN] + "…"
    return f"“{visible(shown)}” in document `{near_miss.document}`"


def _reasons(reasons: Iterable[str]) -> str:
    """Return how often each reason holds, the most frequent first."""
    counted = Counter(reasons).most_common()
    listed = "; ".join(f"{count:,}: {visible(reason):.{_SHOWN}}" for reason, count in counted[:_REASONS])
    more = f"; {plural(len(counted) - _REASONS, 'further reason')}" if len(counted) > _REASONS else ""
    return f"{listed}{more}"
