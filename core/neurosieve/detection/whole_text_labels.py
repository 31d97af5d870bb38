"""How whole texts are labelled: which show a behaviour, which do not, and of which that is not known."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from neurosieve.texts.near_misses import near_misses_of
from neurosieve.texts.spans import DetectedDocument, Detectors
from neurosieve.wording import plural, visible

__all__ = ["Label", "label_totals", "whole_text_labels"]

_REASONS = 5
"""Of so many reasons it is told how many texts they hold for."""
_LONGEST_REASON = 80


class Label(NamedTuple):
    """Whether a whole text shows a behaviour."""

    shows: bool | None
    """None where that is not known."""
    why: str
    """What says so, such as the value of a field; empty where nothing does."""


def whole_text_labels(detected: DetectedDocument, detectors: Detectors) -> dict[str, Label]:
    """Return how a document is labelled by each of the detectors that label whole texts.

    Raises:
        DataError: a detector yields something that is not in the text.
    """
    return {name: _label(name, detected, detectors) for name, detector in detectors.items() if detector.whole_texts}


def _label(behaviour: str, detected: DetectedDocument, detectors: Detectors) -> Label:
    document, spans, detector = detected.document, detected.spans[behaviour], detectors[behaviour]
    if spans:
        return Label(True, spans[0].label)
    if not document.text_of(detector.scope).strip():
        return Label(None, f"it has no text in its {detector.scope}")
    nearly = near_misses_of(behaviour, detector, document, spans)
    return Label(None, nearly[0].label) if nearly else Label(False, "")


def label_totals(labels: Iterable[Mapping[str, Label]], where: str) -> list[str]:
    """Return a line per behaviour: how many of some documents, called `where`, have which label, and reasons.

    >>> labels = [Label(True, "bad"), Label(False, ""), Label(None, "no grade")]
    >>> label_totals([{"x": label} for label in labels], "3 documents")
    ['x: of 3 documents 1 shows it, 1 does not, of 1 it is not known (1: no grade)']
    """
    of_behaviour: dict[str, list[Label]] = {}
    for document in labels:
        for behaviour, label in document.items():
            of_behaviour.setdefault(behaviour, []).append(label)
    return [f"{behaviour}: of {where} {_counted(each)}" for behaviour, each in of_behaviour.items()]


def _counted(labels: Sequence[Label]) -> str:
    numbers = Counter(label.shows for label in labels)
    shows, other, unknown = (numbers[kind] for kind in (True, False, None))
    reasons = Counter(label.why for label in labels if label.shows is None).most_common()
    listed = "; ".join(f"{count:,}: {visible(why):.{_LONGEST_REASON}}" for why, count in reasons[:_REASONS])
    more = f"; {plural(len(reasons) - _REASONS, 'further reason')}" if len(reasons) > _REASONS else ""
    not_known = f", of {unknown:,} it is not known ({listed}{more})" if unknown else ""
    return (
        f"{shows:,} {'shows' if shows == 1 else 'show'} it, {other:,} {'does' if other == 1 else 'do'} not{not_known}"
    )
