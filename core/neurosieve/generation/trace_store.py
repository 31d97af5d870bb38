"""Finished completions on disk, addressed by what made them.

A space holds what one model gives in one dtype under one way of sampling and one edit; in it, a completion is addressed
by its prompt's token ids and its seed. Each process writes a journal of its own, a line for each completion, at once:
a process that is killed loses what was in flight, and no two tear each other's lines.
"""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash

from neurosieve.disk import atomic_write, cache_folder, content_address
from neurosieve.errors import StoreError

__all__ = ["ABOUT", "StoredCompletion", "TraceSpace", "TraceStore", "trace_key"]

FORMAT = 1
"""Spaces of another format are other spaces."""
ABOUT = "traces.json"
"""The file of a space that says what made its completions."""


class StoredCompletion(NamedTuple):
    """What a journal holds of a completion."""

    text: str
    token_ids: tuple[int, ...]
    ended: bool


class TraceStore:
    """A folder of spaces."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "traces"
        self.found = 0
        """Completions that were requested and were stored already."""
        self.found_tokens = 0
        """Their tokens."""
        self.torn = 0
        """Lines of journals that cannot be read, such as one that a killed process left half written."""

    def space(self, made_with: Mapping[str, Any], name: str = "") -> "TraceSpace":
        """Return the space of what `made_with` decides; `name` is the model's, for people.

        Raises:
            StoreError: the folder cannot be written or read.
        """
        what = {"format": FORMAT, **made_with}
        return TraceSpace(self, self.folder / content_address(what), {"model": name, **what})


class TraceSpace:
    """The stored completions of one model under one way of sampling and one edit."""

    def __init__(self, store: TraceStore, folder: Path, about: Mapping[str, Any]) -> None:
        self.store = store
        self.folder = folder
        self._journal: int | None = None
        self._stored: dict[str, StoredCompletion] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / ABOUT).exists():
                text = json.dumps(about, indent=1) + "\n"
                atomic_write(folder / ABOUT, lambda path: path.write_text(text, encoding="utf-8"))
            for path in sorted(folder.glob("*.jsonl")):
                self._read(path)
        except OSError as error:
            raise StoreError(
                f"cannot write or read the kept traces in `{folder}` ({error.strerror}): make the folder writable, "
                "or choose another place with `store=<folder>`"
            ) from error

    def _read(self, path: Path) -> None:
        for line in path.read_bytes().split(b"\n"):
            if not line:
                continue
            try:
                record = json.loads(line)
                completion = StoredCompletion(record["text"], tuple(record["token_ids"]), record["ended"])
                # The first of several, by the journals' names: the same one in each process.
                self._stored.setdefault(record["key"], completion)
            except (ValueError, KeyError, TypeError):
                self.store.torn += 1

    def find(self, key: str) -> StoredCompletion | None:
        """Return the completion with a key, if it is stored."""
        completion = self._stored.get(key)
        if completion is not None:
            self.store.found += 1
            self.store.found_tokens += len(completion.token_ids)
        return completion

    def add(self, key: str, completion: StoredCompletion) -> None:
        """Store a completion: it is on disk when this returns.

        Raises:
            StoreError: the disk is full or cannot be written.
        """
        line = json.dumps({"key": key, **completion._asdict()}, ensure_ascii=False) + "\n"
        try:
            if self._journal is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
                self._journal = os.open(self.folder / f"{uuid.uuid4().hex}.jsonl", flags, 0o644)
            data = line.encode()
            while data:
                data = data[os.write(self._journal, data) :]
            os.fsync(self._journal)
        except OSError as error:
            raise StoreError(
                f"cannot keep a trace in `{self.folder}` ({error.strerror}): make room, or choose another place with "
                "`store=<folder>`, and run the same command again, it goes on from here"
            ) from error
        self._stored.setdefault(key, completion)

    def close(self) -> None:
        """End the journal."""
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None


def trace_key(token_ids: Sequence[int], seed: int) -> str:
    """Return the address of a completion in its space: a hash of its prompt's token ids, and of its seed."""
    data = np.asarray([seed, *token_ids], dtype="<u8").tobytes()
    return xxhash.xxh3_128_hexdigest(data)
