"""A classifier of sentences: n-grams and embeddings, of a sentence and of its neighbours, by logistic regression."""

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
from neurosieve_plugins.learners.ngrams import Ngrams, count_ngrams, with_neighbours
from neurosieve_plugins.learners.trained_file import Trained, finite, read_trained, write_trained

__all__ = ["FORMAT", "EmbeddingsModel", "fit_embeddings", "load_embeddings"]

FORMAT = "neurosieve embeddings model"
_KIND = (FORMAT, 1)


@dataclass(frozen=True, eq=False)
class EmbeddingsModel(Fitted):
    """How likely a sentence shows a behaviour, by the n-grams and the embeddings of it and of its neighbours."""

    labels: tuple[str, ...]
    """The annotators' labels of the behaviour."""
    ngrams: Ngrams
    weights: npt.NDArray[np.float64]
    """Of the embeddings of the sentence, of the one before and of the one after, end to end."""
    intercept: float
    embedder: Embedder
    threshold: float = 0.5
    about: Mapping[str, Any] = field(default_factory=dict)

    def rate(self, document: Document, scope: Scope = "completion") -> Iterator[tuple[Span, float]]:
        """Yield every sentence of a scope that the embedding model reads to its end, and how likely it shows it."""
        from scipy.special import expit

        label = ", ".join(self.labels)
        for found in embedded_sentences(document, scope, self.embedder):
            vectors = _with_neighbours(found.embedded.vectors)
            chances = expit(self.intercept + self.ngrams.total(with_neighbours(found.texts)) + vectors @ self.weights)
            for (start, end), chance, whole in zip(found.bounds, chances, found.embedded.whole, strict=True):
                if whole:
                    yield Span(start, end, label), float(chance)

    def unknown(self, document: Document, scope: Scope = "completion") -> Iterator[Span]:
        """Yield the sentences that are longer than the embedding model's window."""
        return too_long(document, scope, self.embedder)

    def save(self, path: Path, threshold: float, about: Mapping[str, Any]) -> None:
        """Write the weights to a safetensors file, with the embedding model's name and the hash of its weights."""
        record = {
            "intercept": self.intercept,
            "blocks": self.ngrams.record(),
            "model": self.embedder.name,
            "fingerprint": self.embedder.fingerprint,
        }
        tensors = {**self.ngrams.tensors(), "embeddings": self.weights}
        write_trained(path, _KIND, Trained(record, tensors, self.labels, threshold, about))


def fit_embeddings(documents: Sequence[Document], labels: Collection[str], embedder: Embedder) -> EmbeddingsModel:
    """Learn to tell the annotated sentences with one of the labels from those without.

    Sentences that are longer than the embedding model's window are left out.

    Raises:
        DataError: all of them, or none, have one of the labels, or no two of them share a word.
    """
    from scipy.sparse import csr_array, hstack
    from sklearn.linear_model import LogisticRegression

    columns: dict[Any, list[str]] = {of: [] for of in with_neighbours(())}
    present: list[bool] = []
    vectors = []
    for stretch in annotated_stretches(documents, labels):
        if not stretch.texts:
            continue
        embedded = embedded_spans(stretch.document, (stretch.start, stretch.end), stretch.context, embedder)
        read = [place for place in stretch.places if embedded.whole[place]]
        vectors.append(_with_neighbours(embedded.vectors)[read])
        whole = embedded.whole[stretch.places]
        present += [shows for shows, is_read in zip(stretch.present, whole, strict=True) if is_read]
        for of, texts in with_neighbours(stretch.context_texts).items():
            columns[of] += [texts[place] for place in read]
    check_both_kinds(present, labels)
    counted = count_ngrams(columns)
    features = hstack([counted.matrix, csr_array(np.concatenate(vectors))]).tocsr()
    fitted = LogisticRegression(max_iter=1000).fit(features, present)
    of_ngrams, of_embeddings = np.split(fitted.coef_[0], [counted.matrix.shape[1]])
    return EmbeddingsModel(
        tuple(labels), counted.weighted(of_ngrams), of_embeddings, float(fitted.intercept_[0]), embedder
    )


def load_embeddings(path: Path) -> EmbeddingsModel:
    """Return the classifier of a file, with its embedding model open.

    Raises:
        DataError: the file is broken, or the embedding model has other weights now.
        ModelError: the embedding model is not there.
    """

    def restored(trained: Trained) -> EmbeddingsModel:
        ngrams = Ngrams.restored(trained.record["blocks"], trained.tensors)
        embedder = open_same(str(trained.record["model"]), str(trained.record["fingerprint"]))
        weights, intercept = trained.tensors["embeddings"], finite(trained.record["intercept"])
        if weights.shape != (3 * embedder.dimension,) or not np.isfinite(weights).all():
            raise ValueError(f"weights of embeddings of the shape {weights.shape}")
        return EmbeddingsModel(trained.labels, ngrams, weights, intercept, embedder, trained.threshold, trained.about)

    return read_trained(path, _KIND, restored)


def _with_neighbours(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return each sentence's embedding, and those of the sentences before and after it, zero where there is none."""
    alone = vectors.astype(np.float64)
    none = np.zeros((1, alone.shape[1]))
    return np.hstack([alone, np.vstack([none, alone[:-1]]), np.vstack([alone[1:], none])])
