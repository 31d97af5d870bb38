"""Counts of positions, and the tables of spans and of texts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from neurosieve.texts.copies import text_key
from neurosieve.texts.duplicates import signature
from neurosieve.texts.positions import PARTS, Positions
from neurosieve.texts.sameness import model_words
from neurosieve.texts.tokens import LabelledDocument

__all__ = ["count_positions", "spans_table", "texts_table"]


def count_positions(documents: Sequence[LabelledDocument], positions: Positions) -> dict[str, Any]:
    """Return, per behaviour, its documents and spans, its positions in each part, and their kinds of token."""
    part_of, numbers = _part_of_group(positions), dict[str, dict[str, Any]]()
    for behaviour in positions.behaviours:
        rows = positions.table[positions.table.behaviour == behaviour]
        showing = [document for document in documents if document.spans[behaviour]]
        read, spans = set(rows.document[rows.label == 1]), Counter[str]()
        for document in showing:
            if document.tokens.id in read:
                spans[part_of[document.tokens.group]] += len(document.spans[behaviour])
        numbers[behaviour] = {
            "documents_with": len(showing),
            "spans": sum(len(document.spans[behaviour]) for document in showing),
        }
        for part in PARTS:
            of_part = rows[rows.part == part]
            present = of_part[of_part.label == 1]
            numbers[behaviour] |= {
                f"{part}_present": len(present),
                f"{part}_control": len(of_part) - len(present),
                f"{part}_documents_with": present.document.nunique(),
                f"{part}_groups": of_part.group.nunique(),
                f"{part}_spans": spans[part],
            }
        for label, what in ((1, "present_kinds"), (0, "control_kinds")):
            numbers[behaviour][what] = rows[rows.label == label].kind.value_counts().to_dict()
    return numbers


def spans_table(documents: Sequence[LabelledDocument], positions: Positions) -> pd.DataFrame:
    """Return a line per behaviour and span: `behaviour, document, group, part, start, end, label, text`.

    `part` is that of the document's group, empty where none of its positions was chosen.
    """
    part_of = _part_of_group(positions)
    lines = [
        (name, tokens.id, tokens.group, part_of.get(tokens.group, ""), *span, tokens.text[span.start : span.end])
        for name in positions.behaviours
        for document in documents
        for tokens in [document.tokens]
        for span in document.spans[name]
    ]
    return pd.DataFrame(lines, columns=["behaviour", "document", "group", "part", "start", "end", "label", "text"])


def texts_table(positions: Positions, documents: Sequence[LabelledDocument], groups: Mapping[str, str]) -> pd.DataFrame:
    """Return a line per document, whether it is read or not.

    The columns are `document, group, part, read, words, minhash`. `group` is the name that the source gave, from
    `groups` by the document's id: those of `documents` may have been joined. `part` is empty unless the document holds
    a position, or is like one of its group that does. `read`: it holds a position. `words` is a
    hash by which texts that are the same are known (`text_key`), and `minhash` the MinHash of what the model wrote, by
    which those are that are nearly the same; it is empty where `part` is.
    """
    part, read = _part_of_group(positions), {document.id for document in positions.documents}
    sets = {of_scope for document in documents if document.tokens.id in read for of_scope in document.text_sets.items()}
    lines = []
    for document in sorted(documents, key=lambda document: document.tokens.id):
        tokens, is_read = document.tokens, document.tokens.id in read
        # Where a run is replicated on other texts, only what has a part counts as known to it.
        known = tokens.group in part and (is_read or not sets.isdisjoint(document.text_sets.items()))
        minhash = signature(model_words(tokens)) if known else b""
        of_part = part[tokens.group] if known else ""
        lines.append((tokens.id, groups[tokens.id], of_part, is_read, text_key(tokens, positions.unit), minhash))
    return pd.DataFrame(lines, columns=["document", "group", "part", "read", "words", "minhash"])


def _part_of_group(positions: Positions) -> dict[str, str]:
    return dict(zip(positions.table.group, positions.table.part, strict=True))
