"""Batches of texts through the model, in one process: what an executor sends to its workers."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neurosieve.data import Site
from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas
from neurosieve.models.hooks import begin
from neurosieve.models.loading import LanguageModel

__all__ = ["Reader", "TextBatch", "batch_budget", "packed"]


class TextBatch(NamedTuple):
    """Documents that are read together: the ids, up to the last token to read, and which tokens to read."""

    documents: list[str]
    token_ids: list[npt.NDArray[np.integer[Any]]]
    tokens: list[npt.NDArray[np.int64]]

    def halves(self) -> tuple["TextBatch", "TextBatch"]:
        """Return the first documents, and the others."""
        middle = len(self.documents) // 2
        return (
            TextBatch(self.documents[:middle], self.token_ids[:middle], self.tokens[:middle]),
            TextBatch(self.documents[middle:], self.token_ids[middle:], self.tokens[middle:]),
        )


class _Found(NamedTuple):
    """What came of a batch."""

    found: dict[Site, Tensor]
    documents: int
    passes: int
    tokens: int
    padding: int
    halvings: int


@dataclass(frozen=True)
class Reader:
    """Reads batches in one process, with a model of its own where that is another."""

    model: LanguageModel
    atlas: Atlas
    sites: tuple[Site, ...]

    def __call__(self) -> Callable[[Iterable[TextBatch]], Iterator[_Found]]:
        """Return what reads, in this process."""
        return self.read

    def read(self, batches: Iterable[TextBatch]) -> Iterator[_Found]:
        """Yield what comes of each batch; while a GPU computes one, the one before is on its way to the CPU."""
        ahead = 1 if self.model.device.type == "cuda" else 0
        begun: deque[Callable[[], _Found]] = deque()
        for batch in batches:
            begun.append(self._begun(batch))
            if len(begun) > ahead:
                yield begun.popleft()()
        while begun:
            yield begun.popleft()()

    def _begun(self, batch: TextBatch) -> Callable[[], _Found]:
        pieces: list[Callable[[], dict[Site, Tensor]]] = []
        passes, tokens, halvings, asked = 0, 0, 0, [batch]
        while asked:
            some = asked.pop(0)
            try:
                pieces.append(begin(self.model, self.atlas, self.sites, some.token_ids, some.tokens))
            except MemoryError as error:
                if len(some.documents) == 1:
                    raise ModelError(
                        f"document `{some.documents[0]}`, {len(some.token_ids[0]):,} tokens, does not "
                        f"fit into the memory of {self.model.device}: leave it out, or take a smaller dtype or model"
                    ) from error
                asked = [*some.halves(), *asked]
                halvings += 1
            else:
                passes += 1
                tokens += len(some.documents) * max(map(len, some.token_ids))
                continue
            # Outside of the handler, whose traceback holds what the forward pass had made.
            if self.model.device.type == "cuda":
                torch.cuda.empty_cache()
        padding = tokens - sum(map(len, batch.token_ids))

        def found() -> _Found:
            parts = [piece() for piece in pieces]
            together = (
                parts[0]
                if len(parts) == 1
                else {site: torch.cat([part[site] for part in parts]) for site in self.sites}
            )
            return _Found(together, len(batch.documents), passes, tokens, padding, halvings)

        return found


def packed(lengths: npt.NDArray[np.int64], budget: int) -> Iterator[list[int]]:
    """Yield documents of like length together, longest first, so many that they and their padding fit the budget."""
    batch: list[int] = []
    for number in np.argsort(-lengths, kind="stable"):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(int(number))
    if batch:
        yield batch


def batch_budget(tokens_per_batch: int | None, held: LanguageModel) -> int:
    """Return how many tokens go through the model at a time: those that were asked for, or the device's default."""
    return tokens_per_batch or (4096 if held.device.type == "cpu" else 32768)
