"""The embeddings of a document's sentences, stretch by stretch, and of annotated ones before they are learned from."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from neurosieve import DataError, Document, ModelError, Scope, Span, plural, sentences
from neurosieve_plugins.embedding.embedder import Embedded, Embedder
from neurosieve_plugins.embedding.opening import open_embedder

__all__ = ["Sentences", "embed_ahead", "embedded_sentences", "embedded_spans", "open_same", "too_long"]


class Sentences(NamedTuple):
    """The sentences of one stretch of a text."""

    bounds: list[tuple[int, int]]
    """Where each begins and ends, in characters of the document's text."""
    texts: list[str]
    embedded: Embedded


def embedded_sentences(document: Document, scope: Scope, embedder: Embedder) -> Iterator[Sentences]:
    """Yield the sentences of each stretch of a scope that has some."""
    for stretch in document.stretches(scope):
        if bounds := sentences(document.text, *stretch):
            texts = [document.text[start:end] for start, end in bounds]
            yield Sentences(bounds, texts, embedder.embed(texts))


def embedded_spans(
    document: Document, stretch: tuple[int, int], spans: Sequence[tuple[int, int]], embedder: Embedder
) -> Embedded:
    """Return the embeddings of some spans in one stretch of a text: those of its sentences where they are the same."""
    bounds = sentences(document.text, *stretch)
    known: dict[tuple[int, int], Any] = {}
    for places in (bounds, sorted({*spans} - {*bounds})):
        if places:
            embedded = embedder.embed([document.text[start:end] for start, end in places])
            known |= dict(zip(places, zip(embedded.vectors, embedded.whole, strict=True), strict=True))
    vectors, whole = zip(*(known[span] for span in spans), strict=True)
    return Embedded(np.stack(vectors), np.array(whole, dtype=bool))


def too_long(document: Document, scope: Scope, embedder: Embedder) -> Iterator[Span]:
    """Yield the sentences of a scope that are longer than the model's window, labelled so."""
    for found in embedded_sentences(document, scope, embedder):
        for (start, end), whole in zip(found.bounds, found.embedded.whole, strict=True):
            if not whole:
                yield Span(start, end, f"longer than the {embedder.window} tokens that are read")


def embed_ahead(documents: Sequence[Document], embedder: Embedder, progress: Callable[..., None]) -> Iterator[str]:
    """Embed the sentences of what the model wrote in some documents, and yield what a run is to note of it."""
    longer, total = 0, 0
    for number, document in enumerate(documents, 1):
        for found in embedded_sentences(document, "completion", embedder):
            longer += int((~found.embedded.whole).sum())
            total += len(found.bounds)
        progress(stage="embedding", done=number, total=len(documents), unit="documents")
    if longer:
        yield (
            f"{longer:,} of {plural(total, 'sentence')} are longer than the {embedder.window} tokens that the "
            f"embedding model `{embedder.name}` reads: they are neither learned from nor marked"
        )


def open_same(name: str, fingerprint: str) -> Embedder:
    """Return the embedding model that a detector was trained with.

    Raises:
        DataError: the model of this name has other weights now.
        ModelError: there is no such model.
    """
    try:
        embedder = open_embedder(name)
    except ModelError as error:
        raise ModelError(f"the detector was trained with an embedding model that is not to be had: {error}") from error
    if embedder.fingerprint != fingerprint:
        raise DataError(
            f"the detector was trained with an embedding model `{name}` of other weights ({fingerprint}) than the one "
            f"that is there now ({embedder.fingerprint}): get the first one back, or train again with `neurosieve "
            "learn`"
        )
    return embedder
