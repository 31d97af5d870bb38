"""Fills the store with the positions that it lacks, for which alone the model is run; and reads them back."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from neurosieve.activations.store import Space, document_keys
from neurosieve.activations.writer import Shards
from neurosieve.contracts import Executor
from neurosieve.data import Batch, Site
from neurosieve.models.architectures import Atlas
from neurosieve.models.batches import Reader, TextBatch, packed
from neurosieve.models.loading import LanguageModel
from neurosieve.texts.positions import Positions

__all__ = ["Capture", "batches_at", "capture", "document_batches", "keys_of"]

_BATCH_BYTES = 128 * 2**20
_BATCH_POSITIONS = 1 << 15
"""Of narrow sites a batch would hold so many positions that what scorers make of a few neurons at a time is large."""
_CPU = torch.device("cpu")


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
    executor: Executor | None = None,
) -> Capture:
    """Read every position that `space` lacks, where `executor` has it done or in this process, and write it there.

    A batch is a function of `positions` alone, and is written in one shard: a run that was killed and goes on forms
    the same batches, so that it ends with the same numbers.

    Raises:
        ModelError: a single document does not fit into memory, or activations are not finite.
        ExecutorError: workers cannot be had.
    """
    done = Capture()
    keys, tokens = keys_of(positions)
    missing = ~space.has(keys, tokens)
    total = int(missing.sum())
    if not total:
        return done
    under_way: deque[npt.NDArray[np.int64]] = deque()

    def batches() -> Iterator[TextBatch]:
        bounds = np.searchsorted(positions.document_of_row, np.arange(len(positions.documents) + 1))
        for batch in document_batches(positions, bounds, tokens_per_batch):
            wanted = [(n, np.flatnonzero(missing[bounds[n] : bounds[n + 1]]) + bounds[n]) for n in batch]
            held = [(positions.documents[n], rows) for n, rows in wanted if len(rows)]
            if held:
                under_way.append(np.concatenate([rows for _, rows in held]))
                yield TextBatch(
                    [document.id for document, _ in held],
                    # Nothing behind a document's last position is read.
                    [document.token_ids[: positions.token_of_row[rows[-1]] + 1] for document, rows in held],
                    [positions.token_of_row[rows] for _, rows in held],
                )

    reader = Reader(model, atlas, space.sites)
    with Shards(space, keys, tokens) as shards:
        for batch in reader()(batches()) if executor is None else executor.map(reader, batches()):
            rows = under_way.popleft()
            shards.add(rows, batch.found)
            done.forward_passes += batch.passes
            done.tokens += batch.tokens
            done.padding += batch.padding
            done.halvings += batch.halvings
            done.positions += len(rows)
            announce("batch_read", documents=batch.documents, tokens=batch.tokens, positions=len(rows))
            announce("stage_progressed", stage="reading", done=done.positions, total=total, unit="positions")
    return done


def batches_at(
    space: Space,
    positions: Positions,
    site: Site,
    device: torch.device = _CPU,
    rows: npt.NDArray[np.int64] | None = None,
    neurons: Sequence[int] | None = None,
) -> Iterator[Batch]:
    """Yield positions at one site, in batches of bounded size, in the order of `positions`.

    The activations are on `device`, and so are the states of the statistics that they are added to.

    Args:
        space: holds the activations.
        positions: where they were read.
        site: which to yield.
        device: where to.
        rows: the rows of `positions` to yield, in order; all by default.
        neurons: the neurons to yield, in this order; all by default.
    """
    keys, tokens = keys_of(positions)
    rows = np.arange(len(tokens)) if rows is None else rows
    width = space.neurons if neurons is None else max(1, len(neurons))
    at_once = max(1, min(_BATCH_POSITIONS, _BATCH_BYTES // (4 * width)))
    for start in range(0, max(1, len(rows)), at_once):
        part = rows[start : start + at_once]
        documents = positions.document_of_row[part]
        yield Batch(
            site,
            space.read(site, keys[part], tokens[part], neurons).to(device),
            torch.from_numpy(positions.labels[part]),
            torch.from_numpy(documents),
            torch.from_numpy(positions.groups[documents]),
            torch.from_numpy(positions.token_ids[part]),
        )


def document_batches(positions: Positions, bounds: npt.NDArray[np.int64], budget: int) -> Iterator[list[int]]:
    """Yield the documents that are read together, as far as their last positions."""
    return packed(positions.token_of_row[bounds[1:] - 1] + 1, budget)
