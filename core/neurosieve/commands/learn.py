"""`learn`: a detector trained from annotations."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.config.command import Command, Many, One
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Detector, Learner, Report, Source
from neurosieve.data import Document, Skipped
from neurosieve.detection.learning.cross_validation import Learn
from neurosieve.detection.learning.training import train
from neurosieve.runs.results import Run

__all__ = ["COMMAND", "learn", "main"]

COMMAND = Command(
    "learn",
    Learn,
    {"source": One("source"), "learner": One("learner"), "detectors": Many("detector"), "reports": Many("report")},
)


def learn(
    source: str | Source | Iterable[Document | Skipped],
    label: str | Sequence[str],
    detectors: str | Sequence[str] | Mapping[str, Detector] | None = None,
    *,
    learner: str | Learner | None = None,
    reports: str | Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train a detector from annotated texts, and measure it on documents that had no part in its training.

    Args:
        source: the annotated texts: a preset, a `Source`, or documents.
        label: the annotated label that is the behaviour, or several that are together.
        detectors: presets, or detectors by name, to compare with.
        learner: what learns: the name of a learner, such as `words` or `embeddings`, or a `Learner`.
        reports: presets, or what draws the run by name.
        folder: where the run is left; `runs/learn/<time>` by default.
        **settings: the fields of `Learn`, such as `precision` and `output`, the file for the detector.

    Returns:
        The run, with its tables `agreement`, `sentences`, `folds` and `thresholds`; `run.run["output"]` is the
        detector's file.

    Raises:
        NeurosieveError: it cannot be done; the message says what to do next.
    """
    choices = {"source": source, "learner": learner, "detectors": detectors, "reports": reports}
    settings["label"] = label if isinstance(label, str) else tuple(label)
    return train(**COMMAND.from_python(choices, settings), folder=COMMAND.run_folder(folder))


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `learn`."""
    from neurosieve.terminal.finished_run import show_run

    def task(config: Any, folder: Path) -> None:
        show_run(train(**COMMAND.build(config), folder=folder))

    run_hydra(COMMAND, arguments, task)
