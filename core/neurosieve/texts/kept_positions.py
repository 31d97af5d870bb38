"""Some of the chosen positions, as positions of their own."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from neurosieve.texts.positions import PARTS, Positions

__all__ = ["kept_positions", "last_tokens"]


def kept_positions(positions: Positions, keep: npt.NDArray[np.bool_]) -> Positions:
    """Return the lines of the table that are kept, and the rows that they stand for; no additional places."""
    table = positions.table[keep].reset_index(drop=True)
    number_of = {document.id: number for number, document in enumerate(positions.documents)}
    # Units of several behaviours may start at the same token, and end at others.
    row_at = {address: row for row, address in enumerate(_addresses(positions))}
    ends = table.last_token if "last_token" in table else table.token
    lines = zip(table.document, table.token, ends, strict=True)
    row_of = [row_at[number_of[id], int(token), int(end)] for id, token, end in lines]
    labels = np.full((len(positions.labels), len(PARTS) * len(positions.behaviours)), -1, dtype=np.int8)
    column_of = {(name, part): positions.column(name, part) for name in positions.behaviours for part in PARTS}
    columns = [column_of[pair] for pair in zip(table.behaviour, table.part, strict=True)]
    labels[row_of, columns] = table.label.to_numpy()
    return positions.relabelled(labels, table=table, extra=positions.extra.iloc[:0], places=("",))


def last_tokens(positions: Positions) -> npt.NDArray[np.int64]:
    """Return the last token of the unit of each row."""
    if not positions.unit_tokens:
        return positions.token_of_row.astype(np.int64)
    return np.array([int(tokens[-1]) for tokens in positions.unit_tokens], dtype=np.int64)


def _addresses(positions: Positions) -> Iterator[tuple[int, int, int]]:
    """Yield the document, the first and the last token of each row."""
    of_rows = (positions.document_of_row, positions.token_of_row, last_tokens(positions))
    return zip(*(numbers.tolist() for numbers in of_rows), strict=True)
