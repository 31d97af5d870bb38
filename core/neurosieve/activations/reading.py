"""Positions of a run, read from the store: opened, filled where it lacks some, and given layer by layer."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from neurosieve.activations.capture import Capture, batch_of, keys_of
from neurosieve.activations.store import DamagedShardError, Space
from neurosieve.data import Batch, Site
from neurosieve.errors import StoreError
from neurosieve.models.batches import Reader
from neurosieve.texts.positions import Positions

__all__ = ["labelled_batch", "labelled_batches", "open_space", "read_complete"]

T = TypeVar("T")

_DAMAGED_AT_MOST = 100


def open_space(reader: Reader, store: str | None) -> Space:
    """Return the part of the store that holds what a reader reads; it is in the user's cache by default."""
    model, folder = reader.model, Path(store) if store else None
    return Space(model.fingerprint, reader.sites, model.dtype, folder, model.name, reader.address_part())


def read_complete(space: Space, capture: Callable[[], Capture], read: Callable[[], T]) -> tuple[T, Capture]:
    """Capture what the store lacks, and return what `read` returns, with what was captured.

    A damaged shard is removed when it is read; what it held is captured again, and `read` begins anew.

    Raises:
        StoreError: the store is damaged again and again.
    """
    total = Capture()
    while True:
        total += capture()
        try:
            return read(), total
        except DamagedShardError as damage:
            if space.damaged > _DAMAGED_AT_MOST:
                raise StoreError(
                    f"the store `{space.folder}` is damaged again and again, last in `{damage}`: check the disk, or "
                    "give `neurosieve find` another `store=<folder>`"
                ) from damage


def labelled_batches(
    space: Space, positions: Positions, column: int, stage: str, announce: Callable[..., None]
) -> Iterator[Batch]:
    """Yield the positions of one column of labels at each layer, and announce each layer that is done."""
    for number, site in enumerate(space.sites, 1):
        yield labelled_batch(space, positions, column, site)
        announce("stage_progressed", stage=stage, done=number, total=len(space.sites), unit="layers")


def labelled_batch(
    space: Space, positions: Positions, column: int, site: Site, neurons: Sequence[int] | None = None
) -> Batch:
    """Return every labelled position of one column of labels at one layer, in one batch.

    `neurons` are those to return, in this order; all by default.
    """
    rows = np.flatnonzero(positions.labels[:, column] >= 0)
    keys, tokens = keys_of(positions)
    return batch_of(site, space.read(site, keys[rows], tokens[rows], neurons), positions, rows, [column])
