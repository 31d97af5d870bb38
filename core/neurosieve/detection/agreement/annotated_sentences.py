"""How well detectors find what annotators found: precision, recall and F1 over annotated sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.data import Document, Scope, Span
from neurosieve.detection.agreement.rates import group_sums, rates, weights_of
from neurosieve.errors import ConfigError, DataError, nearest
from neurosieve.evidence.intervals import percentile_interval, resample_weights
from neurosieve.texts.near_misses import NearMiss

__all__ = [
    "Annotations",
    "agreement_table",
    "agreement_warnings",
    "annotations_of",
    "choose_labels",
    "confusion_table",
    "count_outside",
    "mark_near_misses",
    "mark_sentences",
    "rate_sentences",
]

Marks = npt.NDArray[np.bool_]
_COUNTS = ("true_positive", "false_positive", "false_negative")


@dataclass(frozen=True)
class Annotations:
    """The annotated sentences of some documents: each stretch that bears a label or several, counted once."""

    sentences: pd.DataFrame
    """A row per sentence: `document, group, start, end, label`; several labels are joined by commas.

    A column `weight`, where there is one, is how many sentences of the texts each stands for: the inverse of the chance
    that it was chosen for annotation. Without it each stands for itself.
    """
    labels: tuple[str, ...]
    """Every label, the most frequent first."""
    shows: npt.NDArray[np.bool_]
    """Which sentence bears which label: sentences by labels."""

    @property
    def size(self) -> tuple[int, int, int]:
        """How many groups, documents and sentences are annotated."""
        return self.sentences["group"].nunique(), self.sentences["document"].nunique(), len(self.sentences)

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """How many sentences of the texts each sentence stands for."""
        return weights_of(self.sentences)

    def any_of(self, labels: Iterable[str]) -> Marks:
        """Return which sentences bear at least one of some labels."""
        columns = [self.labels.index(label) for label in labels]
        return np.asarray(self.shows[:, columns].any(axis=1))


def annotations_of(documents: Iterable[Document], scope: Scope = "completion") -> Annotations:
    """Return the annotated sentences in what the model wrote, or in another scope, of some documents: each weighs 1."""
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
    sentences = pd.DataFrame(rows, columns=["document", "group", "start", "end", "label"]).assign(weight=1.0)
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


def mark_near_misses(sentences: pd.DataFrame, near_misses: Iterable[NearMiss]) -> Marks:
    """Return which sentences overlap a stretch of which a detector does not know whether it shows the behaviour."""
    spans: dict[str, list[Span]] = {}
    for near_miss in near_misses:
        spans.setdefault(near_miss.document, []).append(Span(near_miss.start, near_miss.end))
    return mark_sentences(sentences, spans)


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
    not_known: Mapping[str, Marks] | None = None,
) -> pd.DataFrame:
    """Return a row per detector and label: how well the sentences that it marks are those that bear the label.

    Args:
        labels: what to compare with, by name: the sentences that bear one of some labels.
        marks: which sentences each detector marks.
        min_groups: with fewer groups there is no interval.
        not_known: of which sentences a detector does not know whether the behaviour shows there. They are left out of
            its row, and counted; none where the detector has no entry.

    Returns:
        `detector, label, precision, recall, f1, false_omission, markedness`, the measures of `rates`; then
        `true_positive, false_positive, false_negative, sentences, not_known, stands_for`, with `sentences` all that are
        compared, and `stands_for` how many sentences of the texts these stand for; then `<measure>_low` and
        `<measure>_high`, 95 % percentile intervals from resampling whole groups. The counts are of sentences as they
        are. The measures are of sums of weights (Horvitz and Thompson): a sentence that stands for three counts as
        three. Precision is nan where every annotated sentence bears the label: no mark could be wrong.
    """
    codes, groups = pd.factorize(truth.sentences["group"])
    draw_weights = resample_weights(len(groups), draws, seed)
    rows = []
    for detector, marked in marks.items():
        known = _known(detector, marked, not_known)
        for name, label_set in labels.items():
            shows = truth.any_of(label_set)
            cells = np.stack([marked & shows, marked & ~shows, ~marked & shows, ~marked & ~shows]) & known
            sums = group_sums(cells * truth.weights, codes, len(groups))
            row: dict[str, Any] = {"detector": detector, "label": name}
            row |= {measure: float(value) for measure, value in rates(sums.sum(axis=1)).items()}
            row |= dict(zip(_COUNTS, cells.sum(axis=1).tolist(), strict=False))
            row |= {"sentences": int(known.sum()), "not_known": int((~known).sum()), "stands_for": float(sums.sum())}
            for measure, resampled in rates(sums @ draw_weights.T).items():
                ends = percentile_interval(resampled) if len(groups) >= min_groups else (np.nan, np.nan)
                row[f"{measure}_low"], row[f"{measure}_high"] = map(float, ends)
            rows.append(row)
    return pd.DataFrame(rows)


def confusion_table(
    truth: Annotations, marks: Mapping[str, Marks], not_known: Mapping[str, Marks] | None = None
) -> pd.DataFrame:
    """Return, per detector and label, how many of its sentences are marked: `detected`, and their `share`, by weight.

    Sentences that are not known to the detector are left out.
    """
    rows = []
    for detector, marked in marks.items():
        known = _known(detector, marked, not_known)
        for label, shows in zip(truth.labels, truth.shows.T, strict=True):
            compared, detected = shows & known, marked & shows & known
            weight = truth.weights[compared].sum()
            share = truth.weights[detected].sum() / weight if weight else np.nan
            rows.append((detector, label, int(compared.sum()), int(detected.sum()), share))
    return pd.DataFrame(rows, columns=["detector", "label", "sentences", "detected", "share"])


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


def _known(detector: str, marked: Marks, not_known: Mapping[str, Marks] | None) -> Marks:
    """Return of which sentences a detector says whether they show the behaviour: what it marks, it knows."""
    return np.asarray(marked | ~(not_known or {}).get(detector, np.zeros_like(marked)))
