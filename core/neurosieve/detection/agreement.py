"""How well detectors find what annotators found: precision, recall and F1 over annotated sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.data import Document, Scope, Span
from neurosieve.errors import ConfigError, DataError, nearest
from neurosieve.evidence.intervals import percentile_interval, resample_weights

__all__ = [
    "Annotations",
    "agreement_table",
    "agreement_warnings",
    "annotations_of",
    "choose_labels",
    "confusion_table",
    "count_outside",
    "mark_sentences",
    "rate_sentences",
]

Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Annotations:
    """The annotated sentences of some documents: each stretch that bears a label or several, counted once."""

    sentences: pd.DataFrame
    """A row per sentence: `document, group, start, end, label`; several labels are joined by commas."""
    labels: tuple[str, ...]
    """Every label, the most frequent first."""
    shows: npt.NDArray[np.bool_]
    """Which sentence bears which label: sentences by labels."""

    @property
    def size(self) -> tuple[int, int, int]:
        """How many groups, documents and sentences are annotated."""
        return self.sentences["group"].nunique(), self.sentences["document"].nunique(), len(self.sentences)

    def any_of(self, labels: Iterable[str]) -> Marks:
        """Return which sentences bear at least one of some labels."""
        columns = [self.labels.index(label) for label in labels]
        return np.asarray(self.shows[:, columns].any(axis=1))


def annotations_of(documents: Iterable[Document], scope: Scope = "completion") -> Annotations:
    """Return the annotated sentences in what the model wrote, or in another scope, of some documents."""
    rows, label_sets = [], []
    for document in documents:
        spans = sorted(document.in_scope(document.annotations, scope))
        for (start, end), same in groupby(spans, key=lambda span: (span.start, span.end)):
            labels = list(dict.fromkeys(span.label for span in same))
            rows.append((document.id, document.group, start, end, ",".join(labels)))
            label_sets.append(labels)
    counts = pd.Series([label for labels in label_sets for label in sorted(labels)], dtype=object).value_counts()
    known = tuple(counts.index)
    shows = np.array([[label in labels for label in known] for labels in label_sets], dtype=bool)
    sentences = pd.DataFrame(rows, columns=["document", "group", "start", "end", "label"])
    return Annotations(sentences, known, shows.reshape(len(rows), len(known)))


def choose_labels(truth: Annotations, requested: Sequence[str] | None, setting: str) -> tuple[str, ...]:
    """Return the requested labels, or all labels where None is requested; `setting` is the key that requests them.

    Raises:
        DataError: nothing is annotated.
        ConfigError: there is no such label; the message gives the nearest ones.
    """
    if requested is not None and not truth.labels:
        raise DataError(
            f"`{setting}` is given, and no document is annotated: take a source that brings annotations, as with "
            "`source.spans_field=<the field that holds them>`"
        )
    for label in requested or ():
        if label not in truth.labels:
            raise ConfigError(f"no annotated span has the label `{label}`: {nearest(label, truth.labels)}")
    return truth.labels if requested is None else tuple(dict.fromkeys(requested))


def mark_sentences(sentences: pd.DataFrame, spans: Mapping[str, Sequence[Span]]) -> Marks:
    """Return which sentences overlap a span of their document, even by one character."""
    marks = np.zeros(len(sentences), dtype=bool)
    for document, rows in sentences.groupby("document", sort=False).indices.items():
        document_spans = spans.get(str(document), ())
        span_starts, span_ends = (np.sort([span[side] for span in document_spans]) for side in (0, 1))
        starts, ends = (sentences[side].to_numpy()[rows] for side in ("start", "end"))
        # All spans that start before a sentence's end, less those that end by its start.
        marks[rows] = np.searchsorted(span_starts, ends, side="left") > np.searchsorted(span_ends, starts, side="right")
    return marks


def rate_sentences(
    sentences: pd.DataFrame, ratings: Mapping[str, Sequence[tuple[Span, float]]]
) -> npt.NDArray[np.float64]:
    """Return the highest rating that overlaps each sentence, minus infinity where none does."""
    highest = np.full(len(sentences), -np.inf)
    starts, ends = sentences["start"].to_numpy(), sentences["end"].to_numpy()
    for document, rows in sentences.groupby("document", sort=False).indices.items():
        rated = [(span.start, span.end, chance) for span, chance in ratings.get(str(document), ())]
        span_starts, span_ends, chances = np.array(rated, dtype=float).reshape(-1, 3).T
        for row in rows:
            overlap = (span_starts < ends[row]) & (span_ends > starts[row])
            highest[row] = chances[overlap].max(initial=-np.inf)
    return highest


def agreement_table(
    truth: Annotations,
    labels: Mapping[str, Sequence[str]],
    marks: Mapping[str, Marks],
    draws: int,
    seed: int,
    min_groups: int,
) -> pd.DataFrame:
    """Return a row per detector and label: how well the sentences that it marks are those that bear the label.

    Args:
        labels: what to compare with, by name: the sentences that bear one of some labels.
        marks: which sentences each detector marks.
        min_groups: with fewer groups there is no interval.

    Returns:
        `detector, label, precision, recall, f1, true_positive, false_positive, false_negative, sentences`, with
        `sentences` all that are annotated, and `<measure>_low` and `<measure>_high`: 95 % percentile intervals from
        resampling whole groups. Precision and F1 are nan where every annotated sentence bears the label: no mark
        could be wrong.
    """
    codes, groups = pd.factorize(truth.sentences["group"])
    weights = resample_weights(len(groups), draws, seed)
    rows = []
    for detector, marked in marks.items():
        for name, label_set in labels.items():
            shows = truth.any_of(label_set)
            cells = (marked & shows, marked & ~shows, ~marked & shows, ~marked & ~shows)
            counts = np.stack([np.bincount(codes, weights=cell, minlength=len(groups)) for cell in cells])
            totals = counts.sum(axis=1)
            row: dict[str, Any] = {"detector": detector, "label": name}
            row |= {measure: float(value) for measure, value in _measures(totals).items()}
            row |= dict(zip(("true_positive", "false_positive", "false_negative"), map(int, totals), strict=False))
            row["sentences"] = len(truth.sentences)
            for measure, resampled in _measures(counts @ weights.T).items():
                ends = percentile_interval(resampled) if len(groups) >= min_groups else (np.nan, np.nan)
                row[f"{measure}_low"], row[f"{measure}_high"] = map(float, ends)
            rows.append(row)
    return pd.DataFrame(rows)


def confusion_table(truth: Annotations, marks: Mapping[str, Marks]) -> pd.DataFrame:
    """Return, per detector and label, how many of its sentences are marked: `detected`, and their `share`."""
    rows = [
        (detector, label, int(shows.sum()), int((marked & shows).sum()))
        for detector, marked in marks.items()
        for label, shows in zip(truth.labels, truth.shows.T, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["detector", "label", "sentences", "detected"])
    return table.assign(share=table.detected / table.sentences)


def agreement_warnings(
    truth: Annotations, compared: Mapping[str, Sequence[str]], min_groups: int, documents: int
) -> list[str]:
    """Return what a reader of the agreement must know first."""
    warnings = []
    groups, annotated, _ = truth.size
    if groups < min_groups:
        warnings.append(f"{groups} groups are annotated: with fewer than {min_groups} there is no interval")
    if annotated < documents:
        warnings.append(
            f"{documents - annotated:,} of {documents:,} documents are not annotated, and do not count in precision "
            "and recall"
        )
    warnings += [
        f"every annotated sentence is `{name}`: only recall can be measured, as no mark could be wrong"
        for name, labels in compared.items()
        if truth.any_of(labels).all()
    ]
    return warnings


def count_outside(truth: Annotations, spans: Mapping[str, Sequence[Span]]) -> int:
    """Return how many spans of the annotated documents overlap no annotated sentence."""
    annotated = set(truth.sentences["document"])
    places = pd.DataFrame(
        [(name, span.start, span.end) for name in annotated for span in spans[name]],
        columns=["document", "start", "end"],
    )
    by_document = truth.sentences.groupby("document")[["start", "end"]]
    sentences = {str(name): [Span(*ends) for ends in rows.to_numpy().tolist()] for name, rows in by_document}
    return int((~mark_sentences(places, sentences)).sum())


def _measures(counts: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float64]]:
    """Return precision, recall and F1 from true and false positives, false and true negatives; nan where undefined."""
    true_positive, false_positive, false_negative, true_negative = counts
    could_be_wrong = false_positive + true_negative > 0
    shown = true_positive + false_negative
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = 2 * true_positive / (2 * true_positive + false_positive + false_negative)
        return {
            "precision": np.where(could_be_wrong, true_positive / (true_positive + false_positive), np.nan),
            "recall": true_positive / shown,
            "f1": np.where(could_be_wrong & (shown > 0), f1, np.nan),
        }
