"""One pass over every token of a source, of which no activation is kept: what an executor sends to its workers."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import xxhash
from jaxtyping import Float
from torch import Tensor

from neurosieve.contracts import Control, Detector, Source, Statistic
from neurosieve.data import Batch, Document, Present, Site
from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas
from neurosieve.models.batches import pack_by_length
from neurosieve.models.hooks import check_finite, stream_sites
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.checkpoint import Tally
from neurosieve.registry import installed
from neurosieve.texts.labelling import LabelledDocument, label_document
from neurosieve.texts.positions import PARTS
from neurosieve.texts.resumable import ResumableSource
from neurosieve.texts.selection import Selection, read_at, split_by_hash

__all__ = ["Pass"]

_BATCHES_AT_ONCE = 16
"""Documents for so many batches are gathered, and read in the order of their length: little is padding then."""
_SECONDS = 60.0
_SHARE = 0.05
"""What a pass has come to is kept after so many seconds, and so seldom that keeping it takes less than this share."""
_NOWHERE = np.empty(0, dtype=np.int64)


class _Labelled(NamedTuple):
    document: LabelledDocument
    labels: npt.NDArray[np.int8]
    """`[tokens, columns]`, as those of positions: all behaviours of the ranking part, then all of the replication."""


@dataclass(frozen=True)
class Pass:
    """What reads shards of a source in one process, and sums up every token: present, control, or neither.

    Present is what `selection.at` reads of each span; controls are all tokens that `control` takes, which knows of no
    other document. A hash of its name decides which part a group is in.
    """

    model: LanguageModel
    atlas: Atlas
    sites: tuple[Site, ...]
    source: Iterable[Document]
    detectors: Mapping[str, Detector]
    control: Control
    selection: Selection
    statistics: tuple[Statistic[Any], ...]
    seed: int
    tokens_per_batch: int
    shards: int
    folder: Path | None
    """Keeps what each shard has come to, for another run to go on from; None where none can."""

    def __call__(self) -> Callable[[Iterable[int]], Iterator[Tally]]:
        """Return what reads, in this process."""
        return self.tallies

    def tallies(self, ranks: Iterable[int]) -> Iterator[Tally]:
        """Yield what each of some shards comes to."""
        return map(self._tally, ranks)

    def _tally(self, rank: int) -> Tally:
        file = self.folder and self.folder / f"{rank}-of-{self.shards}.safetensors"
        documents, tally = self._resumed(rank, file)
        if tally.ended:
            return tally
        kept, took, announce = time.monotonic(), 0.0, installed().announce
        for gathered in self._gathered(documents, tally):
            for batch in pack_by_length(np.array([len(one.labels) for one in gathered]), self.tokens_per_batch):
                self._add(tally, [gathered[number] for number in batch])
            tally.documents, tally.digest = documents.number, documents.digest
            announce("stage_progressed", stage="reading", done=tally.counts["tokens_read"], total=None, unit="tokens")
            if file and time.monotonic() - kept > max(_SECONDS, took / _SHARE):
                began = time.monotonic()
                tally.save(file)
                kept, took = time.monotonic(), time.monotonic() - began
        tally.documents, tally.digest, tally.ended = documents.number, documents.digest, True
        tally.counts["broken_off"] += documents.interruptions
        if file:
            tally.save(file)
        return tally

    def _resumed(self, rank: int, file: Path | None) -> tuple[ResumableSource, Tally]:
        """Return the documents that are still to come, and what those before have come to."""
        whole = self.source
        shard = whole.shard(rank, self.shards) if isinstance(whole, Source) and self.shards > 1 else whole
        tally = file and Tally.load(file, self.statistics)
        documents = ResumableSource(shard)
        if not tally:
            return documents, Tally()
        for _ in islice(documents, tally.documents):
            pass
        if (documents.number, documents.digest) != (tally.documents, tally.digest):
            return ResumableSource(shard), Tally(counts=type(tally.counts)(texts_changed=1))
        tally.counts["resumed_documents"] = tally.documents
        return documents, tally

    def _gathered(self, documents: ResumableSource, tally: Tally) -> Iterator[Sequence[_Labelled]]:
        gathered: list[_Labelled] = []
        tokens = 0
        for document in documents:
            found = label_document(document, self.detectors, self.model.tokenizer, self.atlas.context, tally.counts)
            if found is not None:
                gathered.append(self._labelled(found, tally))
                tokens += len(gathered[-1].labels)
            if tokens >= _BATCHES_AT_ONCE * self.tokens_per_batch:
                yield gathered
                gathered, tokens = [], 0
        if gathered:
            yield gathered

    def _labelled(self, document: LabelledDocument, tally: Tally) -> _Labelled:
        """Return a document with the labels of its tokens, as far as the last that is present or control."""
        behaviours, tokens, counts = list(self.detectors), document.tokens, tally.counts
        part = split_by_hash(tokens.group, self.seed, self.selection.held_out_fraction)
        labels = np.full((len(tokens.token_ids), len(PARTS) * len(behaviours)), -1, dtype=np.int8)
        for number, name in enumerate(behaviours):
            spans = document.ranges[name]
            present = sorted(read_at(document, name, self.selection, counts))
            told = Present(spans, [span.start for span in spans], _NOWHERE, _NOWHERE.astype(np.float64))
            draws = np.random.default_rng(0)  # All are asked for, so that nothing is left to chance.
            mine = labels[:, part * len(behaviours) + number]
            mine[np.array(self.control.choose(tokens, told, len(tokens.token_ids), draws), dtype=np.int64)] = 0
            for span in spans:
                mine[span.start : span.stop] = -1
            mine[present] = 1
            counts[f"documents_with {name}"] += bool(spans)
            counts[f"spans {name}"] += len(spans)
            for label, what in ((1, "present"), (0, "control")):
                counts[f"{PARTS[part]}_{what} {name}"] += int((mine == label).sum())
            counts[f"{PARTS[part]}_documents_with {name}"] += bool(present)
        used = np.flatnonzero((labels >= 0).any(axis=1))
        return _Labelled(document, labels[: used[-1] + 1 if len(used) else 0])

    def _add(self, tally: Tally, batch: Sequence[_Labelled]) -> None:
        """Read a batch, and add every token that is labelled to the states, layer by layer as the model reaches it."""
        batch = [one for one in batch if len(one.labels)]
        if not batch:
            return
        tokens = [np.flatnonzero((one.labels >= 0).any(axis=1)) for one in batch]
        ids = [one.document.tokens.token_ids[: len(one.labels)] for one in batch]
        labels = torch.from_numpy(np.concatenate([one.labels[t] for one, t in zip(batch, tokens, strict=True)]))
        counts = [len(t) for t in tokens]
        first = tally.counts["documents_read"]
        documents = torch.from_numpy(np.repeat(np.arange(first, first + len(batch)), counts))
        groups = torch.from_numpy(np.repeat([_number(one.document.tokens.group) for one in batch], counts))
        token_ids = torch.from_numpy(np.concatenate([i[t] for i, t in zip(ids, tokens, strict=True)]).astype(np.int64))

        def take(site: Site, activations: Float[Tensor, "positions neurons"]) -> None:
            check_finite(self.model, {site: activations})
            # What is made in inference mode cannot be added to outside of it.
            with torch.inference_mode(False), torch.no_grad():
                here = Batch(site, activations, labels, documents, groups, token_ids)
                for number, statistic in enumerate(self.statistics):
                    state = tally.states.get((site.layer, number))
                    if state is None:
                        state = statistic.empty(labels.shape[1], activations.shape[1])
                    tally.states[site.layer, number] = statistic.update(state, here)

        try:
            stream_sites(self.model, self.atlas, self.sites, ids, tokens, take)
        except MemoryError as error:  # Some layers may have been added: this pass cannot go on.
            raise ModelError(
                f"{len(ids)} documents of up to {max(map(len, ids)):,} tokens do not fit into the memory of "
                f"{self.model.device}: give a smaller `tokens_per_batch` than {self.tokens_per_batch:,}, or leave out "
                "long documents; the same command goes on from what was kept"
            ) from error
        longest = max(map(len, ids)) * len(ids)
        tally.counts["forward_passes"] += 1
        tally.counts["documents_read"] += len(batch)
        tally.counts["tokens_read"] += longest
        tally.counts["padding"] += longest - sum(map(len, ids))
        tally.counts["positions"] += len(labels)
        installed().announce("batch_read", documents=len(batch), tokens=longest, positions=len(labels))


def _number(group: str) -> int:
    """Return a number that stands for a group on every machine."""
    return xxhash.xxh3_64_intdigest(group.encode()) >> 1
