"""From characters to tokens: which tokens a document has, and which of them a span covers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurosieve.data import Document, Scope, Skipped, Span, TokenizedDocument
from neurosieve.texts.coverage import count_coverage
from neurosieve.texts.intake import check_documents
from neurosieve.texts.looking_ahead import look_ahead
from neurosieve.texts.near_misses import NearMiss, near_misses_of
from neurosieve.texts.spans import Detectors, count_empty, scopes_of, spans_in_scope

__all__ = ["LabelledDocument", "label_document", "label_documents", "token_range", "tokenize"]


@dataclass(frozen=True)
class LabelledDocument:
    """A tokenized document, and the spans and tokens where each behaviour shows."""

    tokens: TokenizedDocument
    spans: Mapping[str, Sequence[Span]]
    """The spans of each behaviour, in the order of the text."""
    ranges: Mapping[str, Sequence[range]]
    """The tokens that each of these spans covers."""
    scopes: Mapping[str, Scope] = field(default_factory=dict)
    """Where the detector of each behaviour looks; in what the model wrote, where this does not tell."""
    views: Mapping[Scope, TokenizedDocument] = field(default_factory=dict)
    """The document with the tokens of each further scope as its usable ones."""

    def scope(self, behaviour: str) -> Scope:
        """Return where a behaviour is looked for."""
        return self.scopes.get(behaviour, "completion")

    def within(self, behaviour: str) -> TokenizedDocument:
        """Return the document with the tokens as its usable ones that lie where a behaviour is looked for."""
        return self.views.get(self.scope(behaviour), self.tokens)

    near_misses: Mapping[str, Sequence[NearMiss]] = field(default_factory=dict)
    """What is nearly each behaviour."""

    def nearly(self, behaviour: str) -> set[int]:
        """Return the tokens of what is nearly a behaviour."""
        near_misses = self.near_misses.get(behaviour, ())
        return {token for near in near_misses for token in token_range(self.tokens, Span(near.start, near.end))}

    context: int | None = None
    """How many tokens the model can read; None where that is not bounded."""

    text_sets: Mapping[Scope, int] = field(default_factory=dict)
    """For each scope the set of texts that are alike in it, as a number; only where there are others in the set."""

    def text_set(self, behaviour: str) -> int | None:
        """Return the set of texts that are like this one where a behaviour is looked for; None where none is."""
        return self.text_sets.get(self.scope(behaviour))


def label_documents(
    documents: Iterable[Document | Skipped],
    detectors: Detectors,
    tokenizer: Any,
    context: int | None,
    counts: Counter[str],
    announce: Callable[..., None] = lambda *_, **__: None,
) -> Iterator[LabelledDocument]:
    """Yield each document with its tokens and spans; what was seen and what was left out is added to `counts`.

    `announce` hears how far detectors have come that look ahead.

    Raises:
        DataError: a document is not sound, or a detector found a span that is not in the text.
    """
    for document in look_ahead(check_documents(documents, counts), detectors, counts, announce):
        labelled = label_document(document, detectors, tokenizer, context, counts)
        if labelled is not None:
            yield labelled


def label_document(
    document: Document, detectors: Detectors, tokenizer: Any, context: int | None, counts: Counter[str]
) -> LabelledDocument | None:
    """Return a document with its tokens and spans, or None if there is no token to read where the detectors look.

    What was left out is added to `counts`.

    Raises:
        DataError: a detector found a span that is not in the text.
    """
    tokens = tokenize(document, tokenizer, context)
    counts["tokens"] += len(tokens.token_ids)
    count_coverage(tokens, tokenizer, counts)
    if context is not None and len(tokens.token_ids) > context:
        counts["documents_cut"] += 1
    views = {scope: tokens if scope == "completion" else tokens.within(scope) for scope in scopes_of(detectors)}
    empty = {scope: not view.usable.any() for scope, view in views.items()}
    # Tokenized again as if the model could read texts of any length.
    if all(empty.values()) and context is not None and tokenize(document, tokenizer).usable.any():
        counts["prompts_fill_context"] += 1
        return None
    count_empty(empty, counts)
    if all(empty.values()):
        return None
    spans: dict[str, list[Span]] = {behaviour: [] for behaviour in detectors}
    ranges: dict[str, list[range]] = {behaviour: [] for behaviour in detectors}
    for behaviour, detector in detectors.items():
        usable = views[detector.scope].usable
        for span in spans_in_scope(behaviour, detector, document, counts):
            covered = token_range(tokens, span)
            if any(usable[token] for token in covered):
                spans[behaviour].append(span)
                ranges[behaviour].append(covered)
            else:
                counts["spans_not_readable"] += 1
    views.pop("completion", None)
    nearly = {
        behaviour: near_misses_of(behaviour, detector, document, spans[behaviour])
        for behaviour, detector in detectors.items()
    }
    scopes_by_name = {name: each.scope for name, each in detectors.items()}
    return LabelledDocument(tokens, spans, ranges, scopes_by_name, views, nearly, context)


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
    readable = ~special & holds_text
    if context is not None:
        readable[context:] = False
    whole = TokenizedDocument(
        document.id,
        document.group,
        document.text,
        # All documents stay in memory until positions are chosen: small types save room.
        ids.astype(np.int32),
        starts.astype(np.int32),
        ends.astype(np.int32),
        usable=readable,
        relative=np.zeros(len(readable), dtype=np.float32),
        completion_start=document.completion_start,
        passages=document.passages,
        first_editable=int(special.argmin()) if not special.all() else len(special),
        metadata=document.metadata,
    )
    return whole.within("completion")


def token_range(tokens: TokenizedDocument, span: Span) -> range:
    """Return the tokens that a span covers, from the first that ends after the span's start.

    Not by containment: offsets may hold a leading space, several byte tokens may share one character, and trimmed
    offsets leave gaps.
    """
    first = int(np.searchsorted(tokens.ends, span.start, side="right"))
    behind = int(np.searchsorted(tokens.starts, span.end, side="left"))
    return range(first, behind)
