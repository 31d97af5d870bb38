"""`analyze`: what is in traces, without a model."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from neurosieve.analysis.grading import TRUTH_FIELDS, grade_documents, verdict_on, why_ungradable
from neurosieve.analysis.summary import Analyze, summarize_traces, write_summary
from neurosieve.config.choices import presets
from neurosieve.config.configuration import as_object, build, build_all, composed, publish
from neurosieve.config.hydra_app import run_hydra
from neurosieve.config.hydra_errors import explained
from neurosieve.contracts import Detector, Grader, Report, Source
from neurosieve.data import Document
from neurosieve.errors import ConfigError, nearest
from neurosieve.pipeline.reopening import PlannedRun, RunInputs, result_of
from neurosieve.registry import describe, installed
from neurosieve.runs.record import Stopwatch, versions
from neurosieve.runs.results import Result, Run, draw, write_run
from neurosieve.texts.spans import detect_all, detect_each

__all__ = ["analyze", "analyze_run", "from_config", "main"]


@dataclass(frozen=True)
class _Config(Analyze):
    """The whole config: the settings, a trace to show, and a place for each group."""

    show: str | None = None
    source: Any = None
    detectors: Any = field(default_factory=dict)
    grader: Any = None
    reports: Any = field(default_factory=dict)


SCHEMAS: Mapping[str, type] = {"analyze": _Config}


def analyze(
    source: str | Source | Iterable[Document],
    detectors: Sequence[str] | Mapping[str, Detector] = ("backtracking",),
    grader: str | Grader | None = "math_verify",
    *,
    reports: Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Analyze traces: how many answers are right, how many ran out of tokens, and where a behaviour shows.

    Args:
        source: a preset, a `Source` such as one of traces, or documents.
        detectors: presets, or detectors by the name of the behaviour that each finds.
        grader: a preset, or what says whether an answer is right; None for no grading. Where no text comes with a
            right answer, nothing is graded, and a warning says so.
        reports: presets, or what draws the run by name.
        folder: where the run is left; `runs/analyze/<time>` by default.
        **settings: the fields of `Analyze`, such as `level_field`.

    Returns:
        The run, with its tables `traces`, `spans` and `summary`.

    Raises:
        NeurosieveError: what is asked cannot be done; the message says what to do next.
    """
    publish(SCHEMAS)
    reports = {} if reports is not None and not reports else reports  # `reports=[]` is no choice where there are none.
    overrides = presets({"source": source, "grader": grader}, {"detectors": detectors, "reports": reports})
    with explained("analyze", overrides):
        config = composed("analyze", overrides)
    return _analyzed(
        build(config.source, "source", "source") if isinstance(source, str) else source,
        detectors if isinstance(detectors, Mapping) else build_all(config.detectors, "detector"),
        build(config.grader, "grader", "grader") if isinstance(grader, str) else grader,
        as_object(Analyze, settings, "analyze"),
        reports if isinstance(reports, Mapping) else build_all(config.reports, "report"),
        Path(folder or f"runs/analyze/{datetime.now():%Y-%m-%d/%H-%M-%S-%f}"),
    )


