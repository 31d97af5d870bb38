"""From annotated texts to a trained detector in a file, and how good it is: the stages of `learn`, in order."""

import math
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.contracts import Detector, Fitted, Learner, Report
from neurosieve.data import Document, Skipped
from neurosieve.detection.agreement.agreement_warnings import agreement_warnings, not_known_warnings, sample_remarks
from neurosieve.detection.agreement.annotated_sentences import (
    Annotations,
    agreement_table,
    annotations_of,
    choose_labels,
    mark_near_misses,
    mark_sentences,
)
from neurosieve.detection.agreement.rates import weights_of
from neurosieve.detection.learning.cross_validation import CrossValidation, Learn, cross_validate, threshold_curve
from neurosieve.detection.learning.trained_files import writer_of
from neurosieve.disk import atomic_write, content_address
from neurosieve.errors import ConfigError, DataError, StoreError
from neurosieve.pipeline.cautions import respelled
from neurosieve.registry import describe, failures_of
from neurosieve.runs.label_settings import detector_files, file_hash
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Run
from neurosieve.texts.intake import add_remark
from neurosieve.texts.near_misses import near_misses_in
from neurosieve.texts.spans import check_detectors, detect_all

__all__ = ["LEARNED", "train"]

LEARNED = "learned"
"""What the trained detector is called in the tables of a run, as is the detector that reads its file."""
_POINTS = 200
"""Of so many thresholds the precision and recall are kept, for a figure."""


def train(
    source: Iterable[Document | Skipped],
    learner: Learner,
    detectors: Mapping[str, Detector],
    reports: Mapping[str, Report],
    settings: Learn,
    folder: Path,
) -> Run:
    """Train a detector from annotated texts, write it to a file, and write the run to `folder`.

    `detectors` are those to compare it with, by name.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    output = Path(settings.output).expanduser() if settings.output else folder / "detector.safetensors"
    _check_output(output)
    check_detectors(detectors)
    if LEARNED in detectors:
        raise ConfigError(f"a detector to compare with is called `{LEARNED}`, as is the one that is trained: rename it")
    with recording("learn", folder, reports) as run:
        with run.stage("detecting"):
            detected = detect_all(source, detectors, run.counts, run.announce)
            nearly = near_misses_in(detected, detectors)
        run.warnings += respelled(run.counts)
        truth = annotations_of(result.document for result in detected)
        _check_labels(truth, settings)
        annotated = set(truth.sentences["document"])
        documents = [result.document for result in detected if result.document.id in annotated]
        with run.stage("preparing"), failures_of(learner):
            for remark in learner.prepare(documents, partial(run.announce, "stage_progressed")):
                add_remark(run.counts, remark)
        with run.stage("cross-validating"):
            measured = cross_validate(learner, documents, truth, settings, run.announce)
        sentences, compared = measured.sentences, {" or ".join(settings.labels): settings.labels}
        with run.stage("comparing"):
            marks = {LEARNED: sentences["detected"].to_numpy()}
            not_known = {LEARNED: sentences["not_known"].to_numpy()}
            for detector in detectors:
                spans = {result.document.id: result.spans[detector] for result in detected}
                marks[detector] = mark_sentences(truth.sentences, spans)
                not_known[detector] = mark_near_misses(truth.sentences, nearly[detector]) & ~marks[detector]
            draws, seed, min_groups = settings.interval_bootstraps, settings.seed, settings.min_groups
            run.tables["agreement"] = agreement_table(truth, compared, marks, draws, seed, min_groups, not_known)
        run.warnings += agreement_warnings(truth, compared, settings.min_groups, run.counts["documents"])
        run.warnings += not_known_warnings(truth, not_known, settings.min_groups)
        notes, warnings = sample_remarks(truth, documents)
        run.notes += notes
        run.warnings += warnings + _warnings(measured, settings)
        with run.stage("training on all"):
            fitted = learner.fit(documents, settings.labels)
        training = _training(truth, measured, settings, run.tables["agreement"].iloc[0])
        training["learner"] = describe(learner)
        known = sentences[~sentences["not_known"]]
        points = threshold_curve(known["chance"].to_numpy(), known["present"].to_numpy(), weights_of(known))
        run.tables |= {
            "sentences": sentences,
            "folds": _folds(sentences),
            "thresholds": points.iloc[:: max(1, len(points) // _POINTS)].reset_index(drop=True),
        }
        run.counts["annotated_documents"] = len(documents)
        choices = described({"source": source, "learner": learner, "detectors": detectors, "reports": reports})
        run.record |= {
            "behaviours": list(compared),
            "output": str(output),
            "training": training,
            "detector_files": detector_files(detectors),
            "config": {**choices, **vars(settings)},
        }
        texts = [content_address(document.text) for document in documents]
        _save(fitted, output, measured.threshold.value, {**training, "texts": texts})
        run.record["output_hash"] = file_hash(output)
    return run.run


def _check_output(output: Path) -> None:
    """Raise a ConfigError where the detector's file would take the place of something else."""
    if output.is_dir():
        raise ConfigError(f"output is `{output}`, a folder: name a file, such as `{output}/detector.safetensors`")
    if output.exists():
        try:
            writer_of(output)
        except DataError as error:
            raise ConfigError(
                f"output is `{output}`, which exists and is not a trained detector: it is not overwritten; give "
                "another name"
            ) from error


