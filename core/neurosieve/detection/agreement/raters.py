"""Detectors, and annotators where texts are annotated, as raters of the same sentences."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from neurosieve.contracts import Detector
from neurosieve.data import Document, Scope
from neurosieve.detection.agreement.annotated_sentences import Annotations, Marks, mark_near_misses, mark_sentences
from neurosieve.texts.near_misses import NearMiss
from neurosieve.texts.sentences import sentences
from neurosieve.texts.spans import DetectedDocument

__all__ = ["ANNOTATED", "SENTENCES", "TEXTS", "Raters", "raters_of", "sentences_of", "texts_of"]

ANNOTATED, SENTENCES, TEXTS = "annotated sentences", "sentences", "whole texts"
"""What raters rate."""
_MOST = 2000
"""In the sentences of so many documents detectors are compared: more make hardly any difference, and take long."""


@dataclass(frozen=True)
class Raters:
    """What several raters say of the same sentences, or of the same whole texts."""

    sentences: pd.DataFrame
    """A row per sentence: `document, group, start, end`, and maybe `weight`, as in `Annotations`."""
    marks: Mapping[str, Marks]
    """Which sentences each rater marks."""
    known: Mapping[str, Marks]
    """Of which sentences each rater says whether they show the behaviour."""
    annotators: tuple[str, ...]
    """Which of the raters are annotators, one for each label; the others are detectors."""
    over: str
    """What is rated: `annotated sentences`, `sentences` or `whole texts`."""
    drawn: bool = False
    """Whether the documents are some of many, drawn at random."""

    @property
    def detectors(self) -> tuple[str, ...]:
        """The raters that are detectors."""
        return tuple(name for name in self.marks if name not in self.annotators)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Any two detectors, and each detector with each label of the annotators."""
        with_annotators = [(detector, label) for label in self.annotators for detector in self.detectors]
        return (*combinations(self.detectors, 2), *with_annotators)

    @property
    def sets(self) -> tuple[tuple[str, ...], ...]:
        """The detectors, where there are several, and with them the annotators by each label."""
        alone = (self.detectors,) if len(self.detectors) > 1 else ()
        return (*alone, *((*self.detectors, label) for label in self.annotators))


def raters_of(
    detected: Sequence[DetectedDocument],
    detectors: Mapping[str, Detector],
    nearly: Mapping[str, Sequence[NearMiss]],
    truth_of: Mapping[Scope, Annotations],
    labels: Sequence[str],
    seed: int,
) -> Iterator[Raters]:
    """Yield the raters of each scope, wherever there are at least two, and something to rate.

    Detectors of whole texts are compared over these; all others over the annotated sentences where there are some, and
    over the sentences of the texts where there are none: of 2,000 documents at most, which `seed` draws. Annotators are
    raters by each of some `labels`.

    Args:
        nearly: what each detector nearly finds: of these sentences it does not know whether they show the behaviour.
        truth_of: what is annotated in each scope in which a detector looks.
    """
    documents = [result.document for result in detected]
    for scope, whole in dict.fromkeys((detector.scope, bool(detector.whole_texts)) for detector in detectors.values()):
        names = [name for name, each in detectors.items() if (each.scope, bool(each.whole_texts)) == (scope, whole)]
        truth = truth_of[scope]
        annotated = not whole and len(truth.sentences) > 0
        known_labels = [label for label in labels if label in truth.labels] if annotated else []
        if len(names) + len(known_labels) < 2:
            continue
        if annotated:
            rated, over = truth.sentences, ANNOTATED
        else:
            some = documents if whole else _some(documents, seed)
            rated, over = (texts_of(some, scope), TEXTS) if whole else (sentences_of(some, scope), SENTENCES)
        if rated.empty:
            continue
        marks, known = {}, {}
        for name in names:
            marks[name] = mark_sentences(rated, {result.document.id: result.spans[name] for result in detected})
            known[name] = marks[name] | ~mark_near_misses(rated, nearly[name])
        annotators = {label: f"annotators: {label}" for label in known_labels}
        for label, rater in annotators.items():
            marks[rater], known[rater] = truth.any_of([label]), np.ones(len(rated), dtype=bool)
        yield Raters(
            rated, marks, known, tuple(annotators.values()), over, over == SENTENCES and len(documents) > _MOST
        )


def sentences_of(documents: Iterable[Document], scope: Scope) -> pd.DataFrame:
    """Return the sentences in a scope of some documents: `document, group, start, end`."""
    rows = [
        (document.id, document.group, bounds)
        for document in documents
        for start, end in document.stretches(scope)
        if (bounds := sentences(document.text, start, end))
    ]
    return _table(rows)


def texts_of(documents: Iterable[Document], scope: Scope) -> pd.DataFrame:
    """Return a row per document with text in a scope, from where that begins to where it ends."""
    with_text = [document for document in documents if document.text_of(scope).strip()]
    return _table(
        [
            (document.id, document.group, [(stretches[0][0], stretches[-1][1])])
            for document in with_text
            if (stretches := list(document.stretches(scope)))
        ]
    )


def _some(documents: Sequence[Document], seed: int) -> Sequence[Document]:
    """Return all documents, or as many as sentences are looked for in, drawn at random and in their order."""
    if len(documents) <= _MOST:
        return documents
    places = np.random.default_rng(seed).choice(len(documents), _MOST, replace=False)
    return [documents[place] for place in np.sort(places).tolist()]


def _table(rows: Sequence[tuple[str, str, Sequence[tuple[int, int]]]]) -> pd.DataFrame:
    """Return a row per pair of bounds, with its document's id and group."""
    numbers = [len(bounds) for *_, bounds in rows]
    ends = np.array([pair for *_, bounds in rows for pair in bounds], dtype=np.int64).reshape(-1, 2)
    columns = {
        name: np.repeat(np.array([row[place] for row in rows], dtype=object), numbers)
        for place, name in enumerate(("document", "group"))
    }
    return pd.DataFrame({**columns, "start": ends[:, 0], "end": ends[:, 1]})
