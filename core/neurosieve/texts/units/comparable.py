"""Which whole texts can be compared: right and wrong samples of one problem, not one problem with another."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import xxhash

from neurosieve.errors import DataError
from neurosieve.texts.kept_positions import kept_positions, last_tokens
from neurosieve.texts.positions import PARTS, Positions
from neurosieve.texts.record_fields import field_values, missing_field, same_value
from neurosieve.wording import plural

__all__ = ["comparable", "comparison_notes", "lacking_notes", "strata_of"]


def comparable(positions: Positions, null: str, fields: Sequence[str], counts: Counter[str]) -> Positions:
    """Return the positions that a null can exchange labels among: all of them, unless it is `within_groups`.

    Then, of each behaviour and part, groups are left out whose units are all of one kind, or all read the same tokens;
    `counts` gains how many. Where `fields` keeps strata apart, each stratum of a group is a group of its own in this.

    Raises:
        ConfigError: no record has one of the fields.
        DataError: no group of a behaviour and part is left; or a group that moves as a whole is in several strata.
    """
    strata = strata_of(positions, fields)
    if null == "between_groups":
        _check_whole(positions, strata, fields)
    if null != "within_groups":
        return positions
    cells = _cells(positions, strata)
    left_out = cells[~cells.kept]
    counts["groups_of_one_kind"] += len(left_out)
    counts["units_in_groups_of_one_kind"] += int((left_out.present + left_out.control).sum())
    for (behaviour, part), of_part in cells.groupby(["behaviour", "part"], sort=False):
        if not of_part.kept.any():
            raise DataError(_nothing_left(str(behaviour), str(part), of_part))
    kept = cells[cells.kept]
    kept_cells = set(zip(kept.behaviour, kept.part, kept.cell, strict=True))
    cell_of = dict(zip((document.id for document in positions.documents), _cell_codes(positions, strata), strict=True))
    table = positions.table
    lines = zip(table.behaviour, table.part, (int(cell_of[id]) for id in table.document), strict=True)
    return kept_positions(positions, np.array([line in kept_cells for line in lines], dtype=np.bool_))


def comparison_notes(positions: Positions, null: str, fields: Sequence[str]) -> list[str]:
    """Return, of each behaviour, how many groups `comparable` leaves out of these positions, and why."""
    if null != "within_groups":
        return []
    cells, notes = _cells(positions, strata_of(positions, fields)), []
    for behaviour, of_behaviour in cells.groupby("behaviour", sort=False):
        left_out = of_behaviour[~of_behaviour.kept]
        if len(left_out):
            notes.append(
                f"`{behaviour}`: {len(left_out):,} of {plural(len(of_behaviour), 'group')} cannot be compared within, "
                f"and were left out with their {plural(int((left_out.present + left_out.control).sum()), 'unit')}: "
                f"{_reasons(left_out)}"
            )
    return notes


def strata_of(positions: Positions, fields: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return a number for each document: the same for those whose records have the same values in some fields.

    A record that lacks a field is in a stratum with the others that do; `lacking_notes` says so.

    Raises:
        ConfigError: no record has one of the fields.
    """
    of_fields = [field_values(positions.documents, field) for field in fields]
    for field, values in zip(fields, of_fields, strict=True):
        if all(value is None for value in values):
            raise missing_field("strata", field, positions.documents)
    alike = [[same_value(value) for value in values] for values in of_fields]
    values_of = list(zip(*alike, strict=True)) or [()] * len(positions.documents)
    number = {value: place for place, value in enumerate(sorted(set(values_of)))}
    return np.array([number[value] for value in values_of], dtype=np.int64)


def lacking_notes(positions: Positions, fields: Sequence[str]) -> list[str]:
    """Return how many texts lack a field that keeps strata apart, if some do."""
    notes, total = [], len(positions.documents)
    for field in fields:
        lacking = sum(value is None for value in field_values(positions.documents, field))
        if lacking:
            notes.append(
                f"{lacking:,} of {plural(total, 'text')} {'has' if lacking == 1 else 'have'} no `{field}`: for "
                "`strata` that counts as one more value of it"
            )
    return notes


