"""What detectors do for all documents of a run at once, before the first of them is labelled."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from neurosieve.contracts import Detector
from neurosieve.data import Document, Skipped
from neurosieve.errors import ConfigError
from neurosieve.registry import failures_of
from neurosieve.texts.intake import add_remark, check_documents

__all__ = ["look_ahead", "without_costs"]


def look_ahead(
    documents: Iterable[Document],
    detectors: Mapping[str, Detector],
    counts: Counter[str],
    announce: Callable[..., None],
) -> Iterable[Document]:
    """Return the documents, once every detector that looks ahead has seen all of them; remarks go to `counts`.

    Where no detector does, they are returned as they come, and none is held.
    """
    for name, detector in detectors.items():
        if remark := detector.remark():
            add_remark(counts, f"`{name}`: {remark}")
    ahead = {name: detector for name, detector in detectors.items() if detector.looks_ahead}
    if not ahead:
        return documents
    held = list(documents)
    for name, detector in ahead.items():
        with failures_of(detector):
            for remark in detector.prepare(held, partial(announce, "stage_progressed")):
                add_remark(counts, f"`{name}`: {remark}")
    return held


def without_costs(
    documents: Iterable[Document | Skipped], detectors: Mapping[str, Detector]
) -> Iterable[Document | Skipped]:
    """Return the documents of a source, unless a detector has yet to do for them what costs: a plan does nothing that
    does.

    Raises:
        ConfigError: one has; the message says what it would cost.
        DataError: a document is not sound.
    """
    if not any(detector.looks_ahead for detector in detectors.values()):
        return documents
    items = list(documents)
    sound = list(check_documents(items, Counter()))
    for name, detector in detectors.items():
        if detector.looks_ahead and (cost := detector.estimate(sound)):
            raise ConfigError(
                f"`{name}` cannot be planned before it has looked at the texts: {cost}; let `neurosieve detect` do "
                "that with the same source and detectors, which keeps what it gets, and plan again"
            )
    return items
