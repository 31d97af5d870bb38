"""Learn which annotated sentences are like a sentence."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from annotated_types import Ge

from neurosieve import ConfigError, Document, Learner, check_fields
from neurosieve_plugins.embedding.opening import DEFAULT_MODEL, open_embedder
from neurosieve_plugins.embedding.sentence_vectors import embed_ahead
from neurosieve_plugins.learners.similar_model import FORMAT, SimilarModel, fit_similar, load_similar

__all__ = ["Similar"]


@dataclass(frozen=True)
class Similar(Learner):
    """The annotated sentences that are most like a sentence, with the behaviour and without (extra `embeddings`).

    A sentence is rated by the mean cosine of its embedding with the nearest annotated sentences that show the
    behaviour, less that with the nearest ones that do not. The trained file names the embedding model and a hash of its
    weights: with other weights it is not opened.

    >>> Similar().neighbours
    10
    """

    format: ClassVar[str] = FORMAT

    model: str = DEFAULT_MODEL
    """The embedding model: its name on the Hugging Face hub, or a folder, as sentence-transformers writes it."""
    neighbours: Annotated[int, Ge(1)] = 10
    """Of how many of the nearest annotated sentences the mean is taken."""

    def __post_init__(self) -> None:
        check_fields(self, "the learner `similar`: ")
        if not self.model.strip():
            raise ConfigError("`model` of the learner `similar` is empty: give a hub name or a folder")

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterator[str]:
        """Embed the sentences of some documents, and yield how many are longer than the model's window."""
        return embed_ahead(documents, open_embedder(self.model), progress)

    def fit(self, documents: Sequence[Document], labels: Collection[str]) -> SimilarModel:
        """Take the annotated sentences with one of the labels as examples, and those without as counter-examples.

        Raises:
            DataError: all of them, or none, have one of the labels.
            ModelError: the embedding model cannot be opened.
        """
        return fit_similar(documents, labels, open_embedder(self.model), self.neighbours)

    @classmethod
    def load(cls, path: Path) -> SimilarModel:
        """Return the examples of a file.

        Raises:
            DataError: the file is broken, or the embedding model has other weights now.
            ModelError: the embedding model is not there.
        """
        return load_similar(path)
