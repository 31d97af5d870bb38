"""Gathers captured activations into shards for the store, and hands each over while the next is read."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neurosieve.activations.store import Space
from neurosieve.data import Site

__all__ = ["ShardWriter"]

_SHARD_BYTES = 16 * 2**20
_SHARD_SECONDS = 60
"""A shard is written when it is so large or so old: a run that is killed loses no more."""


class ShardWriter:
    """Gathers batches, and writes each shard of them while the next is read.

    What was read before an error or Ctrl-C is kept, in whole batches: the next run goes on from here.
    """

    def __init__(self, space: Space, keys: npt.NDArray[np.uint8], tokens: npt.NDArray[np.int32]) -> None:
        self._space, self._keys, self._tokens = space, keys, tokens
        self._thread = ThreadPoolExecutor(1, "neurosieve-shards")
        self._writing: Future[None] | None = None
        self._begin_shard()

    def _begin_shard(self) -> None:
        self._batches: list[tuple[npt.NDArray[np.int64], Mapping[Site, Tensor]]] = []
        self._size, self._since = 0, time.monotonic()

    def add(self, rows: npt.NDArray[np.int64], activations: Mapping[Site, Tensor]) -> None:
        """Add a batch; if it fills a shard, wait until the one before is written, and start to write this one."""
        self._batches.append((rows, activations))
        self._size += sum(tensor.nbytes for tensor in activations.values())
        if self._size >= _SHARD_BYTES or time.monotonic() - self._since > _SHARD_SECONDS:
            batches = self._batches
            self._begin_shard()  # A shard that cannot be written is not tried again.
            self._wait()
            self._writing = self._thread.submit(self._write, batches)

    def _write(self, batches: list[tuple[npt.NDArray[np.int64], Mapping[Site, Tensor]]]) -> None:
        rows = np.concatenate([rows for rows, _ in batches])
        activations = {site: torch.cat([batch[site] for _, batch in batches]) for site in self._space.sites}
        self._space.write(self._keys[rows], self._tokens[rows], activations)

    def _wait(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._wait()
            if self._batches:
                self._write(self._batches)
        finally:
            self._thread.shutdown()
