"""Which whole texts without a behaviour are read: some for each that shows it, of those that it is compared with."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from neurosieve.texts.kept_positions import kept_positions
from neurosieve.texts.positions import WHOLE_TEXTS, Positions
from neurosieve.texts.seeds import seed_of
from neurosieve.texts.settings import Selection
from neurosieve.texts.units.comparable import strata_of
from neurosieve.texts.units.unit import units_in_words

__all__ = ["drawn_controls", "drawn_controls_notes"]


def drawn_controls(
    positions: Positions, selection: Selection, null: str, fields: Sequence[str], counts: Counter[str]
) -> Positions:
    """Return the positions with at most `controls_per_position` controls for each present unit of a whole text.

    They are drawn by the selection's seed among the units that are compared with each other: those of a group and
    stratum where the null is `within_groups`, else those of a part. So this comes after `comparable`: a draw from all
    texts would leave few in the groups that hold both kinds. `counts` gains how many were not drawn. Controls in parts
    of a text are chosen before, by the control plugin.
    """
    if positions.unit not in WHOLE_TEXTS:
        return positions
    table = positions.table
    compared = ["behaviour", "part"]
    if null == "within_groups":
        ids = [document.id for document in positions.documents]
        stratum_of = dict(zip(ids, strata_of(positions, fields).tolist(), strict=True))
        table = table.assign(stratum=[stratum_of[id] for id in table.document])
        compared += ["group", "stratum"]
    keep = np.ones(len(table), dtype=np.bool_)
    for _, rows in table.groupby(compared, sort=False):
        controls = rows[rows.label == 0]
        wanted = max(1, round(selection.controls_per_position * int((rows.label == 1).sum())))
        if len(controls) > wanted:
            seeds = [
                seed_of(selection.seed, id, behaviour)
                for id, behaviour in zip(controls.document, controls.behaviour, strict=True)
            ]
            keep[controls.index[np.argsort(np.array(seeds, dtype=np.uint64), kind="stable")[wanted:]]] = False
    if keep.all():
        return positions
    counts["controls_not_drawn"] += int((~keep).sum())
    return kept_positions(positions, keep)


def drawn_controls_notes(before: Positions, after: Positions, selection: Selection) -> list[str]:
    """Return, of each behaviour, how many of the units that could be controls `drawn_controls` left out."""
    notes = []
    for behaviour in after.behaviours:
        possible, drawn = (
            int(((positions.table.behaviour == behaviour) & (positions.table.label == 0)).sum())
            for positions in (before, after)
        )
        if drawn < possible:
            notes.append(
                f"`{behaviour}`: {drawn:,} of {units_in_words(after.unit, possible)} without it are compared with it, "
                f"and the others were not drawn (`selection.controls_per_position={selection.controls_per_position:g}`)"
            )
    return notes
