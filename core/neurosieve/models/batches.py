"""Batches of texts through the model, in one process: what an executor sends to its workers."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import xxhash
from torch import Tensor

from neurosieve.contracts import Reading
from neurosieve.data import Site
from neurosieve.models.activation import Activation
from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import in_halves
from neurosieve.models.pooling import Units
from neurosieve.models.readable import ReadableTexts
from neurosieve.registry import describe

__all__ = ["Reader", "TextBatch", "batch_budget", "pack_by_length"]


class TextBatch(NamedTuple):
    """Documents that are read together: the ids, up to the last token to read, and which tokens to read."""

    documents: list[str]
    token_ids: list[npt.NDArray[np.integer[Any]]]
    tokens: list[npt.NDArray[np.int64]]
    units: Units | None = None
    """Which of the tokens make a row, where each is not a row of its own."""

    def part(self, numbers: Sequence[int]) -> "TextBatch":
        """Return some of the documents."""
        return TextBatch(
            [self.documents[number] for number in numbers],
            [self.token_ids[number] for number in numbers],
            [self.tokens[number] for number in numbers],
            self.units and self.units._replace(sizes=[self.units.sizes[number] for number in numbers]),
        )


class _BatchResult(NamedTuple):
    cells: Mapping[Site, Tensor]
    documents: int
    counts: Counter[str]
    """What reading it took, as `ReadableTexts` counts it, and how often it was halved."""


@dataclass(frozen=True)
class Reader:
    """Reads batches in one process, with a model of its own where that is another process."""

    model: LanguageModel
    atlas: Atlas
    sites: tuple[Site, ...]
    reading: Reading = Activation()  # noqa: RUF009
    control_means: Mapping[Site, Tensor] = field(default_factory=dict)

    def address_part(self) -> dict[str, Any]:
        """Return what distinguishes its cells from others of the same model and sites; nothing for activations."""
        if type(self.reading) is Activation:
            return {}
        # How much is read is no part of what is read.
        fields = {
            name: value for name, value in describe(self.reading).items() if name not in ("documents", "controls")
        }
        digest = xxhash.xxh3_128()
        for site in sorted(self.control_means):
            digest.update(self.control_means[site].float().numpy().tobytes())
        return {"reading": fields | {"control_means": digest.hexdigest()}}

    def __call__(self) -> Callable[[Iterable[TextBatch]], Iterator[_BatchResult]]:
        """Return what reads, in this process."""
        return self.read

    def read(self, batches: Iterable[TextBatch]) -> Iterator[_BatchResult]:
        """Yield the result of each batch; while a GPU computes one, the one before is on its way to the CPU."""
        ahead = 1 if self.model.device.type == "cuda" else 0
        running: deque[Callable[[], _BatchResult]] = deque()
        for batch in batches:
            running.append(self._start(batch))
            if len(running) > ahead:
                yield running.popleft()()
        while running:
            yield running.popleft()()

    def _start(self, batch: TextBatch) -> Callable[[], _BatchResult]:
        def start(numbers: Sequence[int]) -> tuple[Callable[[], Mapping[Site, Tensor]], ReadableTexts]:
            _, ids, tokens, units = batch.part(numbers)
            texts = ReadableTexts(self.model, self.atlas, self.sites, ids, tokens, self.control_means, units=units)
            return self.reading.start(texts), texts

        def too_large(number: int) -> str:
            return (
                f"document `{batch.documents[number]}`, {len(batch.token_ids[number]):,} tokens, does not fit into "
                f"the memory of {self.model.device}: leave it out, or take a smaller dtype or model"
            )

        halves = in_halves([range(len(batch.documents))], start, self.model.device, too_large)
        pieces = [started for _, started in halves]

        def finish() -> _BatchResult:
            parts = [wait() for wait, _ in pieces]
            whole = parts[0]
            if len(parts) > 1:
                whole = {site: torch.cat([part[site] for part in parts]) for site in self.sites}
            counts = Counter(halvings=len(pieces) - 1)  # Each halving makes one piece more.
            for _, texts in pieces:
                counts += texts.counts
            return _BatchResult(whole, len(batch.documents), counts)

        return finish


def pack_by_length(lengths: npt.NDArray[np.int64], budget: int) -> Iterator[list[int]]:
    """Yield documents of like length together, longest first, so many that they and their padding fit the budget."""
    batch: list[int] = []
    for number in np.argsort(-lengths, kind="stable"):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(int(number))
    if batch:
        yield batch


def batch_budget(tokens_per_batch: int | None, lm: LanguageModel) -> int:
    """Return how many tokens go through the model at a time: the given number, or the device's default."""
    return tokens_per_batch or (4096 if lm.device.type == "cpu" else 32768)
