"""A classifier of sentences: n-grams of a sentence and of its neighbours, weighed by logistic regression."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurosieve import Document, Fitted, Scope, Span, sentences
from neurosieve_plugins.learners.annotated_sentences import annotated_stretches, check_both_kinds
from neurosieve_plugins.learners.ngrams import Ngrams, count_ngrams, with_neighbours
from neurosieve_plugins.learners.trained_file import Trained, finite, read_trained, write_trained

__all__ = ["FORMAT", "WordsModel", "fit_words", "load_words"]

FORMAT = "neurosieve sentence model"
_KIND = (FORMAT, 1)


@dataclass(frozen=True, eq=False)
class WordsModel(Fitted):
    """How likely a sentence shows a behaviour, by its n-grams and those of the sentences before and after it."""

    labels: tuple[str, ...]
    """The annotators' labels of the behaviour."""
    ngrams: Ngrams
    intercept: float
    threshold: float = 0.5
    about: Mapping[str, Any] = field(default_factory=dict)

    def rate(self, document: Document, scope: Scope = "completion") -> Iterator[tuple[Span, float]]:
        """Yield every sentence of the completion, or of another scope, and how likely it shows the behaviour."""
        from scipy.special import expit

        label = ", ".join(self.labels)
        for stretch in document.stretches(scope):
            bounds = sentences(document.text, *stretch)
            if not bounds:
                continue
            columns = with_neighbours([document.text[start:end] for start, end in bounds])
            chances = expit(self.intercept + self.ngrams.total(columns))
            for (start, end), chance in zip(bounds, chances, strict=True):
                yield Span(start, end, label), float(chance)

    def save(self, path: Path, threshold: float, about: Mapping[str, Any]) -> None:
        """Write the n-grams and their weights to a safetensors file."""
        record = {"intercept": self.intercept, "blocks": self.ngrams.record()}
        write_trained(path, _KIND, Trained(record, self.ngrams.tensors(), self.labels, threshold, about))


def fit_words(documents: Sequence[Document], labels: Collection[str]) -> WordsModel:
    """Learn to tell the annotated sentences with one of the labels from those without, by their n-grams.

    Raises:
        DataError: all of them, or none, have one of the labels, or no two of them share a word.
    """
    from sklearn.linear_model import LogisticRegression

    stretches = list(annotated_stretches(documents, labels))
    present = [shows for stretch in stretches for shows in stretch.present]
    check_both_kinds(present, labels)
    by_stretch = [(with_neighbours(stretch.context_texts), stretch.places) for stretch in stretches]
    columns = {of: [texts[of][place] for texts, places in by_stretch for place in places] for of in with_neighbours(())}
    counted = count_ngrams(columns)
    fitted = LogisticRegression(max_iter=1000).fit(counted.matrix, present)
    return WordsModel(tuple(labels), counted.weighted(fitted.coef_[0]), float(fitted.intercept_[0]))


def load_words(path: Path) -> WordsModel:
    """Return the classifier of a file.

    Raises:
        DataError: the file is broken.
    """

    def restored(trained: Trained) -> WordsModel:
        ngrams = Ngrams.restored(trained.record["blocks"], trained.tensors)
        intercept = finite(trained.record["intercept"])
        return WordsModel(trained.labels, ngrams, intercept, trained.threshold, trained.about)

    return read_trained(path, _KIND, restored)