def _check_labels(truth: Annotations, settings: Learn) -> None:
    if not truth.labels:
        raise DataError(
            "no document is annotated, and there is nothing to learn from: take a source that brings annotations, as "
            "with `source.spans_field=<the field that holds them>`"
        )
    if not settings.labels:
        raise ConfigError(
            f"no label is given: say which one is to be learned, as in `label={truth.labels[0]}`; there are "
            f"{', '.join(truth.labels)}"
        )
    choose_labels(truth, settings.labels, "label")
    if truth.any_of(settings.labels).all():
        raise DataError(
            "every annotated sentence has a label that is to be learned: annotate sentences that do not show the "
            "behaviour too, as the detector learns from the difference"
        )


def _training(truth: Annotations, measured: CrossValidation, settings: Learn, agreement: pd.Series) -> dict[str, Any]:
    """Return what the detector was trained on and how good it is, for `run.json` and the detector's file."""
    groups, documents, sentences = truth.size
    good = {name: float(agreement[name]) for name in ("precision", "recall", "f1")}
    return {
        "labels": list(settings.labels),
        "documents": documents,
        "groups": groups,
        "sentences": sentences,
        "with_the_behaviour": int(measured.sentences["present"].sum()),
        "folds": measured.sentences["fold"].nunique(),
        "seed": settings.seed,
        "wanted_precision": settings.precision,
        "threshold": measured.threshold.value,
        **{name: None if math.isnan(value) else value for name, value in good.items()},
    }


def _warnings(measured: CrossValidation, settings: Learn) -> list[str]:
    """Return where the detector falls short of what was requested."""
    warnings, folds = [], measured.sentences["fold"].nunique()
    if folds < settings.folds:
        warnings.append(
            f"the behaviour shows in {folds} groups: {folds} folds were held out in turn, and not {settings.folds}"
        )
    if not measured.threshold.reached:
        warnings.append(
            f"no threshold has the precision that is wanted, {settings.precision:g}: the detector got the one with the "
            f"highest, {measured.threshold.precision:.2f} at a recall of {measured.threshold.recall:.2f}"
        )
    elif measured.reached < folds:
        warnings.append(
            f"in {folds - measured.reached} of {folds} folds no threshold has the precision that is wanted, "
            f"{settings.precision:g}, on the other folds: the one with the highest was taken there"
        )
    unrated = (measured.sentences["chance"] == -math.inf) & ~measured.sentences["not_known"]
    if number := int(unrated.sum()):
        warnings.append(f"{number:,} annotated sentences hold no text that the detector rates, and were never marked")
    return warnings


def _folds(sentences: pd.DataFrame) -> pd.DataFrame:
    """Return a row per fold: what it held out, the threshold that marked it, and precision and recall, by weight.

    `present` counts sentences as they are.
    """
    weights, known = weights_of(sentences), ~sentences["not_known"]
    marks = {
        "right": sentences["present"] & sentences["detected"],
        "marked": sentences["detected"],
        "shown": sentences["present"] & known,
    }
    folds = sentences.assign(**{name: each * weights for name, each in marks.items()}).groupby("fold")
    right, marked, shown, present = (folds[column].sum() for column in (*marks, "present"))
    counts = folds.agg(groups=("group", "nunique"), documents=("document", "nunique"), sentences=("document", "size"))
    # Precision is nan where nothing is detected.
    quality = {"threshold": folds["threshold"].first(), "precision": right / marked, "recall": right / shown}
    return counts.assign(present=present, **quality).reset_index()


def _save(fitted: Fitted, output: Path, threshold: float, training: Mapping[str, Any]) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(output, lambda path: fitted.save(path, threshold, training))
    except OSError as error:
        raise StoreError(
            f"cannot write the detector to `{output}` ({error.strerror or error}): choose another place, as "
            "`output=<file>`"
        ) from error