def analyze_run(
    run: Result | str | Path,
    *,
    documents: Iterable[Document] | None = None,
    detectors: Mapping[str, Detector] | None = None,
    grader: str | Grader | None = "math_verify",
    reports: Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Analyze the texts of a finished run of `find`, by its own source and detectors.

    Args:
        run: what `find` gave, or its folder.
        documents: the texts, if they were handed over to the run in Python.
        detectors: likewise.
        grader: as for `analyze`.
        reports: as for `analyze`.
        folder: where the run is left; `<folder of the run>/analyze` by default.
        **settings: the fields of `Analyze`.

    Raises:
        NeurosieveError: what is asked cannot be done; the message says what to do next.
    """
    result = result_of(run)
    config = result.run["config"]
    if documents is None and not isinstance(config["source"], dict):
        raise ConfigError(f"the texts of `{result.folder}` were handed over in Python: hand them over again")
    return analyze(
        build(config["source"], "source", "source") if documents is None else documents,
        detectors or build_all(config["detectors"], "detector"),
        grader,
        reports=reports,
        folder=folder or result.folder / "analyze",
        **settings,
    )


def from_config(config: Any, folder: Path) -> Run:
    """Run what a composed config asks for, and leave the run in `folder`."""
    return _analyzed(
        build(config.source, "source", "source"),
        build_all(config.detectors, "detector"),
        None if config.grader is None else build(config.grader, "grader", "grader"),
        _settings(config),
        build_all(config.reports, "report"),
        folder,
    )


def check_ahead(config: Any, ahead: PlannedRun) -> None:
    """Raise where a composed config asks for what cannot be; nothing that it asks for depends on the run."""
    _settings(config)
    build_all(config.reports, "report")
    if config.grader is not None:
        build(config.grader, "grader", "grader")


def go_on(config: Any, result: Result, inputs: RunInputs, folder: Path) -> Run:
    """Run what a composed config asks for on the texts of a run that has just ended."""
    return _analyzed(
        inputs.source,
        inputs.detectors,
        None if config.grader is None else build(config.grader, "grader", "grader"),
        _settings(config),
        build_all(config.reports, "report"),
        folder,
    )


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `analyze`."""
    from neurosieve.terminal.run import show_run

    def task(config: Any, folder: Path) -> None:
        if config.show is None:
            show_run(from_config(config, folder))
        else:
            _show(config)

    # Hydra lets a group have no choice where nothing was chosen before, and nowhere else.
    arguments = ["grader=none" if one == "grader=null" else one for one in arguments]
    run_hydra("analyze", arguments, SCHEMAS, task)


def _show(config: Any) -> None:
    """Print one trace in full; that leaves no run."""
    from neurosieve.terminal.console import console
    from neurosieve.terminal.trace import trace_shown

    settings, detectors = _settings(config), build_all(config.detectors, "detector")
    grader = None if config.grader is None else build(config.grader, "grader", "grader")
    others = []
    for document in build(config.source, "source", "source"):
        if document.id == config.show:
            [found] = detect_each([document], detectors, Counter(), installed().announce)
            verdict = None if grader is None else verdict_on(document, grader, settings.truth_fields)
            console().print(trace_shown(document, found.spans, verdict), soft_wrap=True)
            return
        others.append(document.id)
    hint = textwrap.shorten(nearest(str(config.show), others), 300, placeholder=" …")
    raise ConfigError(f"the source has no trace `{config.show}`: {hint}")


def _analyzed(
    source: Source | Iterable[Document],
    detectors: Mapping[str, Detector],
    grader: Grader | None,
    settings: Analyze,
    reports: Mapping[str, Report],
    folder: Path,
) -> Run:
    if (folder / "run.json").exists():
        raise ConfigError(f"`{folder}` holds a finished run already, which is not written over: give another folder")
    announce, watch = installed().announce, Stopwatch()
    announce("run_started", command="analyze", folder=folder)
    with watch.stage("detecting"):
        found = detect_all(source, detectors, Counter(), announce)
    documents, verdicts, warnings = [one.document for one in found], None, list[str]()
    # What was asked for by name must be there; a grader that stands by default may find nothing to do.
    if grader is not None and settings.truth_fields == TRUTH_FIELDS and (reason := why_ungradable(documents)):
        warnings.append(f"nothing was graded: {reason}")
    elif grader is not None:
        with watch.stage("grading"):
            verdicts = grade_documents(documents, grader, settings.truth_fields, announce)
    with watch.stage("counting"):
        analysis = summarize_traces(found, verdicts, settings)
    write_summary(analysis.summary, folder / "summary.json")
    report = {
        "command": "analyze",
        "behaviours": list(detectors),
        "warnings": warnings + analysis.warnings,
        "counts": analysis.counts,
        "timings_seconds": watch.seconds,
        "config": {
            "source": describe(source) if isinstance(source, Source) else "documents handed over",
            "detectors": {name: describe(one) for name, one in detectors.items()},
            "grader": None if grader is None else describe(grader),
            "reports": {name: describe(one) for name, one in reports.items()},
            **vars(settings),
        },
        "versions": versions(),
    }
    tables = {"traces": analysis.traces, "spans": analysis.spans, "summary": analysis.summary}
    run = write_run(folder, report, tables)
    draw(folder, reports)
    announce("run_ended", command="analyze", folder=folder)
    return run


def _settings(config: Any) -> Analyze:
    found: Analyze = as_object(Analyze, {name: config[name] for name in Analyze.__dataclass_fields__}, "analyze")
    return found
