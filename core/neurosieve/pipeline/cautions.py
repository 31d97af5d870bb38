"""What a reader of a ranking must know first: too little to go by, and what was left out."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from neurosieve.pipeline.settings import Find
from neurosieve.texts.positions import PARTS, Positions
from neurosieve.texts.selection import Selection
from neurosieve.wording import plural

__all__ = ["cautions", "left_out", "undefined"]


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
        if number < enough.min_positions or documents < enough.min_documents:
            found.append(
                f"`{behaviour}` is ranked on {what} in "
                f"{plural(documents, 'document')}: with fewer than {enough.min_positions} or "
                f"{enough.min_documents}, the best of many neurons scores high by chance alone"
            )
        if 0 < groups < enough.min_groups:
            found.append(
                f"`{behaviour}` shows in {plural(groups, 'held-out group')}: with fewer than {enough.min_groups} "
                "there is no interval and no verdict on replication"
            )
        if len(controls) < selection.controls_per_position * len(present) / 2:
            found.append(
                f"`{behaviour}` has {plural(len(controls), 'control position')} for {len(present):,} present ones, "
                f"where {selection.controls_per_position:g} for each were asked: the texts hold no more of the kind"
            )
    found += left_out(counts, context)
    return found + [
        f"{counts[f'{place}_unread']} of {len(positions.behaviours)} behaviours have no position to read, or none to "
        f"compare with, at `{place}`: its columns are empty there"
        for place in positions.places[1:]
        if counts[f"{place}_unread"]
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
