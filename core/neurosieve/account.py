"""What a run says of itself: what it was made with, what it read, and what to beware of."""

import hashlib
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import pandas as pd

from neurosieve.labelling import LabelledDocument
from neurosieve.plural import plural
from neurosieve.positions import PARTS, Positions
from neurosieve.selection import Selection
from neurosieve.settings import Find

__all__ = [
    "Stopwatch",
    "cautions",
    "counted",
    "left_out",
    "positions_hash",
    "provenance",
    "spans_table",
    "undefined",
    "versions",
]

_LIBRARIES = (
    "neurosieve",
    "torch",
    "transformers",
    "transformer-lens",
    "numpy",
    "scipy",
    "scikit-learn",
    "datasets",
    "hydra-core",
)


def provenance(positions: pd.DataFrame, space: str) -> dict[str, Any]:
    """Return versions, and hashes of the chosen positions and of the store's space that they were read from."""
    return {"versions": versions(), "hashes": {"positions": positions_hash(positions), "space": space}}


def versions() -> dict[str, str]:
    """Return the versions of what the numbers of a run depend on."""
    return {"python": platform.python_version(), **{library: version(library) for library in _LIBRARIES}}


def positions_hash(positions: pd.DataFrame) -> str:
    """Return what tells a table of positions from any other."""
    lines = pd.util.hash_pandas_object(positions, index=False).to_numpy()
    return hashlib.sha256(lines.tobytes()).hexdigest()


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


class Stopwatch:
    """The seconds that each stage of a run took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the stage `name`."""
        began = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 3)


def cautions(
    positions: Positions,
    asked: Sequence[str],
    selection: Selection,
    counts: Counter[str],
    numbers: Mapping[str, Mapping[str, int]],
    context: int | None,
    enough: Find,
) -> list[str]:
    """Return what a reader of the ranking must know first: too little to go by, and what was left out."""
    found = [
        f"`{behaviour}` shows nowhere in {plural(counts['documents'], 'document')}, and was left out"
        for behaviour in asked
        if behaviour not in positions.behaviours
    ]
    for behaviour in positions.behaviours:
        mine = positions.table[positions.table.behaviour == behaviour]
        present, controls = mine[mine.label == 1], mine[mine.label == 0]
        ranked, held_out = (present[present.part == part] for part in PARTS)
        documents, groups = ranked.document.nunique(), held_out.group.nunique()
        number, what = len(ranked), plural(len(ranked), "present position")
        if selection.neighbours:  # The tokens of one span say much the same: they count as one.
            number = numbers[behaviour]["ranking_spans"]
            what += f" of {plural(number, 'span')}"
        if number < enough.enough_positions or documents < enough.enough_documents:
            found.append(
                f"`{behaviour}` is ranked on {what} in "
                f"{plural(documents, 'document')}: with fewer than {enough.enough_positions} or "
                f"{enough.enough_documents}, the best of many neurons scores high by chance alone"
            )
        if 0 < groups < enough.enough_groups:
            found.append(
                f"`{behaviour}` shows in {plural(groups, 'held-out group')}: with fewer than {enough.enough_groups} "
                "there is no interval and no verdict on replication"
            )
        if len(controls) < selection.ratio * len(present) / 2:
            found.append(
                f"`{behaviour}` has {plural(len(controls), 'control position')} for {len(present):,} present ones, "
                f"where {selection.ratio:g} for each were asked: the texts hold no more of the kind"
            )
    found += left_out(counts, context)
    return found + [
        f"{counts[f'{look}_unread']} of {len(positions.behaviours)} behaviours have no position to read, or none to "
        f"compare with, at `{look}`: its columns are empty there"
        for look in positions.looks[1:]
        if counts[f"{look}_unread"]
    ]


def left_out(counts: Counter[str], context: int | None) -> list[str]:
    """Return a warning for each reason for which documents, spans or places were left out."""
    reasons = {
        "documents_cut": f"documents are longer than the model's context of {context or 0:,} tokens, and were cut",
        "documents_empty": "documents have no text that can be read, and were left out",
        "spans_not_readable": "spans hold no token that can be read, and were left out",
        "positions_outside": "places to read were outside their texts, and were left out",
    }
    return [f"{counts[key]:,} {what}" for key, what in reasons.items() if counts[key]]


def undefined(neurons: pd.DataFrame, rank_by: str) -> list[str]:
    """Return a warning for each behaviour for which most neurons have no score."""
    missing = neurons[rank_by].isna().groupby(neurons.behaviour, sort=False).agg(["sum", "size"])
    return [
        f"`{rank_by}` is undefined for {count:,} of {size:,} neurons of `{behaviour}`: they stand last, and have no p"
        for behaviour, count, size in missing.itertuples(name=None)
        if count > size / 2
    ]


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
