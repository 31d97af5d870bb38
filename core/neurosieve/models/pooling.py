"""Units of several tokens: what is read at their tokens becomes one row, site by site, in pieces of bounded size."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["ReadCells", "RowReader", "Units"]

ReadCells = Callable[[Tensor, Tensor], Tensor]
"""Gives the cells of one site at some texts and tokens, two tensors of one shape: `[..., neurons]`."""

_PIECE_BYTES = 64 * 2**20
"""Cells of so many bytes, in float32, are gathered at a time: a unit of many tokens is pooled in several pieces."""


class Units(NamedTuple):
    """Which of the tokens that are read of some documents are pooled into a row."""

    sizes: Sequence[npt.NDArray[np.int64]]
    """Of each document, how many of its tokens are in each row: one row's tokens after another's."""
    pool: Literal["mean", "max"]


class _Piece(NamedTuple):
    """Stretches of tokens that are gathered together, each of another row."""

    rows: Tensor
    places: Tensor
    """`[stretches, longest]`, indices into the tokens that are read; a short stretch repeats its first."""
    padded: Tensor
    """Which of these are such repeats."""


class RowReader:
    """Makes rows of the tokens that are read of a batch: one of each, or one of each unit.

    Means are added up in float32, and stay so: a mean of many tokens differs from another by less than a short float
    can tell. The largest is one of the values, and keeps their dtype.
    """

    def __init__(self, tokens: Sequence[npt.NDArray[np.int64]], units: Units | None, neurons: int) -> None:
        self._texts = torch.from_numpy(np.repeat(np.arange(len(tokens)), list(map(len, tokens))))
        self._tokens = torch.from_numpy(np.concatenate(list(tokens)))
        self._units = units
        self._sizes, self._pieces = torch.empty(0), list[_Piece]()
        if units is not None:
            sizes = np.concatenate(list(units.sizes))
            if (sizes < 1).any() or sizes.sum() != len(self._tokens):
                raise ValueError(f"units of {sizes.tolist()} tokens are to be made of {len(self._tokens)} tokens")
            self._sizes = torch.from_numpy(sizes)[:, None]
            self._pieces = _pieces(sizes, max(1, _PIECE_BYTES // (4 * neurons)))

    def __call__(self, read: ReadCells, device: torch.device) -> Float[Tensor, "rows neurons"]:
        """Return the rows of a site, on the device that it is on."""
        texts, tokens = self._texts.to(device), self._tokens.to(device)
        if self._units is None:
            return read(texts, tokens)
        pooled: Tensor | None = None
        for piece in self._pieces:
            places = piece.places.to(device)
            values = read(texts[places], tokens[places])
            rows = piece.rows.to(device)
            if self._units.pool == "mean":
                sums = values.float().masked_fill_(piece.padded.to(device)[..., None], 0).sum(dim=1)
                pooled = sums.new_zeros(len(self._sizes), sums.shape[-1]) if pooled is None else pooled
                pooled[rows] += sums  # A row is in a piece once.
            else:
                largest = _largest(values)
                if pooled is None:
                    pooled = largest.new_full((len(self._sizes), largest.shape[-1]), -torch.inf)
                pooled[rows] = torch.maximum(pooled[rows], largest)
        assert pooled is not None, "a batch has at least one unit"
        return pooled / self._sizes.to(device) if self._units.pool == "mean" else pooled


def _largest(values: Float[Tensor, "stretches longest neurons"]) -> Float[Tensor, "stretches neurons"]:
    """Return the largest over tokens; one that is negative and infinite is not hidden by it."""
    smallest, largest = values.aminmax(dim=1)
    return torch.where(smallest.isinf(), torch.nan, largest)


def _pieces(sizes: npt.NDArray[np.int64], tokens_at_once: int) -> list[_Piece]:
    """Return the stretches of the rows, of at most so many tokens, packed longest first with those of like length."""
    ends = np.cumsum(sizes)
    stretches = [
        (row, start, min(start + tokens_at_once, end))
        for row, (size, end) in enumerate(zip(sizes.tolist(), ends.tolist(), strict=True))
        for start in range(end - size, end, tokens_at_once)
    ]
    stretches.sort(key=lambda stretch: stretch[1] - stretch[2])
    pieces, first = [], 0
    while first < len(stretches):
        longest = stretches[first][2] - stretches[first][1]
        part = stretches[first : first + max(1, tokens_at_once // longest)]
        first += len(part)
        rows, starts, stops = (torch.tensor(column) for column in zip(*part, strict=True))
        places = starts[:, None] + torch.arange(longest)
        padded = places >= stops[:, None]
        pieces.append(_Piece(rows, torch.where(padded, starts[:, None], places), padded))
    return pieces
