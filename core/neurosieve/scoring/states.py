"""The states of statistics, site by site: what batches, shards and interrupted passes add up to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from neurosieve.contracts import Scorer, Statistic
from neurosieve.data import Batch, Scores, Site
from neurosieve.disk import atomic_write

__all__ = ["States", "statistics_of"]


def statistics_of(scorers: Iterable[Scorer[Any]]) -> tuple[Statistic[Any], ...]:
    """Return each distinct statistic once, however many scorers need it."""
    return tuple({scorer.statistic: None for scorer in scorers})


@dataclass
class States:
    """The state of each statistic at each site; without any, the summary of nothing."""

    statistics: tuple[Statistic[Any], ...]
    at: dict[tuple[Site, int], Any] = field(default_factory=dict)
    """By site and the number of the statistic."""

    def update(self, batch: Batch) -> None:
        """Add a batch."""
        for number, statistic in enumerate(self.statistics):
            if (state := self.at.get((batch.site, number))) is None:
                state = statistic.empty(batch.labels.shape[1], batch.activations.shape[1])
            self.at[batch.site, number] = statistic.update(state, batch)

    def merge(self, other: "States") -> "States":
        """Return the states of what both summarise, which share no position. May consume both."""
        merged = dict(self.at)
        for (site, number), state in other.at.items():
            known = merged.get((site, number))
            merged[site, number] = state if known is None else self.statistics[number].merge(known, state)
        return States(self.statistics, merged)

    def compute(self, site: Site, scorers: Mapping[str, Scorer[Any]]) -> dict[str, Scores]:
        """Return the scores of each scorer at one site."""
        number = self.statistics.index
        return {name: scorer.compute(self.at[site, number(scorer.statistic)]) for name, scorer in scorers.items()}

    @property
    def nbytes(self) -> int:
        """The memory of all states, in bytes."""
        return sum(tensor.nbytes for state in self.at.values() for tensor in state)

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the states to a safetensors file, whole or not at all.

        Raises:
            OSError: the disk is full or cannot be written; or SafetensorError.
        """
        tensors: dict[str, Tensor] = {
            f"{site.kind}.{site.layer}.{number}.{name}": tensor.cpu().contiguous()
            for (site, number), state in self.at.items()
            for name, tensor in state._asdict().items()
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, lambda part: save_file(tensors, part, metadata=dict(metadata)))

    @classmethod
    def load(cls, path: Path, statistics: tuple[Statistic[Any], ...]) -> "tuple[States, dict[str, str]] | None":
        """Return the states in a file and its metadata; None where there is no file, or an incomplete one."""
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (FileNotFoundError, SafetensorError):
            return None
        fields: dict[tuple[Site, int], dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            kind, layer, number, name = key.split(".", 3)
            fields.setdefault((Site(int(layer), kind), int(number)), {})[name] = tensor
        states = {key: type(statistics[key[1]].empty(1, 1))(**parts) for key, parts in fields.items()}
        return cls(statistics, states), metadata
