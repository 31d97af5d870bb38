"""Fewer of the chosen positions, where a reading of all of them would be dear."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.contracts import Reading
from neurosieve.errors import DataError
from neurosieve.texts.copies import repeated_readings
from neurosieve.texts.draws import generator_of, spread
from neurosieve.texts.kept_positions import kept_positions
from neurosieve.texts.positions import PARTS, Positions
from neurosieve.wording import plural

__all__ = ["thinned", "thinning_notes"]


def thinned(positions: Positions, reading: Reading, seed: int, counts: Counter[str]) -> Positions:
    """Return as many of the positions as a reading takes: all of them, if it reads every token and has no limit.

    Of each behaviour and part, at most `reading.documents` that show it stay, drawn by seed from as many groups as
    there are, and in each of them at most `reading.controls` for each of its onsets. A document that shows nothing
    gives no controls where there is a limit. Additional places are left out. The first token of a text follows nothing,
    and is left out; so is a token behind special ones alone where the reading foretells the effect of edits, for no
    edit reaches it: `counts` gains how many, and says how many readings repeat in what stays.

    Raises:
        DataError: nothing is left of a behaviour, or of its controls.
    """
    limited = reading.documents is not None or reading.controls is not None
    if reading.at_every_token and not limited:
        return positions
    table = positions.table
    tokens = table.token.to_numpy()
    keep = tokens > 0
    counts["positions_at_first_token"] += int((~keep).sum())
    if reading.foretells:
        first_editable = {document.id: document.first_editable for document in positions.documents}
        reached = tokens > np.array([first_editable[id] for id in table.document], dtype=np.int64)
        unreached = table.label.to_numpy()[keep & ~reached]
        counts["positions_no_edit_reaches"] += int((unreached == 1).sum())
        counts["controls_no_edit_reaches"] += int((unreached == 0).sum())
        keep &= reached
    if limited:
        keep &= _within_limits(positions, table[keep], reading, seed, counts)
    _check_kept(table, table[keep])
    left = kept_positions(positions, keep)
    counts["positions_repeated"] = sum(_repeated(left, behaviour) for behaviour in left.behaviours)
    return left


def thinning_notes(before: Positions, after: Positions, reading: Reading) -> list[str]:
    """Return, of each behaviour of which not all is read, how much of the ranking part is."""
    notes = []
    for behaviour in after.behaviours:
        (documents, controls), (documents_read, controls_read) = (
            (rows.document[rows.label == 1].nunique(), int((rows.label == 0).sum()))
            for rows in (_ranking_part(before, behaviour), _ranking_part(after, behaviour))
        )
        if (documents, controls) == (documents_read, controls_read):
            continue
        note = (
            f"`{behaviour}`: {documents_read:,} of {plural(documents, 'document')} of the ranking part, and "
            f"{controls_read:,} of its {plural(controls, 'control position')}, are read (`documents` and `controls` of "
            "the reading" + ("; no edit reaches what stands behind special tokens alone)" if reading.foretells else ")")
        )
        if reading.needs_control_means and getattr(reading, "edit", "mean") == "mean":
            note += (
                "; the edit is to the mean over these controls, as in `ablate` of this run, while `ablate` of a "
                "ranking of all positions edits to the mean over all of them"
            )
        notes.append(note)
    return notes


def _repeated(positions: Positions, behaviour: str) -> int:
    """Return how many present positions of a behaviour stand behind the same tokens as another."""
    rows = positions.table[(positions.table.behaviour == behaviour) & (positions.table.label == 1)]
    document_of = {document.id: document for document in positions.documents}
    return repeated_readings(
        (document_of[name], int(token)) for name, token in zip(rows.document, rows.token, strict=True)
    )


def _ranking_part(positions: Positions, behaviour: str) -> pd.DataFrame:
    table = positions.table
    return table[(table.behaviour == behaviour) & (table.part == PARTS[0])]


def _within_limits(
    positions: Positions, table: pd.DataFrame, reading: Reading, seed: int, counts: Counter[str]
) -> npt.NDArray[np.bool_]:
    """Return which lines of the positions' table are drawn, of those in `table`."""
    keep = np.zeros(len(positions.table), dtype=np.bool_)
    for _, rows in table.groupby(["behaviour", "part"], sort=False):
        rows_of = dict(list(rows.groupby("document", sort=False)))
        shown = set(rows.document[rows.label == 1])
        showing = [document for document in positions.documents if document.id in shown]
        chosen = showing if reading.documents is None else spread(showing, reading.documents, seed)
        counts["documents_left_out_of_reading"] += len(showing) - len(chosen)
        for document in chosen:
            of_document = rows_of[document.id]
            onsets = of_document.index[of_document.label == 1].to_numpy()
            rest = of_document.index[of_document.label == 0].to_numpy()
            drawn = rest if reading.controls is None else _some(rest, reading.controls * len(onsets), seed, document.id)
            keep[onsets], keep[drawn] = True, True
    return keep


def _some(rows: npt.NDArray[np.int64], at_most: int, seed: int, name: str) -> npt.NDArray[np.int64]:
    return rows if len(rows) <= at_most else np.sort(generator_of(seed, name).permutation(rows)[:at_most])


def _check_kept(before: pd.DataFrame, after: pd.DataFrame) -> None:
    """Raise DataError where a behaviour has lost its positions, or its controls, in a part."""
    keys = ["behaviour", "part", "label"]
    left = set(after[keys].itertuples(index=False, name=None))
    for behaviour, part, label in before[keys].drop_duplicates().itertuples(index=False, name=None):
        if (behaviour, part, label) in left:
            continue
        where = "ranking" if part == PARTS[0] else "held-out"
        raise DataError(
            f"`{behaviour}` starts at the first token of its texts alone in the {where} part, or behind special tokens "
            "alone: nothing that can be edited stands before it; give texts with what does, such as their prompts"
            if label == 1
            else f"`{behaviour}` has no control position left in the documents of the {where} part that show it: take "
            "`control=distant`, or read all positions (`documents=null` and `controls=null` of the reading)"
        )
