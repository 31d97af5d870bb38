"""`analyze`: what is in traces, without a model."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.analysis.grading import verdict_on
from neurosieve.analysis.pipeline import analyze_traces
from neurosieve.analysis.summary import Analyze
from neurosieve.config.command import AS_CONFIG, AsConfig, Command, Many, One
from neurosieve.config.configuration import build, build_all
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Detector, Grader, Report, Source
from neurosieve.data import Document, Skipped
from neurosieve.errors import ConfigError, nearest
from neurosieve.pipeline.reopening import PlannedRun, RunInputs, result_of
from neurosieve.registry import installed
from neurosieve.runs.results import Result, Run
from neurosieve.texts.intake import check_documents
from neurosieve.texts.spans import detect_each

__all__ = ["COMMAND", "analyze", "analyze_run", "check_ahead", "go_on", "main"]

COMMAND = Command(
    "analyze",
    Analyze,
    {
        "source": One("source"),
        "detectors": Many("detector"),
        "grader": One("grader", optional=True, null="none"),
        "reports": Many("report"),
    },
    keys={"show": None},
    from_run=("source", "detectors"),
)


def analyze(
    source: str | Source | Iterable[Document | Skipped],
    detectors: str | Sequence[str] | Mapping[str, Detector] | None = None,
    grader: str | Grader | AsConfig | None = AS_CONFIG,
    *,
    reports: str | Sequence[str] | Mapping[str, Report] | None = None,
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
        NeurosieveError: it cannot be done; the message says what to do next.
    """
    choices = {"source": source, "detectors": detectors, "grader": grader, "reports": reports}
    return analyze_traces(**COMMAND.from_python(choices, settings), folder=COMMAND.run_folder(folder))


def analyze_run(
    run: Result | str | Path,
    *,
    documents: Iterable[Document] | None = None,
    detectors: Mapping[str, Detector] | None = None,
    grader: str | Grader | AsConfig | None = AS_CONFIG,
    reports: str | Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Analyze the texts of a finished run of `find`, by its own source and detectors; the rest is as for `analyze`.

    Args:
        run: what `find` gave, or its folder.
        documents: the texts, if they were handed over to the run in Python; so for `detectors`.
        folder: where the run is left; `<folder of the run>/analyze` by default.

    Raises:
        NeurosieveError: it cannot be done; the message says what to do next.
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


def check_ahead(parts: Mapping[str, Any], ahead: PlannedRun) -> None:
    """Do nothing: nothing that a follow-up asks for depends on the run."""


def go_on(parts: Mapping[str, Any], result: Result, inputs: RunInputs, folder: Path) -> Run:
    """Run a follow-up on the texts of a run that has just ended."""
    return analyze_traces(**parts, source=inputs.source, detectors=inputs.detectors, folder=folder)


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `analyze`."""
    from neurosieve.terminal.finished_run import show_run

    def task(config: Any, folder: Path) -> None:
        if config.show is None:
            show_run(analyze_traces(**COMMAND.build(config), folder=folder))
        else:
            _show(config)

    run_hydra(COMMAND, arguments, task)


def _show(config: Any) -> None:
    """Print one trace in full; that leaves no run."""
    from neurosieve.terminal.printing import console
    from neurosieve.terminal.trace import trace_shown

    parts = COMMAND.build(config)
    settings, detectors, grader = parts["settings"], parts["detectors"], parts["grader"]
    ids = []
    for document in check_documents(parts["source"], Counter()):
        if document.id == config.show:
            [trace] = detect_each([document], detectors, Counter(), installed().announce)
            verdict = None if grader is None else verdict_on(document, grader, settings.truth_fields)
            console().print(trace_shown(document, trace.spans, verdict), soft_wrap=True)
            return
        ids.append(document.id)
    hint = textwrap.shorten(nearest(str(config.show), ids), 300, placeholder=" …")
    raise ConfigError(f"the source has no trace `{config.show}`: {hint}")
