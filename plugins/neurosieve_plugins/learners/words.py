"""Learn from words."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from neurosieve import Document, Learner
from neurosieve_plugins.learners.words_model import FORMAT, WordsModel, fit_words, load_words

__all__ = ["Words"]


@dataclass(frozen=True)
class Words(Learner):
    """Words and pieces of words of a sentence, and words of the sentences before and after, by logistic regression.

    >>> from neurosieve import Span
    >>> text = "So it is 7. Wait, is it? Let me add again."
    >>> spans = (Span(0, 11, "work"), Span(12, 24, "doubt"), Span(25, 42, "work"))
    >>> documents = [Document(id=str(n), group=str(n), text=text, annotations=spans) for n in range(20)]
    >>> fitted = Words().fit(documents, ["doubt"])
    >>> rated = fitted.rate(Document(id="a", group="a", text="So it is 9. Wait, is it? Let me add."))
    >>> [chance > 0.5 for span, chance in rated]
    [False, True, False]
    """

    format: ClassVar[str] = FORMAT

    def fit(self, documents: Sequence[Document], labels: Collection[str]) -> WordsModel:
        """Learn to tell the annotated sentences with one of the labels from those without.

        Raises:
            DataError: all of them, or none, have one of the labels, or no two of them share a word.
        """
        return fit_words(documents, labels)

    @classmethod
    def load(cls, path: Path) -> WordsModel:
        """Return the classifier of a file.

        Raises:
            DataError: the file is broken.
        """
        return load_words(path)
