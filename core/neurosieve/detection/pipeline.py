"""From texts to the spans of behaviours, compared with what annotators found: the stages of `detect`, in order."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from neurosieve.contracts import Detector, Report
from neurosieve.data import Document, Scope, Skipped
from neurosieve.detection.agreement.agreement_warnings import (
    agreement_warnings,
    count_outside,
    not_known_warnings,
    sample_remarks,
)
from neurosieve.detection.agreement.annotated_sentences import (
    Annotations,
    agreement_table,
    annotations_of,
    choose_labels,
    confusion_table,
    mark_near_misses,
    mark_sentences,
)
from neurosieve.detection.agreement.disagreements import disagreements_table
from neurosieve.detection.agreement.raters import ANNOTATED, raters_of
from neurosieve.detection.agreement.reliability import pairs_table, reliability_table
from neurosieve.detection.suggestion.proposed_phrases import Suggest
from neurosieve.detection.suggestion.suggested_phrases import add_suggestions, check_suggest
from neurosieve.errors import ConfigError
from neurosieve.pipeline.cautions import respelled
from neurosieve.runs.label_settings import detector_files
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import Recording, recording
from neurosieve.runs.results import Run
from neurosieve.texts.absence import absence_warnings
from neurosieve.texts.near_misses import NearMiss, near_miss_warnings, near_misses_in, near_misses_table
from neurosieve.texts.prevalence import prevalence_warnings
from neurosieve.texts.sameness import count_copies
from neurosieve.texts.spans import (
    Detect,
    DetectedDocument,
    check_detectors,
    detect_all,
    phrases_table,
    scopes_of,
    spans_table,
)
from neurosieve.wording import plural

__all__ = ["detect_spans"]


def detect_spans(
    source: Iterable[Document | Skipped],
    detectors: Mapping[str, Detector],
    reports: Mapping[str, Report],
    settings: Detect,
    folder: Path,
    suggest: Suggest | None = None,
) -> Run:
    """Look for behaviours in texts, compare with annotations where there are some, and write the run to `folder`.

    With `suggest`, phrases are proposed that the detectors miss.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    check_detectors(detectors)
    if not detectors:
        raise ConfigError(
            "no detector is given: choose at least one, as in `detectors=[...]`; `neurosieve plugins` lists them"
        )
    if suggest is not None:
        check_suggest(suggest, detectors, settings.labels)
    with recording("detect", folder, reports) as run:
        with run.stage("detecting"):
            detected = detect_all(source, detectors, run.counts, run.announce)
            nearly = near_misses_in(detected, detectors)
        run.warnings += respelled(run.counts)
        with run.stage("comparing"):
            _compare(run, detected, detectors, nearly, settings)
        numbers = {}
        for name in detectors:
            spans = [len(result.spans[name]) for result in detected]
            shown = sum(map(bool, spans))
            numbers[name] = {"spans": sum(spans), "documents_with": shown, "documents_without": len(detected) - shown}
        run.warnings += absence_warnings(detected, detectors) + prevalence_warnings(detected)
        if copies := count_copies(result.document.text for result in detected):
            run.counts["texts_copied"] = copies
            run.warnings.append(
                f"{copies:,} of {plural(len(detected), 'text')} are copies of an earlier one, but for blanks and "
                "capitals, and count as documents of their own: leave copies out of what you rank"
            )
        if any(nearly.values()):
            run.tables["near_misses"] = near_misses_table(nearly)
            run.warnings += near_miss_warnings(nearly)
        if run.counts["documents_empty"]:
            run.warnings.append(f"{run.counts['documents_empty']:,} documents have no text to look into")
        run.record |= {
            "behaviours": list(detectors),
            "counts": {"behaviours": numbers},
            "detector_files": detector_files(detectors),
            "config": described({"source": source, "detectors": detectors, "reports": reports, "suggest": suggest})
            | vars(settings),
        }
        if suggest is not None:
            with run.stage("suggesting"):
                add_suggestions(run, detected, nearly, detectors, suggest, settings)
    return run.run


