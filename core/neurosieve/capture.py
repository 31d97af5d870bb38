"""Fills the store with the positions that it lacks, for which alone the model is run; and reads them back."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neurosieve.atlas import Atlas
from neurosieve.data import Batch, Site
from neurosieve.errors import ModelError
from neurosieve.loading import LanguageModel
from neurosieve.model import read
from neurosieve.positions import Positions
from neurosieve.store import Space, document_keys

__all__ = ["Capture", "batches_at", "capture", "document_batches", "keys_of"]

_SHARD_BYTES = 16 * 2**20
_SHARD_SECONDS = 60
"""A shard is written when it is so large or so old: a run that is killed loses no more."""
_BATCH_BYTES = 128 * 2**20


@dataclass
class Capture:
    """What a capture did."""

    forward_passes: int = 0
    tokens: int = 0
    """Tokens that went through the model, padding included."""
    padding: int = 0
    positions: int = 0
    """Positions that were read; the others were in the store."""
    halvings: int = 0
    """How often a batch did not fit into memory and was read in halves."""


def keys_of(positions: Positions) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Return the address in a space of every row of `positions`."""
    keys = document_keys([document.token_ids for document in positions.documents])
    return keys[positions.document_of_row], positions.token_of_row.astype(np.int32)


def capture(
    model: LanguageModel,
    atlas: Atlas,
    space: Space,
    positions: Positions,
    tokens_per_batch: int,
    announce: Callable[..., None],
) -> Capture:
    """Read every position that `space` lacks, and write it there.

    A batch is a function of `positions` alone, and is written in one shard: a run that was killed and goes on forms
    the same batches, so that it ends with the same numbers.

    Raises:
        ModelError: a single document does not fit into memory, or activations are not finite.
    """
    done = Capture()
    keys, tokens = keys_of(positions)
    missing = ~space.has(keys, tokens)
    bounds = np.searchsorted(positions.document_of_row, np.arange(len(positions.documents) + 1))
    pending: list[tuple[npt.NDArray[np.int64], dict[Site, Tensor]]] = []

    def flush() -> None:
        if pending:
            held, pending[:] = list(pending), []  # A shard that cannot be written is not tried again.
            rows = np.concatenate([rows for rows, _ in held])
            found = {site: torch.cat([found[site] for _, found in held]) for site in space.sites}
            space.write(keys[rows], tokens[rows], found)

    total = int(missing.sum())
    size, flushed = 0, time.monotonic()
    try:
        for batch in document_batches(positions, bounds, tokens_per_batch):
            wanted = [np.flatnonzero(missing[bounds[n] : bounds[n + 1]]) + bounds[n] for n in batch]
            held = [(n, rows) for n, rows in zip(batch, wanted, strict=True) if len(rows)]
            for rows, found in _read_or_halve(model, atlas, space.sites, positions, held, done, announce):
                pending.append((rows, found))
                size += sum(tensor.nbytes for tensor in found.values())
                done.positions += len(rows)
            if size >= _SHARD_BYTES or time.monotonic() - flushed > _SHARD_SECONDS:
                flush()
                size, flushed = 0, time.monotonic()
            if total and held:
                announce("stage_progressed", stage="reading", done=done.positions, total=total, unit="positions")
    finally:
        flush()  # What was read before an error or Ctrl-C is kept, in whole batches: the next run goes on from here.
    return done


def batches_at(space: Space, positions: Positions, site: Site) -> Iterator[Batch]:
    """Yield every position at one site, in batches of bounded size, in the order of `positions`."""
    keys, tokens = keys_of(positions)
    token_ids = np.array(
        [
            positions.documents[document].token_ids[token]
            for document, token in zip(positions.document_of_row, positions.token_of_row, strict=True)
        ]
    )
    rows = max(1, _BATCH_BYTES // (4 * space.neurons))
    for start in range(0, len(tokens), rows):
        part = slice(start, start + rows)
        documents = positions.document_of_row[part]
        yield Batch(
            site,
            space.read(site, keys[part], tokens[part]),
            torch.from_numpy(positions.labels[part]),
            torch.from_numpy(documents),
            torch.from_numpy(positions.groups[documents]),
            torch.from_numpy(token_ids[part]),
        )


def document_batches(positions: Positions, bounds: npt.NDArray[np.int64], budget: int) -> Iterator[list[int]]:
    """Yield documents of like length together, longest first, so many that they and their padding fit the budget."""
    lengths = positions.token_of_row[bounds[1:] - 1] + 1
    batch: list[int] = []
    for number in np.argsort(-lengths, kind="stable"):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(int(number))
    if batch:
        yield batch


def _read_or_halve(
    model: LanguageModel,
    atlas: Atlas,
    sites: Sequence[Site],
    positions: Positions,
    batch: Sequence[tuple[int, npt.NDArray[np.int64]]],
    done: Capture,
    announce: Callable[..., None],
) -> Iterator[tuple[npt.NDArray[np.int64], dict[Site, Tensor]]]:
    if not batch:
        return
    tokens = [positions.token_of_row[rows] for _, rows in batch]
    # Nothing behind a document's last position is read.
    ids = [positions.documents[n].token_ids[: last[-1] + 1] for (n, _), last in zip(batch, tokens, strict=True)]
    try:
        found = read(model, atlas, sites, ids, tokens)
    except MemoryError as error:
        if len(batch) == 1:
            raise ModelError(
                f"document `{positions.documents[batch[0][0]].id}`, {len(ids[0]):,} tokens, does not "
                f"fit into the memory of {model.device}: leave it out, or take a smaller dtype or model"
            ) from error
        found = None
    if found is None:
        done.halvings += 1
        if model.device.type == "cuda":
            torch.cuda.empty_cache()
        for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
            yield from _read_or_halve(model, atlas, sites, positions, half, done, announce)
        return
    read_tokens = len(ids) * max(map(len, ids))
    done.forward_passes += 1
    done.tokens += read_tokens
    done.padding += read_tokens - sum(map(len, ids))
    rows = np.concatenate([rows for _, rows in batch])
    announce("batch_read", documents=len(batch), tokens=read_tokens, positions=len(rows))
    yield rows, found
