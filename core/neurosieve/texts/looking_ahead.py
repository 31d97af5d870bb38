"""What detectors do for all documents of a run at once, before the first of them is labelled."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from neurosieve.contracts import Detector
from neurosieve.data import Document, Skipped
from neurosieve.errors import ConfigError
from neurosieve.registry import failures_of
from neurosieve.texts.intake import add_remark, check_documents

__all__ = ["add_remarks", "look_ahead", "without_costs"]


def look_ahead(
    documents: Iterable[Document],
    detectors: Mapping[str, Detector],
    counts: Counter[str],
    announce: Callable[..., None],
) -> Iterable[Document]:
    """Return the documents, once every detector that looks ahead has seen all of them; remarks go to `counts`.

    Where no detector does, they are returned as they come, and none is held.
    """
    add_remarks(detectors, counts)
    ahead = {name: detector for name, detector in detectors.items() if detector.looks_ahead}
    if not ahead:
        return documents
    held = list(documents)
    for name, detector in ahead.items():
        with failures_of(detector):
            for remark in detector.prepare(held, partial(announce, "stage_progressed")):
                add_remark(counts, f"`{name}`: {remark}")
    return held


def add_remarks(detectors: Mapping[str, Detector], counts: Counter[str]) -> None:
    """Add to `counts` what every run with these detectors is to note."""
    for name, detector in detectors.items():
        if remark := detector.remark():
            add_remark(counts, f"`{name}`: {remark}")


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
                f"`{name}` cannot be planned before it has looked at the texts: {cost}; `neurosieve find` does that "
                "itself, before it reads the model; or let `neurosieve detect` do it with the same source and "
                "detectors, which keeps what it gets, and plan again (a detector that reads the model of the run, "
                f"`${{model.name}}`, needs its name there: `detectors.{name}.model=<name>`)"
            )
    return items
