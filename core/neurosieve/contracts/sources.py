"""What a source of documents promises."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from neurosieve.data import Document, Skipped

__all__ = ["Source"]


class Source(ABC):
    """Where documents come from."""

    @abstractmethod
    def __iter__(self) -> Iterator[Document | Skipped]:
        """Yield the documents, the same ones in the same order each time, and what was skipped in its place."""

    def shard(self, rank: int, world_size: int) -> "Source":
        """Return the `rank`-th of `world_size` parts: together they hold every document once."""
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is {rank}: it must be at least 0 and below world_size, {world_size}")
        return _Shard(self, rank, world_size)


@dataclass(frozen=True)
class _Shard(Source):
    """Every `world_size`-th document of a source."""

    source: Source
    rank: int
    world_size: int

    def __iter__(self) -> Iterator[Document | Skipped]:
        return islice(iter(self.source), self.rank, None, self.world_size)
