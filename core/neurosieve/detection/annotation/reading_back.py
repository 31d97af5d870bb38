"""From the files that people labelled to how well detectors agree with them: the stages of `annotate read=...`."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.contracts import Report
from neurosieve.detection.agreement.agreement_warnings import agreement_warnings
from neurosieve.detection.agreement.annotated_sentences import (
    Annotations,
    agreement_table,
    confusion_table,
)
from neurosieve.detection.annotation.annotators_beside import kappa_and_alpha
from neurosieve.detection.annotation.drawn_sample import DrawnSample, open_sample
from neurosieve.detection.annotation.few_labels import hardly_known, with_far_ends
from neurosieve.detection.annotation.labelled import (
    Labelled,
    by_annotator,
    labelled_sentences,
    read_labels,
)
from neurosieve.detection.annotation.population import FOUND, MARKS, NEAR_MISS, OUT_OF_SCOPE, mark_column
from neurosieve.detection.annotation.settings import UNSURE, Annotate
from neurosieve.disk import atomic_write
from neurosieve.errors import DataError, StoreError
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import Recording, recording
from neurosieve.runs.results import Run
from neurosieve.wording import plural

__all__ = ["LABELS", "read_back"]

LABELS = "labels.jsonl"
"""The labels that people agree on, with the texts: a source, and a file for a detector."""


def read_back(reports: Mapping[str, Report], settings: Annotate, folder: Path) -> Run:
    """Read what people labelled, compare detectors with each of them, and write the run to `folder`.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    sample = open_sample(settings.sample)
    with recording("annotate", folder, reports) as run:
        with run.stage("reading labels"):
            choices = read_labels(settings.files, run.counts, sample.sentences, sample.label_set)
        if others := run.counts["labels_of_other_sentences"]:
            run.warnings.append(
                f"the files label {plural(others, 'sentence')} that the sample does not have: these labels are left out"
            )
        persons, sentences = by_annotator(sample.sentences, choices, sample.label_set)
        if not any(len(person.annotations.sentences) for person in persons.values()):
            raise DataError("every sentence is labelled `unsure`: there is nothing to compare detectors with")
        run.counts.update({"sentences_drawn": len(sample.sentences), "sentences_labelled": 0, "sentences_unsure": 0})
        with run.stage("comparing"):
            for name, person in persons.items():
                _compare(run, sample, name if len(persons) > 1 else "", person, settings)
            if len(persons) > 1:
                tables, warnings = kappa_and_alpha(sample, choices, settings)
                run.tables |= tables
                run.warnings += warnings
        run.tables["sentences"] = sentences
        agreed = _agreed(choices)
        if disputed := choices["sentence"].nunique() - len(agreed):
            run.notes.append(
                f"{plural(disputed, 'sentence')} on which the annotators differ, or are unsure, "
                f"{'is' if disputed == 1 else 'are'} not in `{LABELS}`"
            )
        known = sentences[sentences["weight"] > 0]
        run.counts.update(
            {
                "annotators": len(persons),
                "annotated_documents": known["document"].nunique(),
                "annotated_sentences": known["sentence"].nunique(),
            }
        )
        run.record |= {
            "behaviours": list(sample.detectors),
            "annotation": dict(sample.run.run["annotation"]) | {"annotators": list(persons)},
            "detector_files": sample.run.run.get("detector_files", {}),
            "config": {key: sample.run.run["config"].get(key) for key in ("source", "detectors")}
            | {"sample": str(sample.run.folder), "read": list(settings.files), **described({"reports": reports})}
            | {name: getattr(settings, name) for name in ("seed", "interval_bootstraps", "min_groups")},
        }
        _write(folder, sample, agreed)
    return run.run


