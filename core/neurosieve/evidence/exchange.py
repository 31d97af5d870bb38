"""Which labels a null may exchange: those of one text, those of texts of one group, or those of whole groups.

Whole groups exchange all their labels with groups of as many units, so that units of one group may depend on each other
in any way.

Source: Winkler, Webster, Vidaurre, Nichols and Smith (2015), Multi-level block permutation, NeuroImage 123, for the
exchange of whole blocks.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from neurosieve.errors import ConfigError
from neurosieve.evidence.settings import Evidence
from neurosieve.texts.positions import WHOLE_TEXTS, Positions, UnitKind
from neurosieve.texts.units.comparable import strata_of

__all__ = [
    "Exchange",
    "NullKind",
    "block_arrangements",
    "exchange_of",
    "exchanged_blocks",
    "fixed_blocks",
    "null_of",
]

NullKind = Literal["within_documents", "within_groups", "between_groups"]
_Labels = npt.NDArray[np.int8]
_Numbers = npt.NDArray[np.int64]


class Exchange(NamedTuple):
    """Which labels may change places, of the positions of one behaviour."""

    strata: _Numbers
    """Labels change places among positions of the same number alone."""
    blocks: _Numbers | None = None
    """All labels of a block change places with all those of another, in their order; None where each goes alone."""


def null_of(settings: Evidence, unit: UnitKind) -> NullKind:
    """Return which labels are exchanged where a row is such a unit.

    Raises:
        ConfigError: the settings ask for what such units cannot give.
    """
    if unit in WHOLE_TEXTS:
        if settings.null == "within_documents":
            raise ConfigError(
                f"null is within_documents, and `selection.unit={unit}` reads one unit of each text: nothing can be "
                "exchanged within a text; take `null=within_groups` or `null=between_groups`"
            )
        return settings.null or "within_groups"
    if settings.null not in (None, "within_documents"):
        raise ConfigError(
            f"null is {settings.null}, which exchanges labels of whole texts, and `selection.unit={unit}` reads "
            "several units of a text, which are alike: leave `null` out, or read whole texts "
            "(`selection.unit=completion`)"
        )
    if settings.strata:
        raise ConfigError(
            f"strata is {list(settings.strata)}, and `selection.unit={unit}` exchanges labels within each text, where "
            "a field of the record has one value: leave `strata` out"
        )
    return "within_documents"


def exchange_of(positions: Positions, column: int, kind: NullKind, settings: Evidence) -> Exchange:
    """Return which labels of one column may change places: a number for each position that has a label there."""
    documents = positions.document_of_row[positions.labels[:, column] >= 0]
    if kind == "within_documents":
        return Exchange(documents)
    groups, strata = positions.groups[documents], strata_of(positions, settings.strata)[documents]
    if kind == "within_groups":
        return Exchange(groups * (int(strata.max(initial=0)) + 1) + strata)
    return Exchange(strata, groups)


def exchanged_blocks(
    labels: _Labels, blocks: _Numbers, strata: _Numbers, columns: int, generator: np.random.Generator
) -> _Labels:
    """Return `columns` random exchanges of the labels of whole blocks of one size and stratum, a column each."""
    drawn = np.repeat((labels == 1).astype(np.int8)[:, None], columns, axis=1)
    for rows in _alike(blocks, strata):
        order = generator.random((columns, len(rows))).argsort(axis=1)
        # Columns by blocks by places in a block.
        drawn[rows.reshape(-1)] = (labels[rows] == 1)[order].reshape(columns, -1).T
    return drawn


def block_arrangements(labels: _Labels, blocks: _Numbers, strata: _Numbers) -> float:
    """Return the logarithm of how many different labellings the exchange of whole blocks can give."""
    total = 0.0
    for rows in _alike(blocks, strata):
        same = np.array(list(Counter(line.tobytes() for line in labels[rows]).values()))
        total += float(gammaln(len(rows) + 1) - gammaln(same + 1).sum())
    return total


def fixed_blocks(blocks: _Numbers, strata: _Numbers) -> tuple[int, int]:
    """Return how many blocks have no other of their size and stratum to exchange with, and how many there are."""
    alike = [len(rows) for rows in _alike(blocks, strata)]
    return sum(count == 1 for count in alike), sum(alike)


def _alike(blocks: _Numbers, strata: _Numbers) -> Iterator[_Numbers]:
    """Yield, for each size and stratum, the positions of its blocks, a line each, in their order."""
    order = np.argsort(blocks, kind="stable")
    _, starts, sizes = np.unique(blocks[order], return_index=True, return_counts=True)
    kinds = np.stack([sizes, strata[order[starts]]], axis=1)
    for size, stratum in np.unique(kinds, axis=0):
        chosen = starts[(kinds == (size, stratum)).all(axis=1)]
        yield order[chosen[:, None] + np.arange(size)]
