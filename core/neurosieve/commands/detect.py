"""`detect`: detectors alone, without a model."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.config.command import Command, Many, One
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Detector, Report, Source
from neurosieve.data import Document, Skipped
from neurosieve.detection.pipeline import detect_spans
from neurosieve.errors import ConfigError
from neurosieve.runs.results import Run
from neurosieve.texts.spans import Detect, DetectedDocument, check_detectors, detect_first

__all__ = ["COMMAND", "detect", "look", "main"]

COMMAND = Command("detect", Detect, {"source": One("source"), "detectors": Many("detector"), "reports": Many("report")})


def detect(
    source: str | Source | Iterable[Document | Skipped] | None = None,
    detectors: str | Sequence[str] | Mapping[str, Detector] | None = None,
    *,
    reports: str | Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Find where behaviours show in texts, and how well that agrees with annotations, where there are some.

    Args:
        source: a preset, a `Source`, or documents.
        detectors: presets, or detectors by the name of the behaviour that each finds.
        reports: presets, or what draws the run by name.
        folder: where the run is left; `runs/detect/<time>` by default.
        **settings: the fields of `Detect`, such as `labels`.

    Returns:
        The run, with its tables `spans` and `phrases`, and `agreement` and `confusion` where there are annotations.

    Raises:
        NeurosieveError: it cannot be done; the message says what to do next.
    """
    choices = {"source": source, "detectors": detectors, "reports": reports}
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

    Args:
        source: a preset, a `Source`, or documents.
        detectors: presets, or detectors by the name of the behaviour that each finds.
        documents: how many texts.

    Returns:
        These documents with their spans, and the skipped records among them.

    Raises:
        NeurosieveError: it cannot be done; the message says what to do next.
    """
    if documents < 1:
        raise ConfigError(f"documents is {documents}: give a whole number, at least 1")
    parts = COMMAND.from_python({"source": source, "detectors": detectors, "reports": ()}, {"look": documents})
    return _look(parts["source"], parts["detectors"], documents)


def _look(
    source: Iterable[Document | Skipped], detectors: Mapping[str, Detector], number: int
) -> list[DetectedDocument | Skipped]:
    from neurosieve.terminal.look import show_understood
    from neurosieve.terminal.printing import console

    check_detectors(detectors)
    understood = list(detect_first(source, detectors, number))
    show_understood(understood, console())
    return understood


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
