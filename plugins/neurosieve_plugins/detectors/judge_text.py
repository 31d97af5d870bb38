"""Detect whole texts that a language model gives a label."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from neurosieve import Detector, Document, Scope, Span
from neurosieve_plugins.judge.asking import labels_of
from neurosieve_plugins.judge.settings import JudgeSettings
from neurosieve_plugins.judge.summary import estimated, prepared
from neurosieve_plugins.judge.windows import Window, text_window

__all__ = ["JudgeText"]


@dataclass(frozen=True)
class JudgeText(JudgeSettings, Detector):
    """Whole texts that a language model gives a label of a taxonomy, asked through an OpenAI-compatible server.

    The texts with another label, or with none, are those to compare with. Of a text without a sound answer nothing is
    known, nor of a blank one: it counts neither as the behaviour nor as a control. All answers are kept; behaviours
    that share taxonomy and model share them too.

    >>> judge = JudgeText("refusal", "a-model", base_url="http://localhost:8000/v1")
    >>> judge.estimate([Document(id="a", group="a", text="I will not help with that.")]).partition(",")[0]
    '1 request to `a-model` at http://localhost:8000/v1'
    """

    whole_texts = True
    looks_ahead = True
    asks_server = True
    near_misses_are_unknown = True

    scope: Scope = "completion"
    """What is judged and marked: all that the model wrote (`completion`), its `thought` or `answer` alone, or the
    `prompt`."""

    def __post_init__(self) -> None:
        self.check_settings("judge_text")

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield each stretch of the scope of a document that the judge gives a label of the behaviour.

        Raises:
            NeurosieveError: the judge cannot be asked for what has no kept answer.
        """
        labels, _ = self._judgement(document)
        if chosen := [label for label in labels if label in self.behaviour_labels]:
            yield from (Span(start, end, ", ".join(chosen)) for start, end in document.stretches(self.scope))

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield each stretch of the scope of a document of which nothing is known, labelled with the reason."""
        _, why = self._judgement(document)
        if why:
            yield from (Span(start, end, why) for start, end in document.stretches(self.scope))

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterator[str]:
        """Ask for all documents, several requests at a time, and yield what a run is to note of it.

        Raises:
            NeurosieveError: the judge cannot be asked, or the budget is used up; all answers that came are kept.
        """
        yield from prepared(self, "text", self._windows_of(documents), progress)

    def estimate(self, documents: Sequence[Document]) -> str:
        """Return what has to be asked for some documents."""
        return estimated(self, "text", self._windows_of(documents))

    def _windows_of(self, documents: Sequence[Document]) -> list[Window]:
        windows = (text_window(document, self.scope) for document in documents)
        return [window for window in windows if window is not None]

    def _judgement(self, document: Document) -> tuple[tuple[str, ...], str]:
        """Return the labels of a document, and why they are not known, where they are not."""
        window = text_window(document, self.scope)
        if window is None:
            return (), "it is blank"
        [labels] = labels_of(self, "text", [window])
        return labels.labels.get(0, ()), labels.unknown.get(0, "")
