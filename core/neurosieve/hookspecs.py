"""The hooks that a plugin package can implement, found through the entry-point group `neurosieve`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pluggy

from neurosieve.contracts import (
    Control,
    Detector,
    Executor,
    Grader,
    Intervention,
    Learner,
    Problems,
    Reading,
    Report,
    Scorer,
    Source,
)

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("neurosieve")
hookimpl = pluggy.HookimplMarker("neurosieve")


@hookspec
def register_sources() -> Mapping[str, type[Source]]:  # type: ignore[empty-body]
    """Return the sources of this package by name."""


@hookspec
def register_detectors() -> Mapping[str, type[Detector]]:  # type: ignore[empty-body]
    """Return the detectors of this package by name."""


@hookspec
def register_learners() -> Mapping[str, type[Learner]]:  # type: ignore[empty-body]
    """Return the learners of this package by name."""


@hookspec
def register_controls() -> Mapping[str, type[Control]]:  # type: ignore[empty-body]
    """Return the controls of this package by name."""


@hookspec
def register_readings() -> Mapping[str, type[Reading]]:  # type: ignore[empty-body]
    """Return the readings of this package by name."""


@hookspec
def register_scorers() -> Mapping[str, type[Scorer[Any]]]:  # type: ignore[empty-body]
    """Return the scorers of this package by name."""


@hookspec
def register_problems() -> Mapping[str, type[Problems]]:  # type: ignore[empty-body]
    """Return the sources of problems of this package by name."""


@hookspec
def register_graders() -> Mapping[str, type[Grader]]:  # type: ignore[empty-body]
    """Return the graders of this package by name."""


@hookspec
def register_interventions() -> Mapping[str, type[Intervention]]:  # type: ignore[empty-body]
    """Return the interventions of this package by name."""


@hookspec
def register_executors() -> Mapping[str, type[Executor]]:  # type: ignore[empty-body]
    """Return the executors of this package by name."""


@hookspec
def register_reports() -> Mapping[str, type[Report]]:  # type: ignore[empty-body]
    """Return the reports of this package by name."""


@hookspec
def config_search_path() -> Iterable[str]:  # type: ignore[empty-body]
    """Return where this package keeps Hydra configs of its own, such as `pkg://mine.conf`."""


@hookspec
def run_started(command: str, folder: Path) -> None:
    """Hear that a run has begun, which will leave its results in `folder`."""


@hookspec
def stage_progressed(stage: str, done: int, total: int | None, unit: str) -> None:
    """Hear how far a stage of the run has come; `total` is None where it is not known, `done` == `total` ends it."""


@hookspec
def batch_read(documents: int, tokens: int, positions: int) -> None:
    """Hear that the model has read a batch: `tokens` tokens went through it in forward passes, padding included."""


@hookspec
def run_ended(command: str, folder: Path) -> None:
    """Hear that a run has ended well and that `folder` holds its results."""
