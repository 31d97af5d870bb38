"""Every sentence in which detectors look, and what each of them says of it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from neurosieve.data import Document, Scope
from neurosieve.detection.agreement.annotated_sentences import mark_near_misses, mark_sentences
from neurosieve.texts.near_misses import near_misses_in
from neurosieve.texts.sentences import sentences
from neurosieve.texts.spans import DetectedDocument, Detectors, scopes_of

__all__ = ["FOUND", "MARKS", "NEAR_MISS", "NOT_FOUND", "OUT_OF_SCOPE", "mark_column", "sentences_with_marks"]

MARKS = ("found", "near-miss", "not found", "out of scope")
"""What a detector may say of a sentence; in a population as the places of these words."""
FOUND, NEAR_MISS, NOT_FOUND, OUT_OF_SCOPE = range(len(MARKS))


def mark_column(detector: str) -> str:
    """Return the column of a table that holds what a detector says of each sentence."""
    return f"mark: {detector}"


def sentences_with_marks(
    detected: Sequence[DetectedDocument], detectors: Detectors, announce: Callable[..., None]
) -> pd.DataFrame:
    """Return a row per sentence in the scope of some detector: `document, group, start, end`, and each one's mark.

    A sentence is found where a span overlaps it, even by one character; it is a near-miss where only that is nearly
    so. Where detectors look in different scopes, no sentence goes across the border of one.
    """
    scopes = scopes_of(detectors)
    rows, within = [], []
    for number, (document, _) in enumerate(detected, 1):
        for start, end, scopes_within in _sentences(document, scopes):
            rows.append((document.id, document.group, start, end))
            within.append([scope in scopes_within for scope in scopes])
        announce("stage_progressed", stage="cutting sentences", done=number, total=len(detected), unit="documents")
    population = pd.DataFrame(rows, columns=["document", "group", "start", "end"])
    in_scope = np.array(within, dtype=bool).reshape(-1, len(scopes))
    nearly = near_misses_in(detected, detectors)
    for name, detector in detectors.items():
        found = mark_sentences(population, {result.document.id: result.spans[name] for result in detected})
        near = mark_near_misses(population, nearly[name])
        outside = ~in_scope[:, scopes.index(detector.scope)]
        marks = np.select([outside, found, near], [OUT_OF_SCOPE, FOUND, NEAR_MISS], NOT_FOUND)
        population[mark_column(name)] = marks.astype(np.int8)
    return population


def _sentences(document: Document, scopes: Sequence[Scope]) -> Iterator[tuple[int, int, list[Scope]]]:
    """Yield the sentences of a document with the scopes that hold them."""
    stretches = {scope: document.stretches(scope) for scope in scopes}
    edges = sorted({edge for of_scope in stretches.values() for stretch in of_scope for edge in stretch})
    for start, end in pairwise(edges):
        within = [
            scope for scope in scopes if any(begin <= start and end <= behind for begin, behind in stretches[scope])
        ]
        if within:
            for bounds in sentences(document.text, start, end):
                yield *bounds, within
