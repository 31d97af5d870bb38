"""Learn from embeddings."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from neurosieve import ConfigError, Document, Learner, check_fields
from neurosieve_plugins.embedding.opening import DEFAULT_MODEL, open_embedder
from neurosieve_plugins.embedding.sentence_vectors import embed_ahead
from neurosieve_plugins.learners.embeddings_model import FORMAT, EmbeddingsModel, fit_embeddings, load_embeddings

__all__ = ["Embeddings"]


@dataclass(frozen=True)
class Embeddings(Learner):
    """Embeddings and words of a sentence and of those before and after, by logistic regression (extra `embeddings`).

    Sentences that are longer than the embedding model's window are neither learned from nor marked. The trained file
    names the embedding model and a hash of its weights: with other weights it is not opened.

    >>> Embeddings().model
    'sentence-transformers/all-MiniLM-L6-v2'
    """

    format: ClassVar[str] = FORMAT

    model: str = DEFAULT_MODEL
    """The embedding model: its name on the Hugging Face hub, or a folder, as sentence-transformers writes it."""

    def __post_init__(self) -> None:
        check_fields(self, "the learner `embeddings`: ")
        if not self.model.strip():
            raise ConfigError("`model` of the learner `embeddings` is empty: give a hub name or a folder")

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterator[str]:
        """Embed the sentences of some documents, and yield how many are longer than the model's window."""
        return embed_ahead(documents, open_embedder(self.model), progress)

    def fit(self, documents: Sequence[Document], labels: Collection[str]) -> EmbeddingsModel:
        """Learn to tell the annotated sentences with one of the labels from those without.

        Raises:
            DataError: all of them, or none, have one of the labels, or no two of them share a word.
            ModelError: the embedding model cannot be opened.
        """
        return fit_embeddings(documents, labels, open_embedder(self.model))

    @classmethod
    def load(cls, path: Path) -> EmbeddingsModel:
        """Return the classifier of a file.

        Raises:
            DataError: the file is broken, or the embedding model has other weights now.
            ModelError: the embedding model is not there.
        """
        return load_embeddings(path)
