"""How well detectors find what annotators found: precision, recall and F1 over annotated sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.data import Document, Span
from neurosieve.errors import ConfigError, DataError, nearest

__all__ = ["Annotated", "agreement", "annotated", "chosen_labels", "confusion", "doubts", "marked", "outside", "rated"]

Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Annotated:
    """The annotated sentences of some documents: each stretch that bears a label or several, counted once."""

    sentences: pd.DataFrame
    """A line per sentence: `document, group, start, end, label`; several labels are joined by commas."""
    labels: tuple[str, ...]
    """Every label, the most frequent first."""
    shows: npt.NDArray[np.bool_]
    """Which sentence bears which label: sentences by labels."""

    def any_of(self, labels: Iterable[str]) -> Marks:
        """Return which sentences bear at least one of some labels."""
        columns = [self.labels.index(label) for label in labels]
        return np.asarray(self.shows[:, columns].any(axis=1))


def annotated(documents: Iterable[Document]) -> Annotated:
    """Return what is annotated in the completions of some documents."""
    lines, labels = [], []
    for document in documents:
        by_bounds: dict[tuple[int, int], list[str]] = {}
        for span in sorted(document.annotations):
            if span.start >= document.completion_start:
                by_bounds.setdefault((span.start, span.end), []).append(span.label)
        for (start, end), mine in by_bounds.items():
            lines.append((document.id, document.group, start, end, ",".join(dict.fromkeys(mine))))
            labels.append(set(mine))
    counts = pd.Series([label for mine in labels for label in sorted(mine)], dtype=object).value_counts()
    known = tuple(counts.index)
    shows = np.array([[label in mine for label in known] for mine in labels], dtype=bool).reshape(
        len(labels), len(known)
    )
    return Annotated(pd.DataFrame(lines, columns=["document", "group", "start", "end", "label"]), known, shows)


def chosen_labels(truth: Annotated, asked: Sequence[str] | None, setting: str) -> tuple[str, ...]:
    """Return the labels that are asked for, or all that there are where None is asked for.

    Raises:
        DataError: nothing is annotated.
        ConfigError: there is no such label; the message gives the nearest ones.
    """
    if asked is not None and not truth.labels:
        raise DataError(
            f"`{setting}` is given, and no document is annotated: take a source that brings annotations, as with "
            "`source.spans_field=<the field that holds them>`"
        )
    for label in asked or ():
        if label not in truth.labels:
            raise ConfigError(f"no annotated span has the label `{label}`: {nearest(label, truth.labels)}")
    return truth.labels if asked is None else tuple(dict.fromkeys(asked))


def marked(sentences: pd.DataFrame, spans: Mapping[str, Sequence[Span]]) -> Marks:
    """Return which sentences some span of their document overlaps, be it by one character."""
    marks = np.zeros(len(sentences), dtype=bool)
    for document, rows in sentences.groupby("document", sort=False).indices.items():
        mine = spans.get(str(document), ())
        starts, ends = (np.sort([span[side] for span in mine]) for side in (0, 1))
        first, behind = (sentences[side].to_numpy()[rows] for side in ("start", "end"))
        # All spans that start before a sentence's end, less those that end by its start.
        marks[rows] = np.searchsorted(starts, behind, side="left") > np.searchsorted(ends, first, side="right")
    return marks


def rated(sentences: pd.DataFrame, ratings: Mapping[str, Sequence[tuple[Span, float]]]) -> npt.NDArray[np.float64]:
    """Return the highest rating that overlaps each sentence, minus infinity where none does."""
    highest = np.full(len(sentences), -np.inf)
    firsts, behinds = sentences["start"].to_numpy(), sentences["end"].to_numpy()
    for document, rows in sentences.groupby("document", sort=False).indices.items():
        mine = ratings.get(str(document), ())
        starts, ends = (np.array([span[side] for span, _ in mine], dtype=int) for side in (0, 1))
        chances = np.array([chance for _, chance in mine], dtype=float)
        for row in rows:
            highest[row] = chances[(starts < behinds[row]) & (ends > firsts[row])].max(initial=-np.inf)
    return highest


def agreement(
    truth: Annotated,
    labels: Mapping[str, Sequence[str]],
    marks: Mapping[str, Marks],
    draws: int,
    seed: int,
    min_groups: int,
) -> pd.DataFrame:
    """Return a line per detector and label: how well the sentences that it marks are those that bear the label.

    Args:
        truth: the annotated sentences.
        labels: what to compare with, by name: the sentences that bear one of some labels.
        marks: which sentences each detector marks.
        draws: resamples of the groups behind each interval.
        seed: draws them.
        min_groups: with fewer groups there is no interval.

    Returns:
        `detector, label, precision, recall, f1, true_positive, false_positive, false_negative, sentences`, with
        `sentences` all that are annotated, and `<measure>_low` and `<measure>_high`: 95 % percentile intervals from
        resampling whole groups. Precision and F1 are nan where no annotated sentence lacks the label: nothing could
        have been marked wrongly.
    """
    codes, groups = pd.factorize(truth.sentences["group"])
    generator = np.random.default_rng(seed)
    times = generator.multinomial(len(groups), np.full(len(groups), 1 / max(1, len(groups))), size=draws)
    lines = []
    for detector, mine in marks.items():
        for name, wanted in labels.items():
            shows = truth.any_of(wanted)
            cells = (mine & shows, mine & ~shows, ~mine & shows, ~mine & ~shows)
            counts = np.stack([np.bincount(codes, weights=cell, minlength=len(groups)) for cell in cells])
            whole = counts.sum(axis=1)
            values = _measures(whole)
            resampled = _measures(counts @ times.T)
            line = {"detector": detector, "label": name, **{measure: float(one) for measure, one in values.items()}}
            line |= dict(zip(("true_positive", "false_positive", "false_negative"), map(int, whole), strict=False))
            line["sentences"] = len(truth.sentences)
            for measure, drawn in resampled.items():
                low, high = _interval(drawn) if len(groups) >= min_groups else (np.nan, np.nan)
                line |= {f"{measure}_low": low, f"{measure}_high": high}
            lines.append(line)
    return pd.DataFrame(lines)


def confusion(truth: Annotated, marks: Mapping[str, Marks]) -> pd.DataFrame:
    """Return, per detector and every label, how many of its sentences are marked: `detected`, and their `share`."""
    lines = []
    for detector, mine in marks.items():
        for column, label in enumerate(truth.labels):
            shows = truth.shows[:, column]
            sentences, detected = int(shows.sum()), int((mine & shows).sum())
            lines.append((detector, label, sentences, detected, detected / sentences))
    return pd.DataFrame(lines, columns=["detector", "label", "sentences", "detected", "share"])


def doubts(truth: Annotated, compared: Mapping[str, Sequence[str]], min_groups: int, documents: int) -> list[str]:
    """Return what a reader of the agreement must know first."""
    found = []
    groups, with_some = truth.sentences["group"].nunique(), truth.sentences["document"].nunique()
    if groups < min_groups:
        found.append(f"{groups} groups are annotated: with fewer than {min_groups} there is no interval")
    if with_some < documents:
        found.append(
            f"{documents - with_some:,} of {documents:,} documents are not annotated, and have no part in precision "
            "and recall"
        )
    found += [
        f"every annotated sentence is `{name}`: only recall can be told, for none could have been marked wrongly"
        for name, labels in compared.items()
        if truth.any_of(labels).all()
    ]
    return found


def outside(truth: Annotated, spans: Mapping[str, Sequence[Span]]) -> int:
    """Return how many spans of the annotated documents overlap no annotated sentence."""
    known = set(truth.sentences["document"])
    own = [(document, span) for document, mine in spans.items() if document in known for span in mine]
    places = pd.DataFrame(
        [(document, span.start, span.end) for document, span in own], columns=["document", "start", "end"]
    )
    sentences: dict[str, list[Span]] = {}
    for document, start, end in truth.sentences[["document", "start", "end"]].itertuples(index=False):
        sentences.setdefault(document, []).append(Span(start, end))
    return int((~marked(places, sentences)).sum())


def _measures(counts: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float64]]:
    """Return precision, recall and F1 from right marks, wrong marks, misses and right silences; nan where undefined."""
    right, wrong, missed, silent = counts
    could_be_wrong = wrong + silent > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "precision": np.where(could_be_wrong, right / (right + wrong), np.nan),
            "recall": right / (right + missed),
            "f1": np.where(could_be_wrong & (right + missed > 0), 2 * right / (2 * right + wrong + missed), np.nan),
        }


def _interval(drawn: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile interval; nan where the measure is undefined in more than a tenth of the draws."""
    defined = drawn[np.isfinite(drawn)]
    if len(defined) <= 0.9 * len(drawn):
        return np.nan, np.nan
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)
