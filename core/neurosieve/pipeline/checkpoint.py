"""The sums of a pass over texts so far: they add up, and an interrupted pass resumes from them."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from neurosieve.contracts import Statistic
from neurosieve.errors import StoreError
from neurosieve.scoring.states import States

__all__ = ["Checkpoint", "documents_so_far"]


@dataclass
class Checkpoint:
    """The states and counts of some documents."""

    states: States
    documents: int = 0
    """How many items of the source it holds, including those that were left out or skipped."""
    digest: str = ""
    """A hash of these documents."""
    ended: bool = False
    """Whether these are all."""
    counts: Counter[str] = field(default_factory=Counter)

    def merge(self, other: "Checkpoint") -> "Checkpoint":
        """Return the sums of both, which share no document. May consume both."""
        states, documents = self.states.merge(other.states), self.documents + other.documents
        return Checkpoint(states, documents, "", self.ended and other.ended, self.counts + other.counts)

    def save(self, path: Path) -> None:
        """Write it to a file, whole or not at all.

        Raises:
            StoreError: the disk is full or cannot be written.
        """
        record = {"documents": self.documents, "digest": self.digest, "ended": self.ended, "counts": dict(self.counts)}
        try:
            self.states.save(path, {"checkpoint": json.dumps(record)})
        except (OSError, SafetensorError) as error:
            raise StoreError(
                f"cannot write the {self.states.nbytes / 2**20:.0f} MiB of this pass so far to `{path}` ({error}): "
                "make room, or set `NEUROSIEVE_CACHE` to another place"
            ) from error

    @classmethod
    def load(cls, path: Path, statistics: tuple[Statistic[Any], ...]) -> "Checkpoint | None":
        """Return the checkpoint in a file; None where there is no file, or an incomplete one."""
        loaded = States.load(path, statistics)
        if loaded is None or "checkpoint" not in loaded[1]:
            return None
        states, metadata = loaded
        record = json.loads(metadata["checkpoint"])
        return cls(states, record["documents"], record["digest"], record["ended"], Counter(record["counts"]))


def documents_so_far(folder: Path) -> int:
    """Return how many documents the checkpoints in a folder hold, by what they say; an incomplete file holds none."""
    documents = 0
    for path in folder.glob("*.safetensors"):
        try:
            with safe_open(path, framework="pt") as file:
                documents += json.loads((file.metadata() or {}).get("checkpoint", "{}")).get("documents", 0)
        except (FileNotFoundError, SafetensorError):
            continue
    return documents
