"""Sentences on which raters differ, as text to look at."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from neurosieve.data import Document
from neurosieve.detection.agreement.raters import Raters

__all__ = ["disagreements_table"]

_KEPT = 100
"""So many sentences are kept of each pair that only the one marks, and as many that only the other marks."""
_LONGEST = 2000
"""Of a longer text, such as a whole completion, its beginning is kept."""


def disagreements_table(raters: Raters, documents: Iterable[Document], around: int, seed: int) -> pd.DataFrame:
    """Return sentences that one of a pair marks and the other does not, drawn at random where there are very many.

    Returns:
        `first, second, document, group, start, end, text, before, after, marked_by, not_marked_by, over`, in the order
        of the texts, with `around` characters before and after; `marked_by` names all raters who mark the sentence,
        `not_marked_by` all who do not.
    """
    text_of, rng = {document.id: document.text for document in documents}, np.random.default_rng(seed)
    names = np.array(list(raters.marks), dtype=object)
    bounds = [raters.sentences[column].tolist() for column in ("document", "group", "start", "end")]
    says = np.stack([raters.marks[name] for name in names]), np.stack([raters.known[name] for name in names])
    rows = []
    for first, second in raters.pairs:
        known = raters.known[first] & raters.known[second]
        sides = [raters.marks[one] & ~raters.marks[other] & known for one, other in ((first, second), (second, first))]
        drawn = [_some(np.flatnonzero(side), rng) for side in sides]
        for place in np.sort(np.concatenate(drawn)).tolist():
            document, group, start, end = (column[place] for column in bounds)
            text = text_of[document]
            marked, is_known = (each[:, place] for each in says)
            shown = text[start : min(end, start + _LONGEST)]
            context = text[max(0, start - around) : start], text[end : end + around]
            says_so, does_not = (", ".join(names[says]) for says in (marked, ~marked & is_known))
            rows.append((first, second, document, group, start, end, shown, *context, says_so, does_not, raters.over))
    columns = ["first", "second", "document", "group", "start", "end", "text", "before", "after"]
    return pd.DataFrame(rows, columns=[*columns, "marked_by", "not_marked_by", "over"])


def _some(places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return places if len(places) <= _KEPT else rng.choice(places, _KEPT, replace=False)
