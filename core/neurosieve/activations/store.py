"""Captured activations on disk, addressed by what made them.

A space holds what one model gives at some sites of one kind in one dtype. In it, a position is addressed by its
document's token ids and its place among them; each is captured once, ever. Tokens that are pooled are addressed
as a document of their own: its key is a hash of the document's, of the tokens and of the pool. Shards are written under
a temporary name and then renamed, so that a run that is killed goes on from its last whole shard.
"""

import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import xxhash
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from neurosieve.data import Site
from neurosieve.disk import atomic_write, cache_folder, content_address, free_bytes
from neurosieve.errors import StoreError
from neurosieve.models.sites import address_part

__all__ = ["DamagedShardError", "Space", "document_keys", "unit_key"]

FORMAT = 1
"""Part of the address: a space of another format is another space."""


class DamagedShardError(Exception):
    """A shard is not what was written: what it held must be captured again."""


class _Shard(NamedTuple):
    path: Path
    addresses: npt.NDArray[np.int64]
    """The address of each of its rows."""


class Space:
    """What was captured of one model at some sites, all of one kind, in one dtype: activations, or another reading.

    `reading` is the part of the address that names another reading.
    """

    def __init__(
        self,
        fingerprint: str,
        sites: Sequence[Site],
        dtype: torch.dtype,
        folder: Path | None = None,
        name: str = "",
        reading: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.sites = tuple(sites)
        [self.kind] = {site.kind for site in sites}
        what = {"format": FORMAT, "weights": fingerprint, "layers": [site.layer for site in sites], "dtype": str(dtype)}
        what |= address_part(self.kind) | dict(reading)
        self.name, self.what = name, what
        """The model's name, for people, and all that distinguishes this space from others."""
        self.address = content_address(what)
        self.folder = (folder or cache_folder() / "captures") / self.address
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / "space.json").exists():
                about = json.dumps({"model": name, **what}, indent=1) + "\n"
                atomic_write(self.folder / "space.json", lambda path: path.write_text(about))
            for part in self.folder.glob(".*.part"):
                # Left by a run that was killed as it wrote; a young one may be of a run that writes just now.
                with suppress(FileNotFoundError):
                    if part.stat().st_mtime < time.time() - 3600:
                        part.unlink()
        except OSError as error:
            raise StoreError(
                f"cannot write the store `{self.folder}` ({error.strerror}): choose another place with `store=<folder>`"
            ) from error
        self.damaged = 0
        """Damaged shards that were removed."""
        self._verified: set[tuple[Path, str]] = set()
        """The tensors of shards whose checksum was compared."""
        self._shards: list[_Shard] = []
        self._documents: dict[bytes, int] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                documents, tokens = self._load(path, "documents", "tokens")
            except DamagedShardError:
                self._remove(path)
            else:
                self._shards.append(_Shard(path, self._address(documents.numpy(), tokens.numpy())))
        self._index()

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"the shard `{path}` is damaged and cannot be removed ({error.strerror}): remove it, "
                "or choose another place with `store=<folder>`"
            ) from error
        self._shards = [shard for shard in self._shards if shard.path != path]
        self._index()
        self.damaged += 1

    def _address(self, documents: npt.NDArray[np.uint8], tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        # The positions of a document mostly stand together: one look-up for each stretch of them.
        changes = np.flatnonzero((documents[1:] != documents[:-1]).any(axis=1)) + 1
        starts = np.concatenate([np.zeros(min(1, len(documents)), dtype=np.int64), changes])
        keys = (documents[start].tobytes() for start in starts)
        numbers = np.array([self._documents.setdefault(key, len(self._documents)) for key in keys], dtype=np.int64)
        lengths = np.diff(starts, append=len(documents))
        return (np.repeat(numbers, lengths) << 32) | tokens.astype(np.int64)

    def _index(self) -> None:
        addresses = np.concatenate([np.empty(0, dtype=np.int64), *(shard.addresses for shard in self._shards)])
        self._order = np.argsort(addresses, kind="stable")
        self._sorted = addresses[self._order]

    def _find(self, documents: npt.NDArray[np.uint8], tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Return where each position is among all captured rows, -1 where it was not captured."""
        wanted = self._address(documents, tokens)
        if not len(self._sorted):
            return np.full(len(wanted), -1)
        place = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        return np.where(self._sorted[place] == wanted, self._order[place], -1)

    def has(self, documents: npt.NDArray[np.uint8], tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return which positions were captured; `documents` are rows of `document_keys`."""
        return np.asarray(self._find(documents, tokens) >= 0)

    def write(
        self, documents: npt.NDArray[np.uint8], tokens: npt.NDArray[np.int32], activations: Mapping[Site, Tensor]
    ) -> None:
        """Add a shard.

        Raises:
            StoreError: the disk is full or cannot be written; nothing of the shard is left behind.
        """
        tensors = {f"layer.{site.layer}": activations[site].contiguous() for site in self.sites}
        tensors |= {"documents": torch.from_numpy(documents), "tokens": torch.from_numpy(tokens)}
        checks = {name: _checksum(tensor) for name, tensor in tensors.items()}
        shard = self.folder / f"{uuid.uuid4().hex}.safetensors"

        def write(path: Path) -> None:
            save_file(tensors, path, metadata=checks)
            with path.open("rb") as stream:
                os.fsync(stream.fileno())

        try:
            atomic_write(shard, write)
        except (OSError, SafetensorError) as error:
            needed = sum(tensor.nbytes for tensor in tensors.values()) / 2**20
            raise StoreError(
                f"cannot write a shard of {needed:.0f} MiB to `{self.folder}` ({error}; "
                f"{free_bytes(self.folder) / 2**20:.0f} MiB free): "
                "make room or make it writable (`neurosieve cache` shows what the store holds) and run the same "
                "command again, it goes on from here; or choose another place with `store=<folder>`"
            ) from error
        self._shards.append(_Shard(shard, self._address(documents, tokens)))
        self._index()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was captured yet."""
        return not self._shards

    @property
    def neurons(self) -> int:
        """How many neurons a site has, in what was captured."""
        path = self._shards[0].path
        try:
            with safe_open(path, framework="pt") as shard:
                return int(shard.get_slice(f"layer.{self.sites[0].layer}").get_shape()[1])
        except (SafetensorError, FileNotFoundError) as error:
            self._remove(path)
            raise DamagedShardError(path) from error

    def read(
        self,
        site: Site,
        documents: npt.NDArray[np.uint8],
        tokens: npt.NDArray[np.int32],
        neurons: Sequence[int] | None = None,
    ) -> Float[Tensor, "positions neurons"]:
        """Return the activations at captured positions of one site, in float32: of some neurons, or of all.

        Raises:
            DamagedShardError: a shard that holds some of them is damaged; it has been removed.
        """
        captured = self._find(documents, tokens)
        if (captured < 0).any():
            raise KeyError(f"{(captured < 0).sum()} positions were not captured")
        chosen = None if neurons is None else torch.tensor(list(neurons), dtype=torch.int64)
        out: Tensor | None = None
        first = 0
        for path, addresses in self._shards:
            of_shard = np.flatnonzero((captured >= first) & (captured < first + len(addresses)))
            if len(of_shard):
                try:
                    [values] = self._load(path, f"layer.{site.layer}")
                except DamagedShardError:
                    self._remove(path)
                    raise
                values = values if chosen is None else values.index_select(1, chosen)
                if out is None:
                    out = torch.empty(len(captured), values.shape[1], dtype=torch.float32)
                # This copies whole rows, several times as fast as an index in brackets where they are half floats.
                rows = values.index_select(0, torch.from_numpy(captured[of_shard] - first))
                out.index_copy_(0, torch.from_numpy(of_shard), rows.float())
            first += len(addresses)
        return out if out is not None else torch.empty(0, self.neurons if chosen is None else len(chosen))

    def _load(self, path: Path, *names: str) -> list[Tensor]:
        """Return some tensors of a shard, whose checksums are compared once: that takes longer than most work on them.

        Raises:
            DamagedShardError: they are not what was written.
        """
        try:
            with safe_open(path, framework="pt") as shard:
                written = shard.metadata() or {}
                tensors = {name: shard.get_tensor(name) for name in names}
        except (SafetensorError, FileNotFoundError) as error:
            raise DamagedShardError(path) from error
        except OSError as error:
            raise StoreError(
                f"cannot read the shard `{path}` ({error.strerror or error}): make it readable, "
                "or choose another place with `store=<folder>`"
            ) from error
        for name in names:
            if (path, name) not in self._verified and written.get(name) != _checksum(tensors[name]):
                raise DamagedShardError(path)
            self._verified.add((path, name))
        return list(tensors.values())


def document_keys(token_ids: Sequence[npt.NDArray[np.integer[Any]]]) -> npt.NDArray[np.uint8]:
    """Return the address of each document, `[documents, 16]`: a hash of its token ids."""
    digests = [xxhash.xxh3_128_digest(np.ascontiguousarray(ids, dtype=np.int64).data) for ids in token_ids]
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16)


def unit_key(document: npt.NDArray[np.uint8], tokens: npt.NDArray[np.integer[Any]], pool: str) -> bytes:
    """Return the address of some tokens of a document that are pooled, in place of their document's."""
    # A document's own key is a hash of whole numbers of 8 bytes alone, which this can never be.
    return xxhash.xxh3_128_digest(document.tobytes() + pool.encode() + np.asarray(tokens, dtype=np.int64).tobytes())


def _checksum(tensor: Tensor) -> str:
    return xxhash.xxh3_64_hexdigest(tensor.contiguous().view(torch.uint8).numpy().data)
