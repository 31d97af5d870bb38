"""`detect`: detectors alone, without a model."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.config.command import Command, Fields, Many, One
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Detector, Report, Source
from neurosieve.data import Document, Skipped
from neurosieve.detection.pipeline import detect_spans
from neurosieve.detection.suggestion.proposed_phrases import Suggest
from neurosieve.detection.whole_text_labels import Label, label_totals, whole_text_labels
from neurosieve.errors import ConfigError, DataError
from neurosieve.runs.results import Run
from neurosieve.texts.intake import intake_warnings
from neurosieve.texts.spans import Detect, DetectedDocument, check_detectors, check_labels, detect_first
from neurosieve.wording import plural

__all__ = ["COMMAND", "detect", "look", "main"]

_LABELLED = 1000
"""So many documents are read for the totals of the behaviours of whole texts: enough for most files, and quick."""

COMMAND = Command(
    "detect",
    Detect,
    {
        "source": One("source"),
        "detectors": Many("detector"),
        "suggest": Fields(Suggest, optional=True),
        "reports": Many("report"),
    },
)


def detect(
    source: str | Source | Iterable[Document | Skipped] | None = None,
    detectors: str | Sequence[str] | Mapping[str, Detector] | None = None,
    *,
    suggest: str | Mapping[str, Any] | None = None,
    reports: str | Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Find where behaviours show in texts, and how well that agrees with annotations, where there are some.

    Args:
        source: a preset, a `Source`, or documents.
        detectors: presets, or detectors by the name of the behaviour that each finds.
        suggest: `phrases`, for phrases that the detectors miss; or its fields, such as `{"detector": "phrases",
            "against": "judge"}`.
        reports: presets, or what draws the run by name.
        folder: where the run is left; `runs/detect/<time>` by default.
        **settings: the fields of `Detect`, such as `labels`.

    Returns:
        The run, with its tables `spans` and `phrases`; `agreement` and `confusion` where there are annotations;
        `rater_pairs`, `reliability` and `disagreements` of two or more detectors, or of detectors and annotators; and
        `suggestions` and `mended` where phrases are suggested.

    Raises:
        NeurosieveError: it cannot be done; the message says what to do next.
    """
    choices = {"source": source, "detectors": detectors, "suggest": suggest, "reports": reports}
    if settings.get("look"):
        raise ConfigError(
            "`look` leaves no run: call `neurosieve.look(source, detectors, documents=...)`, which prints and returns "
            "what was understood"
        )
    return detect_spans(**COMMAND.from_python(choices, settings), folder=COMMAND.run_folder(folder))


def look(
    source: str | Source | Iterable[Document | Skipped] | None = None,
    detectors: str | Sequence[str] | Mapping[str, Detector] | None = None,
    documents: int = 3,
) -> list[DetectedDocument | Skipped]:
    """Print what is understood of the first texts, before anything costs time: whose words, what is assumed, spans.

    For behaviours of whole texts, up to 1,000 texts are read, and it is printed how many are labelled in which way;
    where a detector asks a server or a large model, only those that are shown.

    Args:
        source: a preset, a `Source`, or documents.
        detectors: presets, or detectors by the name of the behaviour that each finds.
        documents: how many texts.

    Returns:
        These documents with their spans, and the skipped records among them.

    Raises:
        NeurosieveError: it cannot be done, or the settings of a detector fit none of the texts; the message says what
            to do next.
    """
    if documents < 1:
        raise ConfigError(f"documents is {documents}: give a whole number, at least 1")
    choices = {"source": source, "detectors": detectors, "suggest": None, "reports": ()}
    parts = COMMAND.from_python(choices, {"look": documents})
    return _look(parts["source"], parts["detectors"], documents)


def _look(
    source: Iterable[Document | Skipped], detectors: Mapping[str, Detector], number: int
) -> list[DetectedDocument | Skipped]:
    from neurosieve.terminal.look import show_understood
    from neurosieve.terminal.printing import console

    check_detectors(detectors)
    of_whole_texts = any(detector.whole_texts for detector in detectors.values())
    # To ask for a thousand texts is not a look.
    asks = any(detector.looks_ahead for detector in detectors.values())
    limit = max(number, _LABELLED) if of_whole_texts and not asks else number
    items = detect_first(source, detectors, limit)
    understood = list(_first(items, number))
    show_understood(understood, console(), [_labels(item, detectors) for item in understood])
    if of_whole_texts:
        every = [*understood, *items]
        documents = [item for item in every if isinstance(item, DetectedDocument)]
        read_to_the_end = len(documents) < limit and len(every) - len(documents) < 10 * limit
        for line in _totals(documents, detectors, read_to_the_end):
            console().print(line, soft_wrap=True, markup=False, highlight=False)
    return understood


def _labels(item: DetectedDocument | Skipped, detectors: Mapping[str, Detector]) -> dict[str, Label]:
    return {} if isinstance(item, Skipped) else whole_text_labels(item, detectors)


def _first(items: Iterator[DetectedDocument | Skipped], number: int) -> Iterator[DetectedDocument | Skipped]:
    """Yield up to the document with a number, or until ten times as many records were skipped."""
    documents = skipped = 0
    for item in items:
        documents, skipped = documents + (not isinstance(item, Skipped)), skipped + isinstance(item, Skipped)
        yield item
        if documents == number or skipped == 10 * number:
            return


def _totals(documents: Sequence[DetectedDocument], detectors: Mapping[str, Detector], every: bool) -> Iterator[str]:
    """Yield how many documents have which label; `every` says that the source has no more of them.

    Raises:
        DataError: the settings of a detector fit none of a source's documents.
    """
    where = f"{'' if every else 'the first '}{plural(len(documents), 'document')}"
    yield from label_totals((whole_text_labels(each, detectors) for each in documents), where)
    counts = Counter[str]()
    try:
        check_labels([each.document for each in documents], detectors, counts)
    except DataError as error:
        if every:
            raise
        yield f"of {where} alone: {error}"
    yield from intake_warnings(counts)


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `detect`."""
    from neurosieve.terminal.finished_run import show_run

    def task(config: Any, folder: Path) -> None:
        parts = COMMAND.build(config)
        if number := parts["settings"].look:
            _look(parts["source"], parts["detectors"], number)
        else:
            show_run(detect_spans(**parts, folder=folder))

    run_hydra(COMMAND, arguments, task)
