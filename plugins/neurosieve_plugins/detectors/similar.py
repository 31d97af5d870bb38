"""Detect sentences that are like given examples."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurosieve import ConfigError, DataError, Detector, Document, Scope, Span, check_fields
from neurosieve_plugins.embedding.opening import DEFAULT_MODEL, open_embedder
from neurosieve_plugins.embedding.sentence_vectors import embedded_sentences, too_long

__all__ = ["Similar"]


@dataclass(frozen=True)
class Similar(Detector):
    """Sentences whose embedding is nearer to an example than to any counter-example (extra `embeddings`).

    A sentence's score is its highest cosine with an example, less its highest cosine with a counter-example. A sentence
    is marked if its score is above the threshold. One that is longer than the embedding model's window is not judged:
    it is a near-miss.

    >>> doubt = Similar(("Hmm, that does not look right.",), ("The sum is 12.",))
    >>> text = "So 7 + 5 is 12. Hm, this seems to be wrong."
    >>> list(doubt.detect(Document(id="a", group="a", text=text)))  # doctest: +SKIP
    [Span(start=16, end=43, label='Hmm, that does not look right.')]
    """

    near_misses_are_unknown = True

    examples: tuple[str, ...]
    """Sentences that show the behaviour, in your own words."""
    counter_examples: tuple[str, ...] = ()
    """Sentences that do not show it, the harder to tell apart the better. Without any, a `threshold` must be given."""
    model: str = DEFAULT_MODEL
    """The embedding model: its name on the Hugging Face hub, or a folder, as sentence-transformers writes it."""
    threshold: float | None = None
    """What a marked sentence's score is above; null is 0, nearer to an example than to any counter-example. Without
    counter-examples the score is a cosine alone, and what is a high one differs from model to model."""
    label: str | None = None
    """The label of a span; null for the example that is nearest."""
    scope: Scope = "completion"
    """Where to look: `completion`, all that the model wrote; `thought` or `answer` alone; or `prompt`, what others
    wrote."""

    def __post_init__(self) -> None:
        check_fields(self, "the detector `similar`: ")
        if not self.examples:
            raise ConfigError("`examples` of the detector `similar` is empty: give sentences that show the behaviour")
        known: dict[str, str] = {}
        for field in ("examples", "counter_examples"):
            for example in getattr(self, field):
                same = " ".join(example.split()).casefold()
                if not same:
                    raise ConfigError(f"`{field}` of the detector `similar` holds a blank text: leave it out")
                if same in known:
                    twice = "twice" if known[same] == field else f"in `{known[same]}` too"
                    raise ConfigError(f"`{field}` of the detector `similar` holds `{example}`, {twice}: leave one out")
                known[same] = field
        if not self.counter_examples and self.threshold is None:
            raise ConfigError(
                "the detector `similar` has neither `counter_examples` nor a `threshold`: give sentences that do not "
                "show the behaviour, or the least cosine with an example, which differs from model to model"
            )
        if not self.model.strip():
            raise ConfigError("`model` of the detector `similar` is empty: give a hub name or a folder")
        if self.threshold is not None and not -2 <= self.threshold <= 2:
            raise ConfigError(f"`threshold` of the detector `similar` is {self.threshold}: give a number from -2 to 2")

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the sentences of the scope that are nearer to an example.

        Raises:
            ModelError: the embedding model cannot be opened.
            DataError: an example is longer than its window, or it knows no token of one.
        """
        examples, counter_examples = self._embedded(self.examples), self._embedded(self.counter_examples)
        least = 0.0 if self.threshold is None else self.threshold
        for found in embedded_sentences(document, self.scope, open_embedder(self.model)):
            cosines = found.embedded.vectors @ examples.T
            scores = cosines.max(axis=1)
            if self.counter_examples:
                scores = scores - (found.embedded.vectors @ counter_examples.T).max(axis=1)
            for place in np.flatnonzero((scores > least) & found.embedded.whole):
                nearest = self.examples[cosines[place].argmax()]
                yield Span(*found.bounds[place], nearest if self.label is None else self.label)

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield the sentences that are longer than the embedding model's window, labelled so."""
        return too_long(document, self.scope, open_embedder(self.model))

    def _embedded(self, texts: tuple[str, ...]) -> npt.NDArray[np.float32]:
        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        embedder = open_embedder(self.model)
        embedded = embedder.embed(texts)
        for text, vector, whole in zip(texts, embedded.vectors, embedded.whole, strict=True):
            if not whole:
                raise DataError(
                    f"the example `{text[:60]}…` of the detector `similar` is longer than the {embedder.window} tokens "
                    f"that `{self.model}` reads: shorten it"
                )
            if not vector.any():
                raise DataError(
                    f"the embedding model `{self.model}` knows no token of the example `{text}` of the detector "
                    "`similar`: leave it out, or take another model"
                )
        return embedded.vectors