def _compare(run: Recording, sample: DrawnSample, annotator: str, person: Labelled, settings: Annotate) -> None:
    """Add how well the detectors agree with one annotator, and what to know of it."""
    truth = person.annotations
    of_whom = f"{annotator}: " if annotator else ""
    run.counts["sentences_labelled"] += len(truth.sentences)
    run.counts["sentences_unsure"] += person.unsure
    if person.unsure:
        run.warnings.append(
            f"{of_whom}{plural(person.unsure, 'sentence')} of {len(sample.sentences):,} "
            f"{'is' if person.unsure == 1 else 'are'} labelled `{UNSURE}` and left out: the others of the same stratum "
            "count for more"
        )
    if person.open:
        run.warnings.append(
            f"{of_whom}{plural(person.open, 'sentence')} of {len(sample.sentences):,} "
            f"{'has' if person.open == 1 else 'have'} no label: the others of the same stratum count for more"
        )
    run.warnings += [
        f"{of_whom}no sentence of the stratum “{stratum}” is labelled: its {plural(size, 'sentence')} "
        f"{'is' if size == 1 else 'are'} left out of precision and recall"
        for stratum, size in person.lost.items()
    ]
    if truth.sentences.empty:
        return
    run.warnings += [
        f"{of_whom}{warning}"
        for warning in agreement_warnings(truth, _compared(truth.labels), settings.min_groups, truth.size[1])
    ]
    run.warnings += [f"{of_whom}{warning}" for warning in hardly_known(truth)]
    run.warnings += [
        f"{of_whom}no sentence is labelled `{label}`: there is no recall"
        for label, shown in zip(truth.labels, truth.shows.T, strict=True)
        if not shown.any()
    ]
    for detector in sample.detectors:
        marks = truth.sentences[mark_column(detector)]
        within = (marks != MARKS[OUT_OF_SCOPE]).to_numpy()
        in_scope = Annotations(truth.sentences[within].reset_index(drop=True), truth.labels, truth.shows[within])
        found = {detector: (marks[within] == MARKS[FOUND]).to_numpy()}
        not_known = {detector: (marks[within] == MARKS[NEAR_MISS]).to_numpy()}
        draws = settings.interval_bootstraps
        # A detector that is called as a label is to find that one; its confusion with the others is a table of its own.
        labels = _compared([detector] if detector in truth.labels else truth.labels)
        agreement = agreement_table(in_scope, labels, found, draws, settings.seed, settings.min_groups, not_known)
        agreement = with_far_ends(agreement, in_scope, found[detector], ~not_known[detector])
        confusion = confusion_table(in_scope, found, not_known)
        for table, rows in (("agreement", agreement), ("confusion", confusion)):
            if annotator:
                rows.insert(0, "annotator", annotator)
            run.tables[table] = pd.concat([*([run.tables[table]] if table in run.tables else []), rows])
            run.tables[table] = run.tables[table].reset_index(drop=True)


def _compared(labels: Iterable[str]) -> dict[str, tuple[str, ...]]:
    return {label: (label,) for label in labels}


def _agreed(choices: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the labels of the sentences of which every annotator who labelled them says the same."""
    said: dict[str, set[tuple[str, ...]]] = {}
    for sentence, labels in zip(choices["sentence"], choices["labels"], strict=True):
        said.setdefault(sentence, set()).add(tuple(sorted(labels)))
    return {
        sentence: next(iter(labels))
        for sentence, labels in said.items()
        if len(labels) == 1 and (UNSURE,) not in labels
    }


def _write(folder: Path, sample: DrawnSample, agreed: Mapping[str, tuple[str, ...]]) -> None:
    """Write a record per document: its text, and a span for each label; `none` is the label of a sentence with none.

    The `weight` of a span is how many sentences of the texts its sentence stands for, among those that are written.

    Raises:
        StoreError: the folder cannot be written.
    """
    spans: dict[str, list[dict[str, Any]]] = {}
    written = labelled_sentences(sample.sentences, agreed, sample.label_set).annotations.sentences
    weights = dict(zip(written["sentence"], written["weight"], strict=True))
    for row in sample.sentences.to_dict("records"):
        for label in agreed.get(str(row["sentence"]), ()):
            bounds = {"start": int(row["start"]), "end": int(row["end"])}
            span = bounds | {"label": label, "weight": weights[row["sentence"]]}
            spans.setdefault(str(row["document"]), []).append(span)
    lines = []
    for text in sample.run.table("documents").to_dict("records"):
        if of_document := spans.get(str(text["document"])):
            record = {
                "trace_id": text["document"],
                "group": text["group"],
                "text": text["text"],
                "completion_start": int(text["completion_start"]),
                "unlabelled": "not known",
                "spans": sorted(of_document, key=lambda span: (span["start"], span["end"], span["label"])),
            }
            lines.append(json.dumps(record) + "\n")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / LABELS, lambda path: path.write_text("".join(lines), encoding="utf-8"))
    except OSError as error:
        raise StoreError(
            f"cannot write `{folder / LABELS}` ({error.strerror or error}): make room, or choose another place"
        ) from error
