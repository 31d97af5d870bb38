"""Detect what a language model did not expect."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Le, MinLen

from neurosieve import (
    Detector,
    Document,
    FieldError,
    LanguageModel,
    Model,
    Scope,
    Span,
    TokenLogProbabilities,
    check_fields,
    has_log_probabilities,
    plural,
    shared_model,
    token_log_probabilities,
)

__all__ = ["Surprise"]

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Surprise(Detector):
    """Tokens that a language model finds unlikely, given the text before them.

    The model reads the prompt too, and each text by itself. Surprising tokens that follow each other are one span, so
    that its first token is the onset of the surprise. Of the first token of a text that has no token before it, and of
    tokens behind the length of text that the model was made for, it is not known how likely they are: no control is
    taken there.

    What the model gives is kept in the user's cache: it reads a text once for all thresholds and runs. A run that reads
    the same model has it in memory once.

    >>> surprise = Surprise("tiny", below=-8.1, format="tiny", device="cpu")
    >>> document = Document(id="a", group="a", text="So 12 + 7 = 19. Wait, that's not right.")
    >>> [document.text[span.start : span.end] for span in surprise.detect(document)]
    ["'s not"]
    """

    model: Annotated[str, MinLen(1)]
    """A Hugging Face hub name, or a folder that `save_pretrained` wrote; `${model.name}` for the model of the run."""
    below: Annotated[float, Le(0)] = -5.0
    """The log-probability, in nats, below which a token is surprising: -5 is a probability of 0.7 %, -2.3 of 10 %."""
    format: Literal["pretrained", "gguf_package", "tiny"] = "pretrained"
    """As `model.format`: what `model` is the name of."""
    revision: str | None = None
    device: str = "auto"
    """As `model.device`."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """As `model.dtype`."""
    scope: Scope = "completion"
    """Where to look: `completion`, all that the model wrote; `thought` or `answer` alone; or `prompt`, what others
    wrote."""

    cost_fields = ("device",)
    looks_ahead = True
    near_misses_are_unknown = True

    def __post_init__(self) -> None:
        check_fields(self, "the detector `surprise`: ")

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the surprising tokens of the scope; those that follow each other are one span.

        Raises:
            ModelError: the model does not exist, cannot be read, or gives no probabilities of tokens.
            ConfigError: there is no such device here.
        """
        return self._spans(document, lambda log_p: log_p < self.below)

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield the tokens of the scope of which it is not known how likely they are."""
        for span in self._spans(document, np.isnan):
            first = not document.text[: span.start].strip()
            why = "no token is before it" if first else "behind the length of text that the model was made for"
            yield Span(span.start, span.end, why)

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterable[str]:
        """Let the model read every text, and say how many tokens are surprising; then the model is let go.

        Raises:
            ModelError: the model does not exist, cannot be read, or gives no probabilities of tokens.
            ConfigError: there is no such device here.
        """
        _held.clear()
        lm = self._opened()
        tokens = surprising = 0
        for number, document in enumerate(documents, 1):
            read = token_log_probabilities(document, lm)
            log_p = read.log_probabilities[_in_scope(read, document.stretches(self.scope))]
            tokens, surprising = tokens + len(log_p), surprising + int((log_p < self.below).sum())
            progress(stage="surprise", done=number, total=len(documents), unit="documents")
        if tokens:
            share = surprising / tokens
            yield (
                f"`{self.model}` finds {surprising:,} of {plural(tokens, 'token')} ({share:.1%}) less likely than "
                f"{self.below:g} nats"
            )

    def estimate(self, documents: Sequence[Document]) -> str:
        """Return how many texts the model has yet to read."""
        lm = self._opened()
        unread = sum(not has_log_probabilities(document, lm) for document in documents)
        return f"`{self.model}` has yet to read {plural(unread, 'document')}" if unread else ""

    def _opened(self) -> LanguageModel:
        try:
            return shared_model(Model(self.model, self.format, self.revision, self.device, self.dtype))
        except FieldError as error:
            raise error.under("the detector `surprise`: ") from error

    def _spans(self, document: Document, chosen: Callable[[Floats], Flags]) -> Iterator[Span]:
        """Yield the runs of tokens of the scope that are chosen by their log-probability."""
        if not document.text:
            return
        lm = self._opened()
        was_loaded = lm.is_loaded
        read = token_log_probabilities(document, lm)
        if lm.is_loaded and not was_loaded:
            _held[:] = [lm]
        tokens = chosen(read.log_probabilities)
        for stretch in document.stretches(self.scope):
            for run in _runs(read, np.flatnonzero(tokens & _in_scope(read, (stretch,)))):
                start, end = int(read.starts[run[0]]), min(stretch[1], int(read.ends[run].max()))
                first = document.text[start : min(end, int(read.ends[run[0]]))]
                # A token may hold the space before its word: the span starts with the word.
                yield Span(start + (len(first) - len(first.lstrip()) if first.strip() else 0), end)


def _runs(read: TokenLogProbabilities, tokens: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the tokens that follow each other, or share a character, as one run."""
    if len(tokens):
        before, behind = tokens[:-1], tokens[1:]
        apart = (behind > before + 1) & (read.starts[behind] >= np.maximum.accumulate(read.ends[before]))
        yield from np.split(tokens, np.flatnonzero(apart) + 1)


_held: list[LanguageModel] = []
"""The model that read a text last: where texts are read one by one, its weights are not loaded again and again."""


def _in_scope(read: TokenLogProbabilities, stretches: Sequence[tuple[int, int]]) -> Flags:
    """Return which tokens start in one of some stretches of the text."""
    inside = np.zeros(len(read.starts), dtype=np.bool_)
    for start, end in stretches:
        inside |= (read.starts >= start) & (read.starts < end)
    return inside
