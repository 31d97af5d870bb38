"""One pass over every token of a source that keeps no activation: what an executor sends to its workers."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import xxhash
from jaxtyping import Float
from torch import Tensor

from neurosieve.contracts import Control, Detector, Reading, Source, Statistic
from neurosieve.data import Batch, Document, Present, Site, Skipped
from neurosieve.errors import ModelError
from neurosieve.models.activation import Activation
from neurosieve.models.architectures import Atlas
from neurosieve.models.batches import pack_by_length
from neurosieve.models.loading import LanguageModel
from neurosieve.models.readable import STREAMS
from neurosieve.models.reading_hooks import check_finite
from neurosieve.pipeline.checkpoint import Checkpoint
from neurosieve.pipeline.long_texts import count_long_texts
from neurosieve.registry import installed
from neurosieve.scoring.states import States
from neurosieve.texts.intake import admit, check_majority
from neurosieve.texts.positions import PARTS
from neurosieve.texts.resumable import ResumableSource
from neurosieve.texts.sameness import canonical
from neurosieve.texts.settings import Selection
from neurosieve.texts.split import split_by_hash
from neurosieve.texts.tokens import LabelledDocument, label_document
from neurosieve.texts.units.single_tokens import read_at

__all__ = ["Pass"]

_BATCHES_AT_ONCE = 16
"""The documents of so many batches are gathered and sorted by length before they are read, to save padding."""
_SECONDS = 60.0
_SHARE = 0.05
"""A checkpoint is written after so many seconds, and so rarely that writing takes less than this share of the time."""
_NOWHERE = np.empty(0, dtype=np.int64)


class _LabelledTokens(NamedTuple):
    document: LabelledDocument
    labels: npt.NDArray[np.int8]
    """`[tokens, columns]`, columns as those of positions: all behaviours of the ranking part, then of the held-out
    part. It ends behind the last token that is present or control."""

    @property
    def ids(self) -> npt.NDArray[np.integer[Any]]:
        """The token ids, as far as the labels."""
        return self.document.tokens.token_ids[: len(self.labels)]

    @property
    def used(self) -> npt.NDArray[np.int64]:
        """The tokens that are present or control."""
        return np.flatnonzero((self.labels >= 0).any(axis=1))


@dataclass(frozen=True)
class Pass:
    """Reads shards of a source in one process, and adds up every token: present, control, or neither.

    Present is what `selection.at` reads of each span; controls are all tokens that `control` takes, which sees one
    document at a time. A hash of its name decides which part a group is in.
    """

    model: LanguageModel
    atlas: Atlas
    sites: tuple[Site, ...]
    source: Iterable[Document | Skipped]
    detectors: Mapping[str, Detector]
    control: Control
    selection: Selection
    statistics: tuple[Statistic[Any], ...]
    seed: int
    tokens_per_batch: int
    shards: int
    folder: Path | None
    """Holds the checkpoint of each shard, from which another run resumes; None where none can."""
    reading: Reading = Activation()  # noqa: RUF009
    """What is read, which `streams`."""

    def __call__(self) -> Callable[[Iterable[int]], Iterator[Checkpoint]]:
        """Return a function that yields the sums of each of some shards, in this process."""
        return partial(map, self._read_shard)

    def _read_shard(self, rank: int) -> Checkpoint:
        file = self.folder and self.folder / f"{rank}-of-{self.shards}.safetensors"
        documents, sums = self._resumed(rank, file)
        if sums.ended:
            return sums
        saved, saving, announce = time.monotonic(), 0.0, installed().announce
        for lot, gathered in enumerate(self._gathered(documents, sums)):
            if not lot:  # What most of the first documents show is refused before the model's weights are loaded.
                check_majority(sums.counts)
            lengths = np.array([len(document.labels) for document in gathered])
            for batch in pack_by_length(lengths, self.tokens_per_batch):
                self._add(sums, [gathered[number] for number in batch])
            sums.documents, sums.digest = documents.number, documents.digest
            announce("stage_progressed", stage="reading", done=sums.counts["tokens_read"], total=None, unit="tokens")
            if file and time.monotonic() - saved > max(_SECONDS, saving / _SHARE):
                began = time.monotonic()
                sums.save(file)
                saved, saving = time.monotonic(), time.monotonic() - began
        sums.documents, sums.digest, sums.ended = documents.number, documents.digest, True
        sums.counts["broken_off"] += documents.interruptions
        if file:
            sums.save(file)
        return sums

    def _resumed(self, rank: int, file: Path | None) -> tuple[ResumableSource, Checkpoint]:
        """Return the documents that are still to come, and the sums of those before."""
        whole = self.source
        shard = whole.shard(rank, self.shards) if isinstance(whole, Source) and self.shards > 1 else whole
        checkpoint = file and Checkpoint.load(file, self.statistics)
        documents = ResumableSource(shard)
        if not checkpoint:
            return documents, Checkpoint(States(self.statistics))
        for _ in islice(documents, checkpoint.documents):
            pass
        if (documents.number, documents.digest) != (checkpoint.documents, checkpoint.digest):
            return ResumableSource(shard), Checkpoint(States(self.statistics), counts=Counter(texts_changed=1))
        checkpoint.counts["resumed_documents"] = checkpoint.documents
        return documents, checkpoint

    def _gathered(self, documents: ResumableSource, sums: Checkpoint) -> Iterator[Sequence[_LabelledTokens]]:
        gathered: list[_LabelledTokens] = []
        tokens = 0
        for item in documents:
            document = admit(item, sums.counts)
            if document is None:
                continue
            spans = label_document(document, self.detectors, self.model.tokenizer, self.atlas.context, sums.counts)
            if spans is not None:
                gathered.append(self._label_tokens(spans, sums.counts))
                tokens += len(gathered[-1].labels)
            if tokens >= _BATCHES_AT_ONCE * self.tokens_per_batch:
                yield gathered
                gathered, tokens = [], 0
        if gathered:
            yield gathered

    def _label_tokens(self, document: LabelledDocument, counts: Counter[str]) -> _LabelledTokens:
        behaviours, tokens = list(self.detectors), document.tokens
        part = split_by_hash(tokens.group, self.seed, self.selection.held_out_fraction)
        labels = np.full((len(tokens.token_ids), len(PARTS) * len(behaviours)), -1, dtype=np.int8)
        for number, name in enumerate(behaviours):
            spans = document.ranges[name]
            present = sorted(read_at(document, name, self.selection, counts))
            known = Present(spans, [span.start for span in spans], _NOWHERE, _NOWHERE.astype(np.float64))
            rng = np.random.default_rng(0)  # As many as there are tokens: nothing is left to chance.
            controls = self.control.choose(document.within(name), known, len(tokens.token_ids), rng)
            column = labels[:, part * len(behaviours) + number]
            column[np.array(controls, dtype=np.int64)] = 0
            nearly = document.nearly(name)
            column[list(nearly)] = -1
            counts[f"documents_nearly {name}"] += bool(nearly)
            for span in spans:
                column[span.start : span.stop] = -1
            column[present] = 1
            counts[f"documents_with {name}"] += bool(spans)
            counts[f"spans {name}"] += len(spans)
            for label, what in ((1, "present"), (0, "control")):
                counts[f"{PARTS[part]}_{what} {name}"] += int((column == label).sum())
            counts[f"{PARTS[part]}_documents_with {name}"] += bool(present)
        used = np.flatnonzero((labels >= 0).any(axis=1))
        return _LabelledTokens(document, labels[: used[-1] + 1 if len(used) else 0])

    def _add(self, sums: Checkpoint, batch: Sequence[_LabelledTokens]) -> None:
        """Read a batch, and add every labelled token to the states, layer by layer as the model reaches it."""
        batch = [document for document in batch if len(document.labels)]
        if not batch:
            return
        ids, tokens = [document.ids for document in batch], [document.used for document in batch]
        labels = torch.from_numpy(np.concatenate([document.labels[document.used] for document in batch]))
        sizes = [len(used) for used in tokens]
        first = sums.counts["documents_read"]
        documents = torch.from_numpy(np.repeat(np.arange(first, first + len(batch)), sizes))
        groups = torch.from_numpy(np.repeat([_number_of(document.document.tokens.group) for document in batch], sizes))
        token_ids = np.concatenate([document.ids[document.used] for document in batch]).astype(np.int64)

        def take(site: Site, activations: Float[Tensor, "positions neurons"]) -> None:
            check_finite(self.model, {site: activations})
            # Tensors made in inference mode cannot be added to outside of it.
            with torch.inference_mode(False), torch.no_grad():
                sums.states.update(Batch(site, activations, labels, documents, groups, torch.from_numpy(token_ids)))

        try:
            STREAMS[self.reading.streams](self.model, self.atlas, self.sites, ids, tokens, take)
        except MemoryError as error:  # Some layers may have been added: this pass cannot continue.
            raise ModelError(
                f"{len(ids)} documents of up to {max(map(len, ids)):,} tokens do not fit into the memory of "
                f"{self.model.device}: give a smaller `tokens_per_batch` than {self.tokens_per_batch:,}, or leave out "
                "long documents; the same command resumes from the last checkpoint"
            ) from error
        count_long_texts(self.model, tokens, sums.counts)
        longest = max(map(len, ids)) * len(ids)
        sums.counts["forward_passes"] += 1
        sums.counts["documents_read"] += len(batch)
        sums.counts["tokens_read"] += longest
        sums.counts["padding"] += longest - sum(map(len, ids))
        sums.counts["positions"] += len(labels)
        installed().announce("batch_read", documents=len(batch), tokens=longest, positions=len(labels))


def _number_of(group: str) -> int:
    """Return a number that stands for a group on every machine."""
    return xxhash.xxh3_64_intdigest(canonical(group).encode()) >> 1
