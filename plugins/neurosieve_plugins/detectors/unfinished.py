"""Detect texts that were cut off, or that never leave their thought."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from neurosieve import ConfigError, Detector, Document, Scope, Span, check_fields
from neurosieve_plugins.detectors.field_values import name_of_value
from neurosieve_plugins.records import value_at
from neurosieve_plugins.sources.thought_marks import FAMILIES

__all__ = ["Unfinished"]

_ENDINGS: Mapping[str, bool] = {
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "max_length", "model_length", "incomplete"), True),
    **dict.fromkeys(("stop", "end_turn", "eos", "eos_token", "stop_sequence", "completed", "end"), False),
}
"""Whether a text was cut off, by why it stopped: in the words of OpenAI, Anthropic, Google, vLLM, TGI, Inspect."""
_ENDED = ("ended", "finished", "completed", "is_reasoning_complete")
"""A field of such a name is true where the text was not cut off; any other, such as `truncated`, where it was."""


@dataclass(frozen=True)
class Unfinished(Detector):
    """Whole texts that hit a token limit, as their record says, or whose thought is opened and never closed.

    The texts to compare with are those that ended, as their record says, and those that closed their thought where
    their record says nothing. Of a text without a thought whose record says nothing, nothing is known: it counts
    neither as the behaviour nor as a control.

    >>> answer = Document(id="a", group="a", text="So 12 + 7 is", metadata={"finish_reason": "length"})
    >>> list(Unfinished().detect(answer))
    [Span(start=0, end=12, label='`finish_reason` is `length`')]
    """

    whole_texts = True

    fields: tuple[str, ...] = (
        "ended",
        "truncated",
        "is_reasoning_complete",
        "finish_reason",
        "stop_reason",
        "done_reason",
        "finishReason",
        "response.body.incomplete_details.reason",
        "response.body.status",
    )
    """The fields of the record, or paths into nested ones, that say how the text stopped: the first that says it. They
    hold a reason, such as `length` or `stop`, or true or false: `ended`, or else the opposite of it."""
    thought_end: str | None = None
    """What ends a thought, where it is none of the marks that sources know, such as `</think>`."""
    scope: Scope = "completion"
    """What is marked: all that the model wrote (`completion`), its `thought` or `answer` alone, or the `prompt`."""

    def __post_init__(self) -> None:
        if isinstance(self.fields, str):
            raise ConfigError(f"`fields` of the detector `unfinished` is a text: give a list, [{self.fields}]")
        check_fields(self, "the detector `unfinished`: ")
        if self.thought_end is not None and not self.thought_end.strip():
            raise ConfigError("`thought_end` of the detector `unfinished` is blank: give what ends a thought, or null")

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield each stretch of the scope of a document that is unfinished, labelled with how that is known."""
        unfinished, why = self._judgement(document)
        if unfinished:
            yield from (Span(start, end, why) for start, end in document.stretches(self.scope))

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield each stretch of the scope of a document of which that is not known, labelled with the reason."""
        unfinished, why = self._judgement(document)
        if unfinished is None:
            yield from (Span(start, end, why) for start, end in document.stretches(self.scope))

    def _judgement(self, document: Document) -> tuple[bool | None, str]:
        """Return whether a document is unfinished, None where that is not known, and how or why."""
        cut_off, why = self._by_record(document)
        closed = self._closes_its_thought(document)
        if cut_off:
            return True, why
        if closed is False:
            return True, "its thought is never closed"
        if cut_off is None and closed:
            return False, "its thought is closed"
        return cut_off, why

    def _by_record(self, document: Document) -> tuple[bool | None, str]:
        """Return whether a document was cut off, by its record."""
        unread = ""
        for field in self.fields:
            value = value_at(document.metadata, field)
            name = name_of_value(value)
            if name in ("true", "false"):
                says_ended = field.rpartition(".")[2] in _ENDED
                return (name == "true") is not says_ended, f"`{field}` is `{name}`"
            if name is not None and name in _ENDINGS:
                return _ENDINGS[name], f"`{field}` is `{name}`"
            if name:  # A field further on may say it in words that are known.
                unread = unread or f"`{field}` is `{name}`"
        return None, unread or "its record does not say how it ended, and it has no thought"

    def _closes_its_thought(self, document: Document) -> bool | None:
        """Return whether the last thought is closed: by its mark, or as the model writes on; None without a thought."""
        thoughts = [
            passage for passage in document.passages if passage.role == "thought" and passage.start < passage.end
        ]
        if not thoughts:
            return None
        last = thoughts[-1]
        if document.stretches()[-1][1] > last.end:
            return True
        ends = [marks.end for marks in FAMILIES.values() if marks.end] + [self.thought_end or ""]
        text = document.text[last.start : last.end].rstrip()
        return any(end and text.endswith(end) for end in ends)
