"""`detect`: detectors alone, without a model."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.config.command import Command, Many, One
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Detector, Report, Source
from neurosieve.data import Document
from neurosieve.detection.pipeline import detect_spans
from neurosieve.runs.results import Run
from neurosieve.texts.spans import Detect

__all__ = ["COMMAND", "detect", "main"]

COMMAND = Command("detect", Detect, {"source": One("source"), "detectors": Many("detector"), "reports": Many("report")})


def detect(
    source: str | Source | Iterable[Document] | None = None,
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
    return detect_spans(**COMMAND.from_python(choices, settings), folder=COMMAND.run_folder(folder))


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `detect`."""
    from neurosieve.terminal.run import show_run

    def task(config: Any, folder: Path) -> None:
        show_run(detect_spans(**COMMAND.build(config), folder=folder))

    run_hydra(COMMAND, arguments, task)
