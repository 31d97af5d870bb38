"""How a record makes a document."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neurosieve import ConfigError, DataError, Document, Skipped, Span, plural
from neurosieve_plugins.layout import Layout, OnBadRecord
from neurosieve_plugins.records import Record, RecordError, kind_of, name_of, same_fields, spans_of, text_of, value_at
from neurosieve_plugins.sources.authorship import Authorship, TurnMarks, lacks_marker
from neurosieve_plugins.sources.known_fields import conversation_fields
from neurosieve_plugins.sources.thought_marks import MarkerFamily

__all__ = ["DocumentLayout"]


@dataclass(frozen=True)
class DocumentLayout(Layout[Document]):
    """Which field of a record holds what, and how a document is made of them."""

    key = "source"
    text_field: str
    prompt_field: str | None
    group_field: str | None
    id_field: str | None
    spans_field: str | None
    completion_marker: str | None
    start_field: str | None = None
    """The field with the character of the text where the completion starts, for records that have it."""
    on_bad_record: OnBadRecord = "error"
    thought_end: str | None = None
    markers: MarkerFamily | None = None
    turn_marks: TurnMarks | None = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [self.text_field, self.prompt_field, self.id_field, self.spans_field]
        if twice := sorted({name for name in names if name is not None and names.count(name) > 1}):
            raise ConfigError(f"`{twice[0]}` is given for two of a record's fields: name each field once")
        _ = self._authorship

    @property
    def _authorship(self) -> Authorship:
        return same_fields(Authorship, self)

    def items(self, records: Iterable[Record | RecordError]) -> Iterator[Document | Skipped]:
        """Yield as any layout does.

        Raises:
            DataError: as there; or most records do not hold the marker, while others do.
        """
        return self._where_markers_agree(super().items(records))

    def items_of_stream(self, records: Iterable[Record | RecordError]) -> Iterator[Document | Skipped]:
        """Yield as any layout does, and raise as `items` does."""
        return self._where_markers_agree(super().items_of_stream(records))

    def _where_markers_agree(self, documents: Iterator[Document | Skipped]) -> Iterator[Document | Skipped]:
        number = lacking = 0
        for document in documents:
            if isinstance(document, Document):
                number += 1
                lacking += lacks_marker(document)
            yield document
        if number / 2 < lacking < number:
            raise DataError(
                f"in {lacking:,} of {plural(number, 'record')} nothing says where the completion starts, while the "
                "others have a mark: set `source.markers` or `source.completion_marker` to what stands before each "
                "completion, or give `source.prompt_field` or `source.start_field`; with "
                "`source.completion_marker=null` every whole text is the model's"
            )

    def items_of(self, record: Record) -> tuple[Document]:
        """Return the document that a record makes.

        Raises:
            RecordError: the record lacks a field, or holds something else in it.
        """
        text = self.text(record, "text")
        prompt = "" if self.prompt_field is None else text_of(record, "source.prompt_field", self.prompt_field)
        identity = self.id(record)
        group = None if self.group_field is None else name_of(record, "source.group_field", self.group_field)
        declared = self._declared_start(record, prompt, text)
        known_start = len(prompt) if declared is None and prompt else declared
        whole = prompt + text
        words = self._authorship.words_of(whole, known_start, declared is not None, group or "")
        annotations: tuple[Span, ...] = ()
        if self.spans_field is not None:
            spans = spans_of(record, self.spans_field, len(text), setting="source.spans_field")
            annotations = tuple(Span(begin + len(prompt), end + len(prompt), label) for begin, end, label in spans)
        document = Document(
            identity,
            whole,
            group or whole[: words.completion_start].strip() or identity,
            words.completion_start,
            annotations,
            self.other_fields(record),
            words.passages,
            words.assumptions,
        )
        return (document,)

    def text(self, record: Record, what: str) -> str:
        """Return the text of a record, which is not blank.

        Raises:
            RecordError: it has none; the message says so where it holds a conversation.
        """
        if not isinstance(value_at(record.fields, self.text_field), str):
            names = conversation_fields(record.fields)
            if shown := " and ".join(f"`{name}`" for name in names):
                why = f"has no text in `{self.text_field}`, and holds a conversation in {shown}"
                advice = "read the file with `source=chat`, or set `source.text_field` to the field with the text"
                raise RecordError(record.where, why, advice)
        return super().text(record, what)

    def _declared_start(self, record: Record, prompt: str, text: str) -> int | None:
        """Return the character of prompt and text where the record says that the completion starts."""
        start = None if self.start_field is None else value_at(record.fields, self.start_field)
        if start is None:
            return None
        if isinstance(start, bool) or not isinstance(start, int) or not 0 <= start <= len(text):
            value = start if isinstance(start, int) else kind_of(start)
            raise RecordError(
                record.where,
                f"holds {value} in `{self.start_field}`, where a character of its {len(text)} is needed",
                "correct the record, or set `source.start_field=null`",
            )
        return len(prompt) + start
