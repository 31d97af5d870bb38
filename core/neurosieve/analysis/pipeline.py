"""From traces to what is in them: the stages of `analyze`, in order."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from neurosieve.analysis.grading import TRUTH_FIELDS, grade_documents, why_ungradable
from neurosieve.analysis.summary import Analyze, summarize_traces, write_summary
from neurosieve.contracts import Detector, Grader, Report
from neurosieve.data import Document, Skipped
from neurosieve.pipeline.cautions import respelled
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Run
from neurosieve.texts.absence import absence_warnings
from neurosieve.texts.near_misses import near_miss_warnings, near_misses_in
from neurosieve.texts.prevalence import prevalence_warnings
from neurosieve.texts.spans import detect_all

__all__ = ["analyze_traces"]


def analyze_traces(
    source: Iterable[Document | Skipped],
    detectors: Mapping[str, Detector],
    grader: Grader | None,
    reports: Mapping[str, Report],
    settings: Analyze,
    folder: Path,
) -> Run:
    """Detect, grade (unless `grader` is None) and count, and write the run to `folder`.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    with recording("analyze", folder, reports) as run:
        with run.stage("detecting"):
            traces = detect_all(source, detectors, run.counts, run.announce)
        run.warnings += respelled(run.counts)
        nearly = near_misses_in(traces, detectors)
        run.warnings += near_miss_warnings(nearly)
        unknown = {
            name: {near.document for near in near_misses if near.unknown or near.whole_text}
            for name, near_misses in nearly.items()
        }
        documents, verdicts = [trace.document for trace in traces], None
        # A field that the user names must be there; by the default fields there may be nothing to grade.
        if grader is not None and settings.truth_fields == TRUTH_FIELDS and (reason := why_ungradable(documents)):
            run.warnings.append(f"nothing was graded: {reason}")
        elif grader is not None:
            with run.stage("grading"):
                verdicts = grade_documents(documents, grader, settings.truth_fields, run.announce)
        with run.stage("counting"):
            summarize_traces(run, traces, verdicts, settings, unknown)
            run.warnings += absence_warnings(traces, detectors) + prevalence_warnings(traces)
        write_summary(run.tables["summary"], folder / "summary.json")
        choices = {"source": source, "detectors": detectors, "grader": grader, "reports": reports}
        run.record |= {"behaviours": list(detectors), "config": described(choices) | vars(settings)}
    return run.run
