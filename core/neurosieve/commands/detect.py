"""`detect`: detectors alone, without a model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from neurosieve.config.choices import presets
from neurosieve.config.configuration import as_object, build, build_all, composed, publish
from neurosieve.config.hydra_app import run_hydra
from neurosieve.config.hydra_errors import explained
from neurosieve.contracts import Detector, Report, Source
from neurosieve.data import Document
from neurosieve.detection.pipeline import detect_spans
from neurosieve.runs.results import Run
from neurosieve.texts.spans import Detect

__all__ = ["built_parts", "composed_parts", "detect", "from_config", "main"]


@dataclass(frozen=True)
class _Config(Detect):
    """The whole config: the settings, and a place for each group."""

    source: Any = None
    detectors: Any = field(default_factory=dict)
    reports: Any = field(default_factory=dict)


SCHEMAS: Mapping[str, type] = {"detect": _Config}


def detect(
    source: str | Source | Iterable[Document] = "arithmetic",
    detectors: str | Sequence[str] | Mapping[str, Detector] = ("backtracking",),
    *,
    reports: Sequence[str] | Mapping[str, Report] | None = None,
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
        NeurosieveError: what is asked cannot be done; the message says what to do next.
    """
    publish(SCHEMAS)
    return detect_spans(
        *composed_parts("detect", source, detectors, reports),
        settings=as_object(Detect, settings, "detect"),
        folder=Path(folder or f"runs/detect/{datetime.now():%Y-%m-%d/%H-%M-%S-%f}"),
    )


def from_config(config: Any, folder: Path) -> Run:
    """Run what a composed config asks for, and leave the run in `folder`."""
    settings = as_object(Detect, {name: config[name] for name in Detect.__dataclass_fields__}, "detect")
    return detect_spans(*built_parts(config), settings=settings, folder=folder)


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `detect`."""
    from neurosieve.terminal.run import show_run

    run_hydra("detect", arguments, SCHEMAS, lambda config, folder: show_run(from_config(config, folder)))


def composed_parts(
    command: str,
    source: Any,
    detectors: str | Sequence[str] | Mapping[str, Detector],
    reports: Sequence[str] | Mapping[str, Report] | None,
) -> tuple[Any, Mapping[str, Detector], Mapping[str, Report]]:
    """Return the texts, the detectors and the reports that a Python caller asks for, presets as their plugins."""
    overrides = presets({"source": source}, {"detectors": detectors, "reports": reports})
    with explained(command, overrides):
        config = composed(command, overrides)
    return (
        build(config.source, "source", "source") if isinstance(source, str) else source,
        detectors if isinstance(detectors, Mapping) else build_all(config.detectors, "detector"),
        reports if isinstance(reports, Mapping) else build_all(config.reports, "report"),
    )


def built_parts(config: Any) -> tuple[Source, Mapping[str, Detector], Mapping[str, Report]]:
    """Return the source, the detectors and the reports of a composed config."""
    return (
        build(config.source, "source", "source"),
        build_all(config.detectors, "detector"),
        build_all(config.reports, "report"),
    )
