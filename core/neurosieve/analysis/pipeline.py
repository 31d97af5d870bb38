"""From traces to what is in them: the stages of `analyze`, in order."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from neurosieve.analysis.grading import TRUTH_FIELDS, grade_documents, why_ungradable
from neurosieve.analysis.summary import Analyze, summarize_traces, write_summary
from neurosieve.contracts import Detector, Grader, Report, Source
from neurosieve.data import Document
from neurosieve.runs.record import described
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Run
from neurosieve.texts.spans import detect_all

__all__ = ["analyze_traces"]


def analyze_traces(
    source: Source | Iterable[Document],
    detectors: Mapping[str, Detector],
    grader: Grader | None,
    reports: Mapping[str, Report],
    settings: Analyze,
    folder: Path,
) -> Run:
    """Detect, grade and count, and leave the run in `folder`.

    Args:
        source: the traces.
        detectors: find where behaviours show, by the name of the behaviour.
        grader: says whether an answer is right; None grades nothing.
        reports: draw the run.
        settings: where a trace holds what.
        folder: where to.

    Raises:
        NeurosieveError: what is asked cannot be done; nothing is left in `folder`.
    """
    with recording("analyze", folder, reports) as run:
        with run.stage("detecting"):
            traces = detect_all(source, detectors, Counter(), run.announce)
        documents, verdicts = [trace.document for trace in traces], None
        # What was asked for by name must be there; a grader that stands by default may find nothing to do.
        if grader is not None and settings.truth_fields == TRUTH_FIELDS and (reason := why_ungradable(documents)):
            run.warnings.append(f"nothing was graded: {reason}")
        elif grader is not None:
            with run.stage("grading"):
                verdicts = grade_documents(documents, grader, settings.truth_fields, run.announce)
        with run.stage("counting"):
            analysis = summarize_traces(traces, verdicts, settings)
        write_summary(analysis.summary, folder / "summary.json")
        run.warnings += analysis.warnings
        choices = {"source": source, "detectors": detectors, "grader": grader, "reports": reports}
        run.record = {
            "behaviours": list(detectors),
            "counts": analysis.counts,
            "config": {**described(choices), **vars(settings)},
        }
        run.tables = {"traces": analysis.traces, "spans": analysis.spans, "summary": analysis.summary}
    return run.run