def _check_whole(positions: Positions, strata: npt.NDArray[np.int64], fields: Sequence[str]) -> None:
    """Raise DataError unless each group is in one stratum."""
    of_group = pd.Series(strata).groupby(positions.groups).nunique()
    if split := int((of_group > 1).sum()):
        raise DataError(
            f"`strata={list(fields)}` differs between the texts of one group in {split:,} of "
            f"{plural(len(of_group), 'group')}, while `null=between_groups` exchanges whole groups: take fields that "
            "are the same in all texts of a group, or `null=within_groups`"
        )


def _cell_codes(positions: Positions, strata: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return a number for each document: the same for those of one group and stratum."""
    codes: npt.NDArray[np.int64] = positions.groups * (int(strata.max(initial=0)) + 1) + strata
    return codes


def _cells(positions: Positions, strata: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return a line per behaviour, part and cell: `behaviour, part, cell, present, control, readings, kept`.

    A cell is a group, or one stratum of it. `readings` is how many different texts are read up to the ends of its
    units: where it is one, such as the same prompt of all samples, no neuron could differ.
    """
    cell = _cell_codes(positions, strata)[positions.document_of_row]
    readings = _readings(positions)
    tables = []
    for behaviour in positions.behaviours:
        for part in PARTS:
            labels = positions.labels[:, positions.column(behaviour, part)]
            rows = np.flatnonzero(labels >= 0)
            if not len(rows):
                continue
            units = pd.DataFrame({"cell": cell[rows], "present": labels[rows] == 1, "reading": readings[rows]})
            by_cell = units.groupby("cell", sort=True)
            counted = pd.DataFrame(
                {"present": by_cell.present.sum(), "units": by_cell.size(), "readings": by_cell.reading.nunique()}
            ).reset_index()
            tables.append(counted.assign(behaviour=behaviour, part=part))
    cells = pd.concat(tables, ignore_index=True)
    cells["control"] = cells.units - cells.present
    return cells.assign(kept=(cells.present > 0) & (cells.control > 0) & (cells.readings > 1))


def _readings(positions: Positions) -> npt.NDArray[np.int64]:
    """Return a number for each row: the same where a model has read the same tokens at the end of the unit."""
    rows = zip(positions.document_of_row.tolist(), last_tokens(positions).tolist(), strict=True)
    digests = [xxhash.xxh3_128_digest(positions.documents[n].token_ids[: last + 1].tobytes()) for n, last in rows]
    return np.unique(np.array(digests, dtype="S16"), return_inverse=True)[1].astype(np.int64)


def _reasons(cells: pd.DataFrame) -> str:
    """Return why cells were left out, with counts."""
    always, never = cells.control == 0, cells.present == 0
    reasons = {
        "with the behaviour in all units": int(always.sum()),
        "with it in none": int(never.sum()),
        "with units that all read the same tokens": int((~always & ~never).sum()),
    }
    single = int((cells.units == 1).sum())
    alone = f" ({single:,} with one unit alone)" if single else ""
    return ", ".join(f"{count:,} {what}" for what, count in reasons.items() if count) + alone


def _nothing_left(behaviour: str, part: str, cells: pd.DataFrame) -> str:
    where = "ranking" if part == PARTS[0] else "held-out"
    same = bool(((cells.present > 0) & (cells.control > 0)).any())
    advice = (
        "their units end before the texts differ: compare what differs (`selection.unit=completion`)"
        if same
        else "give several samples of each problem, or more problems, and see that `source.group_field` is the field "
        "that tells problems apart"
    )
    return (
        f"`{behaviour}` cannot be compared within groups in the {where} part, which has {plural(len(cells), 'group')}: "
        f"{_reasons(cells)}. {advice[0].upper()}{advice[1:]}; or take `null=between_groups`, in which all that differs "
        "between groups, such as difficulty, counts as evidence"
    )
