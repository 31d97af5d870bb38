"""Detect sentences, or spans, that a language model gives a label."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from neurosieve import ConfigError, Detector, Document, Scope, Span, TokenizedDocument
from neurosieve_plugins.judge.asking import labels_of
from neurosieve_plugins.judge.prompt import Kind
from neurosieve_plugins.judge.rounds import Labels
from neurosieve_plugins.judge.settings import JudgeSettings
from neurosieve_plugins.judge.summary import estimated, prepared
from neurosieve_plugins.judge.windows import Window, sentence_windows, span_windows

__all__ = ["Judge"]


@dataclass(frozen=True)
class Judge(JudgeSettings, Detector):
    """Sentences that a language model gives a label of a taxonomy, asked through an OpenAI-compatible server.

    A span is a whole sentence, with the label that it was given. With `spans` the spans of another detector are judged
    in place of sentences: is this "wait" backtracking? What has no sound answer is a near-miss: it is not known whether
    it shows the behaviour. All answers are kept; behaviours that share taxonomy, model and windows share them too.

    >>> judge = Judge("thought_anchors", "a-model", ("self_checking",), base_url="http://localhost:8000/v1")
    >>> document = Document(id="a", group="a", text="So it is 9. Let me check: 4 + 5 is 9.")
    >>> judge.estimate([document]).partition(",")[0]
    '1 request to `a-model` at http://localhost:8000/v1'
    """

    looks_ahead = True
    asks_server = True
    near_misses_are_unknown = True

    spans: Detector | None = None
    """Whose spans are judged; null for sentences."""
    window: Annotated[int, Ge(1)] = 20
    """How many sentences, or spans, are labelled by one request."""
    context: Annotated[int, Ge(0)] = 3
    """How many sentences before and after are shown with them."""
    scope: Scope = "completion"
    """Where to look: `completion`, all that the model wrote; `thought` or `answer` alone; or `prompt`, what others
    wrote."""

    def __post_init__(self) -> None:
        self.check_settings("judge")
        if self.spans is not None and self.spans.whole_texts:
            raise ConfigError("`spans` of the detector `judge` labels whole texts: take the detector `judge_text`")
        if self.spans is not None and self.spans.scope != self.scope:
            raise ConfigError(
                f"the detector `judge` looks in the {self.scope}, and its `spans` in the {self.spans.scope}: give both "
                "the same `scope`"
            )

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield what the judge gives a label of the behaviour.

        Raises:
            NeurosieveError: the judge cannot be asked for what has no kept answer.
        """
        for bounds, place, labels in self._labelled(document):
            if chosen := [label for label in labels.labels.get(place, ()) if label in self.behaviour_labels]:
                yield Span(*bounds, ", ".join(chosen))

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield what has no sound answer, labelled with the reason."""
        for bounds, place, labels in self._labelled(document):
            if place in labels.unknown:
                yield Span(*bounds, labels.unknown[place])
        if self.spans is not None:
            yield from self.spans.near_misses(document)

    def check(self, documents: Sequence[Document | TokenizedDocument]) -> None:
        """Raise where the settings of `spans` fit none of the documents.

        Raises:
            DataError: the message says what the documents hold instead.
        """
        if self.spans is not None:
            self.spans.check(documents)

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterator[str]:
        """Ask for all documents, several requests at a time, and yield what a run is to note of it.

        Raises:
            NeurosieveError: the judge cannot be asked, or the budget is used up; all answers that came are kept.
        """
        if self.spans is not None and self.spans.looks_ahead:
            yield from self.spans.prepare(documents, progress)
        yield from prepared(self, self._kind, self._windows_of(documents), progress)

    def estimate(self, documents: Sequence[Document]) -> str:
        """Return what has to be asked for some documents."""
        if self.spans is not None and (before := self.spans.estimate(documents)):
            return f"{before}, and then the judge's requests for what is found"
        return estimated(self, self._kind, self._windows_of(documents))

    @property
    def _kind(self) -> Kind:
        return "sentence" if self.spans is None else "span"

    def _windows(self, document: Document) -> Iterable[Window]:
        if self.spans is None:
            return sentence_windows(document, self.scope, self.window, self.context)
        return span_windows(document, self.spans.detect(document), self.scope, self.window, self.context)

    def _windows_of(self, documents: Sequence[Document]) -> list[Window]:
        return [window for document in documents for window in self._windows(document)]

    def _labelled(self, document: Document) -> Iterator[tuple[tuple[int, int], int, Labels]]:
        """Yield each stretch that is judged, its place in its window, and what is known of that window."""
        windows = list(self._windows(document))
        for window, labels in zip(windows, labels_of(self, self._kind, windows), strict=True):
            for place, bounds in enumerate(window.bounds):
                yield bounds, place, labels
