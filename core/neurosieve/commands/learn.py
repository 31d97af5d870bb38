"""`learn`: a detector trained from annotations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from neurosieve.commands.detect import built_parts, composed_parts
from neurosieve.config.configuration import as_object, publish
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Detector, Report, Source
from neurosieve.data import Document
from neurosieve.detection.cross_validation import Learn
from neurosieve.detection.training import train
from neurosieve.runs.results import Run

__all__ = ["from_config", "learn", "main"]


@dataclass(frozen=True)
class _Config(Learn):
    """The whole config: the settings, and a place for each group."""

    source: Any = None
    detectors: Any = field(default_factory=dict)
    reports: Any = field(default_factory=dict)


SCHEMAS: Mapping[str, type] = {"learn": _Config}


def learn(
    source: str | Source | Iterable[Document],
    label: str | Sequence[str],
    detectors: str | Sequence[str] | Mapping[str, Detector] = ("backtracking", "hesitation"),
    *,
    reports: Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Train a detector from annotated texts, and measure it on documents that had no part in its training.

    Args:
        source: the annotated texts: a preset, a `Source`, or documents.
        label: the annotated label that is the behaviour, or several that are together.
        detectors: presets, or detectors by name, to compare with.
        reports: presets, or what draws the run by name.
        folder: where the run is left; `runs/learn/<time>` by default.
        **settings: the fields of `Learn`, such as `precision` and `output`, the file for the detector.

    Returns:
        The run, with its tables `agreement`, `sentences`, `folds` and `thresholds`; `run.run["output"]` is the
        detector's file.

    Raises:
        NeurosieveError: what is asked cannot be done; the message says what to do next.
    """
    publish(SCHEMAS)
    asked = as_object(Learn, {"label": label if isinstance(label, str) else tuple(label), **settings}, "learn")
    return train(
        *composed_parts("learn", source, detectors, reports),
        settings=asked,
        folder=Path(folder or f"runs/learn/{datetime.now():%Y-%m-%d/%H-%M-%S-%f}"),
    )


def from_config(config: Any, folder: Path) -> Run:
    """Run what a composed config asks for, and leave the run in `folder`."""
    settings = as_object(Learn, {name: config[name] for name in Learn.__dataclass_fields__}, "learn")
    return train(*built_parts(config), settings=settings, folder=folder)


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `learn`."""
    from neurosieve.terminal.run import show_run

    run_hydra("learn", arguments, SCHEMAS, lambda config, folder: show_run(from_config(config, folder)))
