"""A judgement of sentences by the annotated ones that are most like them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosieve import Document, Fitted, Scope, Span
from neurosieve_plugins.embedding.embedder import Embedder
from neurosieve_plugins.embedding.sentence_vectors import embedded_sentences, embedded_spans, open_same, too_long
from neurosieve_plugins.learners.annotated_sentences import annotated_stretches, check_both_kinds
from neurosieve_plugins.learners.trained_file import Trained, read_trained, write_trained

__all__ = ["FORMAT", "SimilarModel", "fit_similar", "load_similar"]

FORMAT = "neurosieve similar model"
_KIND = (FORMAT, 1)


@dataclass(frozen=True, eq=False)
class SimilarModel(Fitted):
    """How much nearer a sentence's embedding is to examples of a behaviour than to sentences without it."""

    labels: tuple[str, ...]
    """The annotators' labels of the behaviour."""
    examples: npt.NDArray[np.float32]
    """The embeddings of the annotated sentences with the behaviour, a row each."""
    counter_examples: npt.NDArray[np.float32]
    """Those of the sentences without it."""
    neighbours: int
    """Of how many nearest ones the mean cosine is taken."""
    embedder: Embedder
    threshold: float = 0.5
    about: Mapping[str, Any] = field(default_factory=dict)

    def rate(self, document: Document, scope: Scope = "completion") -> Iterator[tuple[Span, float]]:
        """Yield every sentence of a scope that the embedding model reads to its end, and its rating.

        0.5 is as near to examples as to counter-examples; a difference of the mean cosines of 2 is a rating of 1.
        """
        label = ", ".join(self.labels)
        for found in embedded_sentences(document, scope, self.embedder):
            vectors = found.embedded.vectors
            difference = _nearness(vectors, self.examples, self.neighbours)
            difference = difference - _nearness(vectors, self.counter_examples, self.neighbours)
            ratings = np.clip(0.5 + difference / 4, 0, 1)
            for (start, end), rating, whole in zip(found.bounds, ratings, found.embedded.whole, strict=True):
                if whole:
                    yield Span(start, end, label), float(rating)

    def unknown(self, document: Document, scope: Scope = "completion") -> Iterator[Span]:
        """Yield the sentences that are longer than the embedding model's window."""
        return too_long(document, scope, self.embedder)

    def save(self, path: Path, threshold: float, about: Mapping[str, Any]) -> None:
        """Write the examples' embeddings to a safetensors file, with the model's name and the hash of its weights."""
        record = {
            "neighbours": self.neighbours,
            "model": self.embedder.name,
            "fingerprint": self.embedder.fingerprint,
        }
        tensors = {"examples": self.examples, "counter_examples": self.counter_examples}
        write_trained(path, _KIND, Trained(record, tensors, self.labels, threshold, about))


def fit_similar(
    documents: Sequence[Document], labels: Collection[str], embedder: Embedder, neighbours: int
) -> SimilarModel:
    """Take the annotated sentences with one of the labels as examples, and those without as counter-examples.

    Raises:
        DataError: all of them, or none, have one of the labels.
    """
    present: list[bool] = []
    vectors = []
    for stretch in annotated_stretches(documents, labels):
        if not stretch.texts:
            continue
        embedded = embedded_spans(stretch.document, (stretch.start, stretch.end), stretch.bounds, embedder)
        vectors.append(embedded.vectors[embedded.whole])
        present += [shows for shows, whole in zip(stretch.present, embedded.whole, strict=True) if whole]
    check_both_kinds(present, labels)
    shows, every = np.array(present), np.concatenate(vectors)
    return SimilarModel(tuple(labels), every[shows], every[~shows], neighbours, embedder)


def load_similar(path: Path) -> SimilarModel:
    """Return the examples of a file, with its embedding model open.

    Raises:
        DataError: the file is broken, or the embedding model has other weights now.
        ModelError: the embedding model is not there.
    """

    def restored(trained: Trained) -> SimilarModel:
        embedder = open_same(str(trained.record["model"]), str(trained.record["fingerprint"]))
        examples, counter_examples = (trained.tensors[name] for name in ("examples", "counter_examples"))
        for vectors in (examples, counter_examples):
            if vectors.ndim != 2 or vectors.shape[1] != embedder.dimension or not len(vectors):
                raise ValueError(f"embeddings of the shape {vectors.shape}")
            if vectors.dtype != np.float32 or not np.isfinite(vectors).all():
                raise ValueError("embeddings that are no numbers")
        neighbours = int(trained.record["neighbours"])
        if neighbours < 1:
            raise ValueError(f"{neighbours} neighbours")
        return SimilarModel(
            trained.labels, examples, counter_examples, neighbours, embedder, trained.threshold, trained.about
        )

    return read_trained(path, _KIND, restored)


def _nearness(
    vectors: npt.NDArray[np.float32], examples: npt.NDArray[np.float32], neighbours: int
) -> npt.NDArray[np.float64]:
    """Return the mean of each sentence's highest cosines with examples: with all of them where they are few."""
    cosines = (vectors @ examples.T).astype(np.float64)
    count = min(neighbours, len(examples))
    highest = np.partition(cosines, len(examples) - count, axis=1)[:, len(examples) - count :]
    # Sorted, as a sum depends on the order in the last digit.
    return np.asarray(np.sort(highest, axis=1).mean(axis=1))
