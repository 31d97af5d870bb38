"""Detect sentences by a model that classifies texts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le, MinLen

from neurosieve import (
    ConfigError,
    Detector,
    Document,
    FieldError,
    Model,
    Scope,
    Span,
    TextClassifier,
    check_fields,
    nearest,
    plural,
    sentences,
    shared_classifier,
)

__all__ = ["Classifier"]


@dataclass(frozen=True)
class Classifier(Detector):
    """Sentences to which a text-classification model of Hugging Face gives one of some labels.

    A span is a whole sentence, with the most probable of these labels. Each sentence is read by itself. One that is
    longer than what the model reads at once is not known: no control is taken there.

    The weights must be safetensors, and no code that comes with a model is run. What the model gives is kept in the
    user's cache: it reads a sentence once for all labels, thresholds and runs.

    >>> joy = Classifier("j-hartmann/emotion-english-distilroberta-base", labels=("joy",), threshold=0.8)
    >>> list(joy.detect(Document(id="a", group="a", text="What a day! I am so glad.")))  # doctest: +SKIP
    [Span(start=0, end=25, label='joy')]
    """

    model: Annotated[str, MinLen(1)]
    """A Hugging Face hub name, or a folder that `save_pretrained` wrote."""
    labels: Annotated[tuple[str, ...], MinLen(1)]
    """Which of the model's own labels show the behaviour, as its config names them (`id2label`)."""
    threshold: Annotated[float, Ge(0), Le(1)] | None = None
    """The least probability of one of these labels. Null for the label that the model itself would give: the one with
    the highest probability, or, where a text may have several labels, each with a probability of one half or more."""
    revision: str | None = None
    device: str = "auto"
    """As `model.device`."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """In short floats, probabilities depend in the third digit on what is read together."""
    tokens_per_batch: Annotated[int, Ge(1)] | None = None
    """How many tokens go through the model at a time; null for the device's default."""
    scope: Scope = "completion"
    """Where to look: `completion`, all that the model wrote; `thought` or `answer` alone; or `prompt`, what others
    wrote."""

    cost_fields = ("device", "tokens_per_batch")
    looks_ahead = True
    near_misses_are_unknown = True

    def __post_init__(self) -> None:
        check_fields(self, _WHERE)

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the sentences of the scope that have one of the labels.

        Raises:
            ModelError: the model does not exist, cannot be loaded, or was not trained to classify.
            ConfigError: the model has no such label, or there is no such device here.
        """
        for (start, end), label in zip(*self._labelled(document), strict=True):
            if label:
                yield Span(start, end, label)

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield the sentences of the scope that are longer than what the model reads at once."""
        for (start, end), label in zip(*self._labelled(document), strict=True):
            if label is None:
                yield Span(start, end, "longer than what the classifier reads at once")

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterable[str]:
        """Let the model read all sentences, those of like length together, and say how many have one of the labels.

        Raises:
            ModelError: the model does not exist, cannot be loaded, or was not trained to classify.
            ConfigError: the model has no such label, or there is no such device here.
        """
        _held.clear()
        classifier = self._opened()
        texts = [self._sentences(document)[1] for document in documents]

        def announce(done: int) -> None:
            progress(stage="classifier", done=done, total=len(texts), unit="documents")

        rated = np.concatenate(
            [np.empty((0, len(classifier.labels))), *classifier.rate(texts, self.tokens_per_batch, announce)]
        )
        if len(rated):
            with_one = sum(bool(label) for label in self._labels_of(classifier, rated))
            names = " or ".join(f"`{label}`" for label in self.labels)
            yield f"`{self.model}` gives {names} to {with_one:,} of {plural(len(rated), 'sentence')}"

    def estimate(self, documents: Sequence[Document]) -> str:
        """Return how many sentences the model has yet to read."""
        classifier = self._opened()
        texts = [self._sentences(document)[1] for document in documents]
        unread = sum(len(of_document) for of_document in texts if not classifier.is_kept(of_document))
        return f"`{self.model}` has yet to read {plural(unread, 'sentence')}" if unread else ""

    def _opened(self) -> TextClassifier:
        try:
            classifier = shared_classifier(Model(self.model, "pretrained", self.revision, self.device, self.dtype))
        except FieldError as error:
            raise error.under(_WHERE) from error
        for label in self.labels:
            if label not in classifier.labels:
                raise ConfigError(
                    f"`{self.model}` has no label `{label}`, which the detector `classifier` is to look for: "
                    f"{nearest(label, classifier.labels)}"
                )
        return classifier

    def _sentences(self, document: Document) -> tuple[list[tuple[int, int]], list[str]]:
        """Return where the sentences of the scope are, and their texts."""
        bounds = [each for stretch in document.stretches(self.scope) for each in sentences(document.text, *stretch)]
        return bounds, [document.text[start:end] for start, end in bounds]

    def _labelled(self, document: Document) -> tuple[list[tuple[int, int]], list[str | None]]:
        """Return where the sentences of the scope are, and which of the labels each has: empty where it has none of
        them, and None where that is not known.
        """
        bounds, texts = self._sentences(document)
        if not texts:
            return [], []
        classifier = self._opened()
        if not classifier.is_kept(texts):
            _held[:] = [classifier]
        [rated] = classifier.rate([texts], self.tokens_per_batch)
        return bounds, list(self._labels_of(classifier, rated))

    def _labels_of(self, classifier: TextClassifier, rated: npt.NDArray[np.floating]) -> Iterator[str | None]:
        columns = [classifier.labels.index(label) for label in self.labels]
        for probabilities in rated:
            of_labels = probabilities[columns]
            best = int(of_labels.argmax())
            if np.isnan(of_labels).any():
                yield None
            elif self.threshold is not None or classifier.multi_label:
                least = 0.5 if self.threshold is None else self.threshold
                yield self.labels[best] if of_labels[best] >= least else ""
            else:
                yield self.labels[best] if columns[best] == probabilities.argmax() else ""


_WHERE = "the detector `classifier`: "
_held: list[TextClassifier] = []
"""The model that read a text last: where texts are read one by one, its weights are not loaded again and again."""
