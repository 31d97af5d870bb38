"""What a pass over texts has summed up so far: states and counts that add up, and that a pass can go on from."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from neurosieve.contracts import Statistic
from neurosieve.disk import atomic_write
from neurosieve.errors import StoreError

__all__ = ["Tally"]


@dataclass
class Tally:
    """What some documents come to."""

    documents: int = 0
    """How many documents of the source it holds, those included that were left out."""
    digest: str = ""
    """Stands for them."""
    ended: bool = False
    """Whether these are all."""
    counts: Counter[str] = field(default_factory=Counter)
    states: dict[tuple[int, int], Any] = field(default_factory=dict)
    """The state of each layer and statistic, by their numbers."""

    def merged(self, other: "Tally", statistics: Sequence[Statistic[Any]]) -> "Tally":
        """Return what both hold together, which share no document. May consume both."""
        states = dict(self.states)
        for (layer, number), state in other.states.items():
            mine = states.get((layer, number))
            states[layer, number] = state if mine is None else statistics[number].merge(mine, state)
        return Tally(
            self.documents + other.documents, "", self.ended and other.ended, self.counts + other.counts, states
        )

    def save(self, path: Path) -> None:
        """Write it to a file, whole or not at all.

        Raises:
            StoreError: the disk is full or cannot be written.
        """
        tensors = {
            f"{layer}.{number}.{name}": tensor.cpu().contiguous()
            for (layer, number), state in self.states.items()
            for name, tensor in state._asdict().items()
        }
        about = {"documents": self.documents, "digest": self.digest, "ended": self.ended, "counts": dict(self.counts)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, lambda part: save_file(tensors, part, metadata={"tally": json.dumps(about)}))
        except (OSError, SafetensorError) as error:
            size = sum(tensor.nbytes for tensor in tensors.values()) / 2**20
            raise StoreError(
                f"cannot keep the {size:.0f} MiB that the pass has come to in `{path}` ({error}): make room, or set "
                "`NEUROSIEVE_CACHE` to another place"
            ) from error

    @classmethod
    def load(cls, path: Path, statistics: Sequence[Statistic[Any]]) -> "Tally | None":
        """Return what a file holds, or None where there is none, or one that is not whole."""
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {})["tally"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (FileNotFoundError, SafetensorError, KeyError):
            return None
        found: dict[tuple[int, int], dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            layer, number, part = name.split(".", 2)
            found.setdefault((int(layer), int(number)), {})[part] = tensor
        states = {
            (layer, number): type(statistics[number].empty(1, 1))(**parts) for (layer, number), parts in found.items()
        }
        return cls(about["documents"], about["digest"], about["ended"], Counter(about["counts"]), states)
