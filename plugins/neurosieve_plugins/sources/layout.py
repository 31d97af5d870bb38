"""How a record makes a document."""

from dataclasses import dataclass

from neurosieve import ConfigError, Document, Span
from neurosieve_plugins.layout import Layout, OnBadRecord
from neurosieve_plugins.records import Record, RecordError, kind_of, name_of, spans_of, text_of, value_at

__all__ = ["DocumentLayout"]


@dataclass(frozen=True)
class DocumentLayout(Layout[Document]):
    """Which field of a record holds what, and how a document is made of them."""

    text_field: str
    prompt_field: str | None
    group_field: str | None
    id_field: str | None
    spans_field: str | None
    completion_marker: str | None
    start_field: str | None = None
    """The field with the character of the text where the completion starts, for records that have it."""
    on_bad_record: OnBadRecord = "error"

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [self.text_field, self.prompt_field, self.id_field, self.spans_field]
        if twice := sorted({name for name in names if name is not None and names.count(name) > 1}):
            raise ConfigError(f"`{twice[0]}` is given for two of a record's fields: name each field once")

    def items_of(self, record: Record) -> tuple[Document]:
        """Return the document that a record makes.

        Raises:
            RecordError: the record lacks a field, or holds something else in it.
        """
        text = self.text(record, "text")
        prompt = "" if self.prompt_field is None else text_of(record, "prompt_field", self.prompt_field)
        start = self._start(record, prompt, text)
        identity = self.id(record)
        if self.group_field is not None:
            group = name_of(record, "group_field", self.group_field)
        else:
            group = (prompt + text)[:start].strip() or identity
        annotations: tuple[Span, ...] = ()
        if self.spans_field is not None:
            spans = spans_of(record, self.spans_field, len(text))
            annotations = tuple(Span(begin + len(prompt), end + len(prompt), label) for begin, end, label in spans)
        return (Document(identity, prompt + text, group, start, annotations, self.other_fields(record)),)

    def _start(self, record: Record, prompt: str, text: str) -> int:
        """Return the character of prompt and text where the completion starts."""
        start = None if self.start_field is None else value_at(record.fields, self.start_field)
        if start is None:
            marker = -1 if self.completion_marker is None else (prompt + text).find(self.completion_marker)
            return max(len(prompt), 0 if marker < 0 else marker + len(self.completion_marker or ""))
        if isinstance(start, bool) or not isinstance(start, int) or not 0 <= start <= len(text):
            value = start if isinstance(start, int) else kind_of(start)
            raise RecordError(
                record.where,
                f"holds {value} in `{self.start_field}`, where a character of its {len(text)} is needed",
                "correct the record, or set `start_field` to null",
            )
        return len(prompt) + start
