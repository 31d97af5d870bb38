"""From annotated texts to a trained detector in a file, and what it is worth: the stages of `learn`, in order."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.contracts import Detector, Report, Source
from neurosieve.data import Document
from neurosieve.detection.agreement import Annotated, agreement, annotated, chosen_labels, doubts, marked
from neurosieve.detection.learnable import Fitted, Learnable
from neurosieve.detection.learning import CrossValidated, Learn, cross_validated, curve
from neurosieve.disk import atomic_write
from neurosieve.errors import ConfigError, DataError, StoreError
from neurosieve.registry import describe, installed
from neurosieve.runs.record import Stopwatch, versions
from neurosieve.runs.results import Run, draw, write_run
from neurosieve.texts.spans import check_detectors, detect_all

__all__ = ["train"]

_POINTS = 200
"""Of so many thresholds the precision and recall are kept, for a figure."""


def train(
    source: Source | Iterable[Document],
    detectors: Mapping[str, Detector],
    reports: Mapping[str, Report],
    settings: Learn,
    folder: Path,
) -> Run:
    """Train a detector, write it to a file, and leave the run in `folder`.

    Args:
        source: the annotated texts.
        detectors: those to compare with, by name.
        reports: draw the run.
        settings: what is to be learned, and how sure of it the detector is to be.
        folder: where to.

    Raises:
        NeurosieveError: what is asked cannot be done; nothing is left in `folder`.
    """
    learner = _learner(settings.learner)
    output = Path(settings.output).expanduser() if settings.output else folder / "detector.safetensors"
    _check_output(learner, output, settings)
    check_detectors(detectors)
    if settings.learner in detectors:
        raise ConfigError(
            f"a detector to compare with is called `{settings.learner}`, as is the one that learns: rename it"
        )
    announce = installed().announce
    announce("run_started", command="learn", folder=folder)
    watch, counts, warnings = Stopwatch(), Counter[str](), list[str]()
    with watch.stage("detecting"):
        found = detect_all(source, detectors, counts, announce)
    truth = annotated(one.document for one in found)
    _check_labels(truth, settings)
    known = set(truth.sentences["document"])
    documents = [one.document for one in found if one.document.id in known]
    with watch.stage("cross-validating"):
        measured = cross_validated(learner, documents, truth, settings, announce)
    behaviour = " or ".join(settings.labels)
    with watch.stage("comparing"):
        marks = {settings.learner: measured.sentences["detected"].to_numpy()} | {
            name: marked(truth.sentences, {one.document.id: one.spans[name] for one in found}) for name in detectors
        }
        compared = {behaviour: settings.labels}
        table = agreement(truth, compared, marks, settings.interval_bootstraps, settings.seed, settings.min_groups)
    warnings += doubts(truth, compared, settings.min_groups, counts["documents"])
    warnings += _cautions(measured, settings)
    with watch.stage("training on all"):
        fitted = learner.fit(documents, settings.labels)
    figures = table.iloc[0]
    about = {
        "labels": list(settings.labels),
        "documents": len(documents),
        "groups": int(truth.sentences["group"].nunique()),
        "sentences": len(truth.sentences),
        "with_the_behaviour": int(measured.sentences["present"].sum()),
        "folds": int(measured.sentences["fold"].nunique()),
        "seed": settings.seed,
        "wanted_precision": settings.precision,
        "threshold": measured.threshold.value,
        **{name: _json(figures[name]) for name in ("precision", "recall", "f1")},
    }
    run = {
        "command": "learn",
        "behaviours": [behaviour],
        "output": str(output),
        "learned": about,
        "warnings": warnings,
        "counts": {**dict(sorted(counts.items())), "annotated_documents": len(documents)},
        "timings_seconds": watch.seconds,
        "config": {
            "source": describe(source) if isinstance(source, Source) else "documents handed over",
            "detectors": {name: describe(one) for name, one in detectors.items()},
            "reports": {name: describe(one) for name, one in reports.items()},
            **vars(settings),
        },
        "versions": versions(),
    }
    points = curve(measured.sentences["chance"].to_numpy(), measured.sentences["present"].to_numpy())
    tables = {
        "agreement": table,
        "sentences": measured.sentences,
        "folds": _folds(measured),
        "thresholds": points.iloc[:: max(1, len(points) // _POINTS)].reset_index(drop=True),
    }
    _save(fitted, output, measured.threshold.value, about)
    left = write_run(folder, run, tables)
    draw(folder, reports)
    announce("run_ended", command="learn", folder=folder)
    return left


def _learner(name: str) -> type[Learnable]:
    registry = installed()
    cls = registry.get("detector", name).cls
    if not issubclass(cls, Learnable):
        can = [plugin.name for plugin in registry if issubclass(plugin.cls, Learnable)]
        raise ConfigError(
            f"the detector `{name}` learns nothing from annotations; these do: {', '.join(can) or 'none'}"
        )
    return cls


def _check_output(learner: type[Learnable], output: Path, settings: Learn) -> None:
    """Raise where the detector's file would take the place of something else.

    Raises:
        ConfigError: it would.
    """
    if output.is_dir():
        raise ConfigError(f"output is `{output}`, a folder: name a file, such as `{output}/detector.safetensors`")
    if output.exists():
        try:
            learner.load(output)
        except DataError as error:
            raise ConfigError(
                f"output is `{output}`, which is there and is no trained detector of `{settings.learner}`: it is not "
                "written over; give another name"
            ) from error


def _check_labels(truth: Annotated, settings: Learn) -> None:
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
    chosen_labels(truth, settings.labels, "label")
    if truth.any_of(settings.labels).all():
        raise DataError(
            "every annotated sentence has a label that is to be learned: there must be some without it to tell it "
            "from; annotate the sentences that do not show the behaviour too"
        )


def _cautions(measured: CrossValidated, settings: Learn) -> list[str]:
    """Return where the detector falls short of what was asked."""
    found, folds = [], measured.sentences["fold"].nunique()
    if folds < settings.folds:
        found.append(
            f"the behaviour shows in {folds} groups: {folds} folds were held out in turn, and not {settings.folds}"
        )
    if not measured.threshold.reached:
        found.append(
            f"no threshold has the precision that is wanted, {settings.precision:g}: the detector was given the one "
            f"with the highest, {measured.threshold.precision:.2f} at a recall of {measured.threshold.recall:.2f}"
        )
    elif measured.reached < folds:
        found.append(
            f"in {folds - measured.reached} of {folds} folds no threshold has the precision that is wanted, "
            f"{settings.precision:g}, on the other folds: the one with the highest was taken there"
        )
    silent = int((measured.sentences["chance"] == -float("inf")).sum())
    if silent:
        found.append(f"{silent:,} annotated sentences hold no text that the detector rates, and were never marked")
    return found


def _folds(measured: CrossValidated) -> pd.DataFrame:
    """Return a line per fold: what it held out, by which threshold it was marked, and what came of it."""
    lines = []
    for fold, mine in measured.sentences.groupby("fold"):
        present, detected_here = mine["present"], mine["detected"]
        right = int((present & detected_here).sum())
        lines.append(
            {
                "fold": fold,
                "groups": mine["group"].nunique(),
                "documents": mine["document"].nunique(),
                "sentences": len(mine),
                "present": int(present.sum()),
                "threshold": mine["threshold"].iat[0],
                "precision": right / detected_here.sum() if detected_here.any() else float("nan"),
                "recall": right / present.sum(),
            }
        )
    return pd.DataFrame(lines)


def _save(fitted: Fitted, output: Path, threshold: float, about: Mapping[str, Any]) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(output, lambda path: fitted.save(path, threshold, about))
    except OSError as error:
        raise StoreError(
            f"cannot write the detector to `{output}` ({error.strerror or error}): choose another place, as "
            "`output=<file>`"
        ) from error


def _json(value: float) -> float | None:
    return None if value != value else float(value)
