"""What a reader must know of the null of whole texts: which it is, why, and what it takes for granted."""

from typing import Any

import numpy as np

from neurosieve.contracts import Scorer
from neurosieve.evidence.exchange import NullKind, exchange_of, fixed_blocks, null_of
from neurosieve.evidence.settings import Evidence
from neurosieve.texts.positions import WHOLE_TEXTS, Positions
from neurosieve.texts.units.comparable import comparison_notes, lacking_notes
from neurosieve.wording import plural

__all__ = ["null_notes", "null_warnings"]


def null_notes(chosen: Positions, compared: Positions, settings: Evidence) -> list[str]:
    """Return which null was taken, why, and which groups it cannot use; nothing where a unit is part of a text.

    `compared` is what is left of the `chosen` positions once groups that cannot be compared are left out.
    """
    if chosen.unit not in WHOLE_TEXTS:
        return []
    kind = null_of(settings, chosen.unit)
    notes = [_sentence(kind, chosen, settings), *comparison_notes(chosen, kind, settings.strata)]
    notes += lacking_notes(chosen, settings.strata)
    for behaviour in compared.behaviours if kind == "between_groups" else ():
        exchange = exchange_of(compared, compared.column(behaviour), kind, settings)
        assert exchange.blocks is not None
        fixed, total = fixed_blocks(exchange.blocks, exchange.strata)
        if fixed:
            notes.append(
                f"`{behaviour}`: {fixed:,} of {plural(total, 'group')} of the ranking part "
                f"{'has' if fixed == 1 else 'have'} no other with as many units in the same stratum, and "
                f"{'keeps its' if fixed == 1 else 'keep their'} labels in every permutation"
            )
    return notes


def null_warnings(positions: Positions, scorer: Scorer[Any], rank_by: str, settings: Evidence) -> list[str]:
    """Return what to beware of where whole texts are ranked by a score that looks at more than its null does."""
    if positions.unit not in WHOLE_TEXTS:
        return []
    kind = null_of(settings, positions.unit)
    if scorer.between_documents:
        return [
            f"`null={kind}` does not hold for `{rank_by}`, whose null flips the signs of what whole groups add to the "
            "score: what differs between groups, such as difficulty, can count as evidence"
        ]
    within = settings.within_group_scorer
    one_each = positions.groups.max(initial=0) + 1 == len(positions.documents)
    if kind == "between_groups" or rank_by == within or one_each or not _compares_groups(positions):
        return []
    advice = f"rank by `{within}` for what it tells within groups" if within else "rank by `auc_within_group`"
    return [
        f"`{rank_by}` also compares units of different groups: p is honest but finds little, and the order of the "
        "neurons, their intervals and their replication are led by what differs between groups too, such as "
        f"difficulty; see the verdicts, or {advice}"
    ]


def _compares_groups(positions: Positions) -> bool:
    """Return whether some part of some behaviour has units of several groups."""
    groups = positions.groups[positions.document_of_row]
    return any(len(np.unique(groups[labels >= 0])) > 1 for labels in positions.labels.T)


def _sentence(kind: NullKind, positions: Positions, settings: Evidence) -> str:
    apart = f", apart by {' and '.join(f'`{field}`' for field in settings.strata)}" if settings.strata else ""
    why = (
        "as `null` says"
        if settings.null
        else f"because a text holds one unit alone (`selection.unit={positions.unit}`)"
    )
    if kind == "within_groups":
        return (
            f"the null permutes labels within groups{apart}, {why}: units of one group are compared, such as samples "
            "of one problem, and its difficulty is no evidence"
        )
    return (
        f"the null exchanges the labels of whole groups{apart}, {why}: all that differs between groups counts as "
        "evidence, such as difficulty, length and topic; compare with the baselines"
    )
