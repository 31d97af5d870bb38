"""Captures the positions that the store lacks, for which alone the model is run; and reads them back."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from neurosieve.activations.row_tokens import row_tokens, tokens_read
from neurosieve.activations.sharding import ShardWriter
from neurosieve.activations.store import Space, document_keys, unit_key
from neurosieve.contracts import Executor
from neurosieve.data import Batch, Site
from neurosieve.errors import ConfigError
from neurosieve.models.batches import Reader, TextBatch, pack_by_length
from neurosieve.models.pooling import Units
from neurosieve.texts.positions import Positions

__all__ = ["Capture", "batch_of", "batches_at", "capture", "document_batches", "keys_of"]

_BATCH_BYTES = 128 * 2**20
_BATCH_POSITIONS = 1 << 15
"""A limit for narrow sites: scorers work on a few neurons at a time, over all positions of a batch."""
_CPU = torch.device("cpu")


@dataclass
class Capture:
    """What a capture cost."""

    forward_passes: int = 0
    backward_passes: int = 0
    """Each for one position of every text of a batch; 0 where no gradient is read."""
    tokens: int = 0
    """Tokens that went through the model in forward passes, padding included."""
    padding: int = 0
    positions: int = 0
    """Positions that were read; the others were in the store already."""
    halvings: int = 0
    """How often a batch did not fit into memory and was read in halves."""

    def __add__(self, other: "Capture") -> "Capture":
        return Capture(*(sum(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True)))


def keys_of(positions: Positions) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Return the address in a space of every row of `positions`: a key, and a token.

    A row of which one token is read is that position: its document's key, and that token. One of several tokens has a
    key of its own, and the first of them. Their mean and their largest are two rows, each read where it is asked for:
    to write both at once would double the store of every run, for a sweep over pools that few make.
    """
    of_rows = row_tokens(positions)
    keys = document_keys([document.token_ids for document in positions.documents])[positions.document_of_row]
    if of_rows.pool is not None:
        for row in np.flatnonzero(of_rows.sizes > 1):
            tokens = of_rows.tokens[of_rows.starts[row] :][: of_rows.sizes[row]]
            keys[row] = np.frombuffer(unit_key(keys[row], tokens, of_rows.pool), dtype=np.uint8)
    return keys, of_rows.tokens[of_rows.starts].astype(np.int32)


def capture(
    reader: Reader,
    space: Space,
    positions: Positions,
    tokens_per_batch: int,
    announce: Callable[..., None],
    executor: Executor | None = None,
) -> Capture:
    """Read every position that `space` lacks, by `executor` or in this process, and write it there.

    A batch is a function of `positions` alone, and is written in one shard: a run that was killed and goes on forms
    the same batches, and ends with the same numbers.

    Raises:
        ModelError: a single document does not fit into memory, or activations are not finite.
        ConfigError: the reading cannot read units of several tokens.
        ExecutorError: workers cannot be had.
    """
    cost = Capture()
    of_rows = row_tokens(positions)
    if of_rows.pool is not None and not reader.reading.pools:
        raise ConfigError(
            f"`reading={type(reader.reading).__name__.lower()}` reads single tokens, and each row is a unit of several "
            f"(`selection.unit={positions.unit}`): take `selection.unit=token`, or `reading=activation`"
        )
    keys, tokens = keys_of(positions)
    missing = ~space.has(keys, tokens)
    total = int(missing.sum())
    if not total:
        return cost
    tokens_after = reader.reading.tokens_after()
    pending: deque[npt.NDArray[np.int64]] = deque()

    def batches() -> Iterator[TextBatch]:
        bounds = np.searchsorted(positions.document_of_row, np.arange(len(positions.documents) + 1))
        for batch in document_batches(positions, tokens_per_batch):
            rows_of = {n: np.flatnonzero(missing[bounds[n] : bounds[n + 1]]) + bounds[n] for n in batch}
            texts = [(positions.documents[n], rows) for n, rows in rows_of.items() if len(rows)]
            if texts:
                pending.append(np.concatenate([rows for _, rows in texts]))
                read = [of_rows.of(rows) for _, rows in texts]
                yield TextBatch(
                    [document.id for document, _ in texts],
                    # Nothing is read behind what a document's last position needs.
                    [
                        document.token_ids[: of_document.max() + 1 + tokens_after]
                        for (document, _), (of_document, _) in zip(texts, read, strict=True)
                    ],
                    [of_document for of_document, _ in read],
                    of_rows.pool and Units([sizes for _, sizes in read], of_rows.pool),
                )

    with ShardWriter(space, keys, tokens) as shards:
        for batch in reader()(batches()) if executor is None else executor.map(reader, batches()):
            rows = pending.popleft()
            shards.add(rows, batch.cells)
            cost += Capture(**batch.counts, positions=len(rows))
            announce("batch_read", documents=batch.documents, tokens=batch.counts["tokens"], positions=len(rows))
            announce("stage_progressed", stage="reading", done=cost.positions, total=total, unit="positions")
    return cost


def batches_at(
    space: Space, positions: Positions, site: Site, device: torch.device = _CPU, neurons: Sequence[int] | None = None
) -> Iterator[Batch]:
    """Yield all positions at one site, in batches of bounded size: of some neurons, in their order, or of all.

    The activations are on `device`, and so are the states of the statistics that they are added to.
    """
    keys, tokens = keys_of(positions)
    rows = np.arange(len(tokens))
    width = space.neurons if neurons is None else max(1, len(neurons))
    at_once = max(1, min(_BATCH_POSITIONS, _BATCH_BYTES // (4 * width)))
    for start in range(0, max(1, len(rows)), at_once):
        part = rows[start : start + at_once]
        yield batch_of(site, space.read(site, keys[part], tokens[part], neurons).to(device), positions, part)


def batch_of(
    site: Site,
    activations: torch.Tensor,
    positions: Positions,
    rows: npt.NDArray[np.int64],
    columns: slice | list[int] = slice(None),
) -> Batch:
    """Return activations at some rows of `positions`, with some columns of their labels."""
    documents = positions.document_of_row[rows]
    of_rows = (positions.labels[rows][:, columns], documents, positions.groups[documents], positions.token_ids[rows])
    return Batch(site, activations, *map(torch.from_numpy, of_rows))


def document_batches(positions: Positions, budget: int) -> Iterator[list[int]]:
    """Yield the documents that are read together, as far as the last token that is needed of each."""
    return pack_by_length(tokens_read(positions), budget)
