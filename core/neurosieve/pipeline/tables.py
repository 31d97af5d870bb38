"""Counts and tables of what a run read."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from neurosieve.texts.labelling import LabelledDocument
from neurosieve.texts.positions import PARTS, Positions

__all__ = ["counted", "spans_table"]


def counted(documents: Sequence[LabelledDocument], positions: Positions) -> dict[str, Any]:
    """Return, per behaviour, its documents and spans, and its positions in each part."""
    table = positions.table
    part_of = dict(zip(table.group, table.part, strict=True))
    numbers = {}
    for behaviour in positions.behaviours:
        mine = table[table.behaviour == behaviour]
        numbers[behaviour] = {
            "documents_with": sum(bool(document.spans[behaviour]) for document in documents),
            "spans": sum(len(document.spans[behaviour]) for document in documents),
            **{
                f"{part}_{what}": int(count)
                for part in PARTS
                for of_part in [mine[mine.part == part]]
                for what, count in {
                    "present": (of_part.label == 1).sum(),
                    "control": (of_part.label == 0).sum(),
                    "documents_with": of_part[of_part.label == 1].document.nunique(),
                    "groups": of_part.group.nunique(),
                    "spans": sum(
                        len(one.spans[behaviour]) for one in documents if part_of.get(one.tokens.group) == part
                    ),
                }.items()
            },
        }
    return numbers


def spans_table(documents: Sequence[LabelledDocument], positions: Positions) -> pd.DataFrame:
    """Return a line per behaviour and span: `behaviour, document, group, part, start, end, label, text`.

    `part` is that of the document's group, empty where none of its positions was chosen.
    """
    part = dict(zip(positions.table.group, positions.table.part, strict=True))
    lines = [
        (
            name,
            one.tokens.id,
            one.tokens.group,
            part.get(one.tokens.group, ""),
            *span,
            one.tokens.text[slice(*span[:2])],
        )
        for name in positions.behaviours
        for one in documents
        for span in one.spans[name]
    ]
    return pd.DataFrame(lines, columns=["behaviour", "document", "group", "part", "start", "end", "label", "text"])
