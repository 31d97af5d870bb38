"""From characters to tokens: which tokens a document has, and which of them a span covers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosieve.data import Document, Span, TokenizedDocument
from neurosieve.texts.coverage import count_coverage
from neurosieve.texts.spans import Detectors, check_documents, spans_of

__all__ = ["LabelledDocument", "label_document", "label_documents", "token_range", "tokenize"]


@dataclass(frozen=True)
class LabelledDocument:
    """A tokenized document, and the spans and tokens where each behaviour shows."""

    tokens: TokenizedDocument
    spans: Mapping[str, Sequence[Span]]
    """The spans of each behaviour, in the order of the text."""
    ranges: Mapping[str, Sequence[range]]
    """The tokens that each of these spans covers."""


def label_documents(
    documents: Iterable[Document], detectors: Detectors, tokenizer: Any, context: int | None, counts: Counter[str]
) -> Iterator[LabelledDocument]:
    """Yield each document with its tokens and spans; what was seen and what was left out is added to `counts`.

    Raises:
        DataError: two documents share an id, or a detector found a span that is not in the text.
    """
    for document in check_documents(documents):
        labelled = label_document(document, detectors, tokenizer, context, counts)
        if labelled is not None:
            yield labelled


def label_document(
    document: Document, detectors: Detectors, tokenizer: Any, context: int | None, counts: Counter[str]
) -> LabelledDocument | None:
    """Return a document with its tokens and spans, or None if it has no token to read; `counts` as above.

    Raises:
        DataError: a detector found a span that is not in the text.
    """
    counts["documents"] += 1
    tokens = tokenize(document, tokenizer, context)
    counts["tokens"] += len(tokens.token_ids)
    count_coverage(tokens, tokenizer, counts)
    if context is not None and len(tokens.token_ids) > context:
        counts["documents_cut"] += 1
    if not tokens.usable.any():
        # Tokenized again as if the model could read texts of any length.
        fits = context is None or not tokenize(document, tokenizer).usable.any()
        counts["documents_empty" if fits else "prompts_fill_context"] += 1
        return None
    spans: dict[str, list[Span]] = {behaviour: [] for behaviour in detectors}
    ranges: dict[str, list[range]] = {behaviour: [] for behaviour in detectors}
    for behaviour, detector in detectors.items():
        for span in spans_of(behaviour, detector, document):
            if span.start < document.completion_start:
                counts["spans_in_prompt"] += 1
                continue
            covered = token_range(tokens, span)
            if any(tokens.usable[token] for token in covered):
                spans[behaviour].append(span)
                ranges[behaviour].append(covered)
            else:
                counts["spans_not_readable"] += 1
    return LabelledDocument(tokens, spans, ranges)


def tokenize(document: Document, tokenizer: Any, context: int | None = None) -> TokenizedDocument:
    """Return a document's tokens, with one token that begins the text where the tokenizer has such a token."""
    encoded = tokenizer(document.text, return_offsets_mapping=True, verbose=False)
    ids = np.asarray(encoded["input_ids"], dtype=np.int64)
    offsets = np.asarray(encoded["offset_mapping"], dtype=np.int64).reshape(-1, 2)
    begin = getattr(tokenizer, "bos_token_id", None)
    if begin is not None and len(ids) > 1 and ids[0] == ids[1] == begin:  # The text brought its own.
        ids, offsets = ids[1:], offsets[1:]
    special = np.isin(ids, np.asarray(tokenizer.all_special_ids, dtype=np.int64))
    # A token that stands for no text, whatever its offsets say, is put where the text before it ends.
    holds_text = offsets[:, 1] > offsets[:, 0]
    ends = np.maximum.accumulate(np.where(holds_text, offsets[:, 1], 0))
    starts = np.maximum.accumulate(np.where(holds_text, offsets[:, 0], ends))
    usable = ~special & holds_text & (starts >= document.completion_start)
    if context is not None:
        usable[context:] = False
    return TokenizedDocument(
        document.id,
        document.group,
        document.text,
        # All documents stay in memory until positions are chosen: small types save room.
        ids.astype(np.int32),
        starts.astype(np.int32),
        ends.astype(np.int32),
        usable,
        _relative(usable),
        document.completion_start,
    )


def _relative(usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return how far along the usable tokens each token stands, from 0 to 1."""
    tokens = np.flatnonzero(usable)
    if not len(tokens):
        return np.zeros(len(usable), dtype=np.float32)
    first, last = int(tokens[0]), int(tokens[-1])
    share = (np.arange(len(usable)) - first) / max(1, last - first)
    return np.asarray(share.clip(0, 1), dtype=np.float32)


def token_range(tokens: TokenizedDocument, span: Span) -> range:
    """Return the tokens that a span covers, from the first that ends after the span's start.

    Not by containment: offsets may hold a leading space, several byte tokens may share one character, and trimmed
    offsets leave gaps.
    """
    first = int(np.searchsorted(tokens.ends, span.start, side="right"))
    behind = int(np.searchsorted(tokens.starts, span.end, side="left"))
    return range(first, behind)