def _compare(
    run: Recording,
    detected: Sequence[DetectedDocument],
    detectors: Mapping[str, Detector],
    nearly: Mapping[str, Sequence[NearMiss]],
    settings: Detect,
) -> None:
    """Add the tables of spans and, where documents are annotated, of agreement, with what to know of it."""
    run.tables["spans"] = spans_table(detected, settings.around)
    run.tables["phrases"] = phrases_table(run.tables["spans"])
    agreement, confusion, truth_of = [], [], {}
    for scope in scopes_of(detectors):  # A detector is compared with the annotations where it looks.
        truth = truth_of[scope] = annotations_of((result.document for result in detected), scope)
        labels = choose_labels(truth, settings.labels, "labels")
        _, documents, sentences = truth.size
        run.counts["annotated_documents"] = max(run.counts["annotated_documents"], documents)
        run.counts["annotated_sentences"] = max(run.counts["annotated_sentences"], sentences)
        if not labels:
            continue
        names = [name for name, detector in detectors.items() if detector.scope == scope]
        spans = {name: {result.document.id: result.spans[name] for result in detected} for name in names}
        marks = {name: mark_sentences(truth.sentences, spans[name]) for name in names}
        not_known = {name: mark_near_misses(truth.sentences, nearly[name]) & ~marks[name] for name in names}
        compared = {label: (label,) for label in labels}
        draws, seed, min_groups = settings.interval_bootstraps, settings.seed, settings.min_groups
        agreement.append(agreement_table(truth, compared, marks, draws, seed, min_groups, not_known))
        confusion.append(confusion_table(truth, marks, not_known))
        run.warnings += agreement_warnings(truth, compared, settings.min_groups, run.counts["documents"])
        run.warnings += [
            f"{plural(outside, 'span')} of `{name}` overlap no annotated sentence, and count neither as right nor as "
            "wrong"
            for name in names
            if (outside := count_outside(truth, spans[name]))
        ]
        run.warnings += not_known_warnings(truth, not_known, settings.min_groups)
        notes, warnings = sample_remarks(truth, (result.document for result in detected))
        run.notes += [note for note in notes if note not in run.notes]
        run.warnings += [warning for warning in warnings if warning not in run.warnings]
    if agreement:
        run.tables["agreement"] = pd.concat(agreement, ignore_index=True)
        run.tables["confusion"] = pd.concat(confusion, ignore_index=True)
    _set_beside(run, detected, detectors, nearly, truth_of, settings)


def _set_beside(
    run: Recording,
    detected: Sequence[DetectedDocument],
    detectors: Mapping[str, Detector],
    nearly: Mapping[str, Sequence[NearMiss]],
    truth_of: Mapping[Scope, Annotations],
    settings: Detect,
) -> None:
    """Add the tables of detectors beside each other and beside annotators: pairs, all together, disagreements."""
    # Of several labels a detector looks for one, and only the user knows which.
    only = {label for truth in truth_of.values() for label in truth.labels}
    labels = settings.labels or (tuple(only) if len(only) == 1 else ())
    draws, seed, min_groups = settings.interval_bootstraps, settings.seed, settings.min_groups
    documents = [result.document for result in detected]
    tables: dict[str, list[pd.DataFrame]] = {"rater_pairs": [], "reliability": [], "disagreements": []}
    for raters in raters_of(detected, detectors, nearly, truth_of, labels, seed):
        tables["rater_pairs"].append(pairs_table(raters, draws, seed, min_groups))
        tables["reliability"].append(reliability_table(raters, draws, seed, min_groups))
        tables["disagreements"].append(disagreements_table(raters, documents, settings.around, seed))
        names = ", ".join(f"`{name}`" for name in raters.marks)
        rated, every = raters.sentences["document"].nunique(), plural(len(documents), "document")
        which = every if rated == len(documents) else f"{rated:,} of {every}"
        drawn = ", drawn at random" if raters.drawn else ""
        run.notes.append(
            f"{names} are compared with each other over {len(raters.sentences):,} {raters.over} of {which}{drawn}"
        )
        if (groups := raters.sentences["group"].nunique()) < min_groups and raters.over != ANNOTATED:
            run.warnings.append(
                f"the texts are of {plural(groups, 'group')}: with fewer than {min_groups} there is no interval of how "
                "far detectors agree"
            )
    run.tables |= {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items() if parts}
    if only and not labels and tables["rater_pairs"]:
        run.notes.append(
            "detectors are compared with each other only: name the label that they look for, as in "
            f"`labels=[{truth_of[next(iter(truth_of))].labels[0]}]`, to compare them with annotators in the same way"
        )
