"""How what was read comes into the store: in shards, each written while the next is read."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neurosieve.activations.store import Space
from neurosieve.data import Site

__all__ = ["Shards"]

_SHARD_BYTES = 16 * 2**20
_SHARD_SECONDS = 60
"""A shard is written when it is so large or so old: a run that is killed loses no more."""


class Shards:
    """Gathers batches, and writes each shard of them while the next is read.

    What was read before an error or Ctrl-C is kept, in whole batches: the next run goes on from here.
    """

    def __init__(self, space: Space, keys: npt.NDArray[np.uint8], tokens: npt.NDArray[np.int32]) -> None:
        self._space, self._keys, self._tokens = space, keys, tokens
        self._writer = ThreadPoolExecutor(1, "neurosieve-shards")
        self._writing: Future[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._held: list[tuple[npt.NDArray[np.int64], dict[Site, Tensor]]] = []
        self._size, self._since = 0, time.monotonic()

    def add(self, rows: npt.NDArray[np.int64], found: dict[Site, Tensor]) -> None:
        """Add a batch; where it fills a shard, wait until the one before is written, and let this one be."""
        self._held.append((rows, found))
        self._size += sum(tensor.nbytes for tensor in found.values())
        if self._size >= _SHARD_BYTES or time.monotonic() - self._since > _SHARD_SECONDS:
            held = self._held
            self._begin()  # A shard that cannot be written is not tried again.
            self._written()
            self._writing = self._writer.submit(self._write, held)

    def _write(self, held: list[tuple[npt.NDArray[np.int64], dict[Site, Tensor]]]) -> None:
        rows = np.concatenate([rows for rows, _ in held])
        found = {site: torch.cat([found[site] for _, found in held]) for site in self._space.sites}
        self._space.write(self._keys[rows], self._tokens[rows], found)

    def _written(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def __enter__(self) -> "Shards":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._written()
            if self._held:
                self._write(self._held)
        finally:
            self._writer.shutdown()
