"""Which tokens are read of each row: one, or those of its unit."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosieve.texts.positions import Positions

__all__ = ["RowTokens", "row_tokens", "tokens_read"]


class RowTokens(NamedTuple):
    """The tokens that are read of each row, one row's after another's."""

    tokens: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    """Where those of each row begin."""
    sizes: npt.NDArray[np.int64]
    """How many each row has."""
    pool: Literal["mean", "max"] | None
    """What becomes of a row's tokens; None where each row has one."""

    @property
    def last(self) -> npt.NDArray[np.int64]:
        """The last token of each row."""
        last: npt.NDArray[np.int64] = self.tokens[self.starts + self.sizes - 1]
        return last

    def of(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the tokens of some rows, one row's after another's, and how many each has."""
        sizes = self.sizes[rows]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self.tokens[np.repeat(self.starts[rows], sizes) + within], sizes


def row_tokens(positions: Positions) -> RowTokens:
    """Return the tokens that are read of each row of `positions`.

    Raises:
        ValueError: a unit has no token, or tokens that are not in order.
    """
    units = positions.unit_tokens
    if not units:
        return _single(positions.token_of_row)
    sizes = np.array([len(unit) for unit in units], dtype=np.int64)
    tokens = np.concatenate(units).astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    in_order = np.diff(tokens) > 0
    in_order[starts[1:][sizes[1:] > 0] - 1] = True  # From one row to the next.
    if len(units) != len(positions.token_of_row) or (sizes < 1).any() or not in_order.all():
        raise ValueError("a unit has at least one token, and its tokens are in order, each once")
    if positions.pool == "last":
        return _single(tokens[starts + sizes - 1])
    if positions.pool == "first" or (sizes == 1).all():
        return _single(tokens[starts])
    return RowTokens(tokens, starts, sizes, positions.pool)


def _single(tokens: npt.NDArray[np.int64]) -> RowTokens:
    return RowTokens(tokens, np.arange(len(tokens)), np.ones(len(tokens), dtype=np.int64), None)


def tokens_read(positions: Positions) -> npt.NDArray[np.int64]:
    """Return how many tokens of each document are read, from its first to the last that a row needs."""
    bounds = np.searchsorted(positions.document_of_row, np.arange(len(positions.documents)))
    return np.maximum.reduceat(row_tokens(positions).last, bounds) + 1
