"""From texts to the spans of behaviours, beside what annotators found: the stages of `detect`, in order."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from neurosieve.contracts import Detector, Report, Source
from neurosieve.data import Document
from neurosieve.detection.agreement import agreement, annotated, chosen_labels, confusion, doubts, marked, outside
from neurosieve.errors import ConfigError
from neurosieve.registry import describe, installed
from neurosieve.runs.record import Stopwatch, versions
from neurosieve.runs.results import Run, draw, write_run
from neurosieve.texts.spans import Detect, check_detectors, detect_all, phrases_table, spans_table
from neurosieve.wording import plural

__all__ = ["detect_spans"]


def detect_spans(
    source: Source | Iterable[Document],
    detectors: Mapping[str, Detector],
    reports: Mapping[str, Report],
    settings: Detect,
    folder: Path,
) -> Run:
    """Look for behaviours in texts, compare with what annotators found where they did, and leave the run in `folder`.

    Raises:
        NeurosieveError: what is asked cannot be done; nothing is left in `folder`.
    """
    check_detectors(detectors)
    if not detectors:
        raise ConfigError(
            "no detector is given: choose at least one, as in `detectors=[...]`; `neurosieve plugins` lists them"
        )
    announce = installed().announce
    announce("run_started", command="detect", folder=folder)
    watch, counts, warnings = Stopwatch(), Counter[str](), list[str]()
    with watch.stage("detecting"):
        found = detect_all(source, detectors, counts, announce)
    with watch.stage("comparing"):
        truth = annotated(one.document for one in found)
        labels = chosen_labels(truth, settings.labels, "labels")
        tables = {"spans": spans_table(found, settings.around)}
        tables["phrases"] = phrases_table(tables["spans"])
        if labels:
            marks = {
                name: marked(truth.sentences, {one.document.id: one.spans[name] for one in found}) for name in detectors
            }
            compared = {label: (label,) for label in labels}
            tables["agreement"] = agreement(
                truth, compared, marks, settings.interval_bootstraps, settings.seed, settings.min_groups
            )
            tables["confusion"] = confusion(truth, marks)
            warnings += doubts(truth, compared, settings.min_groups, counts["documents"])
            warnings += [
                f"{beside:,} spans of `{name}` lie beside every annotated sentence: they count neither as right nor as "
                "wrong"
                for name in detectors
                if (beside := outside(truth, {one.document.id: one.spans[name] for one in found}))
            ]
    numbers = {
        name: {
            "spans": sum(len(one.spans[name]) for one in found),
            "documents_with": sum(bool(one.spans[name]) for one in found),
            "documents_without": sum(not one.spans[name] for one in found),
        }
        for name in detectors
    }
    warnings += [
        f"`{name}` shows nowhere in {plural(len(found), 'document')}"
        for name in detectors
        if not numbers[name]["spans"]
    ]
    if counts["documents_empty"]:
        warnings.append(f"{counts['documents_empty']:,} documents have no text to look into")
    counts["annotated_sentences"] = len(truth.sentences)
    counts["annotated_documents"] = int(truth.sentences["document"].nunique())
    run = {
        "command": "detect",
        "behaviours": list(detectors),
        "warnings": warnings,
        "counts": {**dict(sorted(counts.items())), "behaviours": numbers},
        "timings_seconds": watch.seconds,
        "config": {
            "source": describe(source) if isinstance(source, Source) else "documents handed over",
            "detectors": {name: describe(one) for name, one in detectors.items()},
            "reports": {name: describe(one) for name, one in reports.items()},
            **vars(settings),
        },
        "versions": versions(),
    }
    left = write_run(folder, run, tables)
    draw(folder, reports)
    announce("run_ended", command="detect", folder=folder)
    return left
