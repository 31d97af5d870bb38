"""How a record makes a document."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from neurosieve import ConfigError, DataError, Document, Skipped, Span, plural
from neurosieve_plugins.layout import Layout, OnBadRecord
from neurosieve_plugins.records import Record, RecordError, kind_of, name_of, same_fields, spans_of, text_of, value_at
from neurosieve_plugins.sources.authorship import Authorship, TurnMarks, lacks_marker
from neurosieve_plugins.sources.chat_columns import columns_of
from neurosieve_plugins.sources.known_fields import conversation_fields
from neurosieve_plugins.sources.thought_marks import MarkerFamily

__all__ = ["DocumentLayout"]

_ABSENT: Any = object()


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
    prompts_only: bool = False
    """Whether the texts are prompts, with no completion."""
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
        self._check_fields_of(record)
        text = self.text(record, "text")
        prompt = "" if self.prompt_field is None else text_of(record, "source.prompt_field", self.prompt_field)
        identity = self.id(record)
        group = None if self.group_field is None else name_of(record, "source.group_field", self.group_field)
        declared = self._declared_start(record, prompt, text)
        known_start = len(prompt) if declared is None and prompt else declared
        whole = prompt + text
        words = self._authorship.words_of(whole, known_start, declared is not None, group or "")
        annotations: tuple[Span, ...] = ()
        weights: tuple[float, ...] = ()
        if self.spans_field is not None:
            spans = spans_of(record, self.spans_field, len(text), setting="source.spans_field")
            annotations = tuple(Span(begin + len(prompt), end + len(prompt), label) for begin, end, label in spans)
            weights = _weights_of(record, self.spans_field)
        document = Document(
            identity,
            whole,
            group or whole[: words.completion_start].strip() or identity,
            words.completion_start,
            annotations,
            self.other_fields(record),
            words.passages,
            words.assumptions,
            weights,
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

    def _check_fields_of(self, record: Record) -> None:
        """Raise RecordError where a record of another layout lacks its id and other fields: all are told at once."""
        names = {name: getattr(self, name) for name in ("text_field", "prompt_field", "id_field", "group_field")}
        absent = [name for name, field in names.items() if field and value_at(record.fields, field, _ABSENT) is _ABSENT]
        if "id_field" not in absent or len(absent) < 2 or conversation_fields(record.fields):
            return
        lacking = " nor ".join(f"`{names[name]}`" for name in absent)
        has = ", ".join(f"`{name}`" for name in record.fields) or "no field at all"
        nulls = " ".join(f"source.{name}=null" for name in absent if name != "text_field")
        advice = f"set the fields that it has instead, and `{nulls}` where there is none"
        if "text_field" in absent:
            advice = f"set `source.text_field` to the field with the text, and `{nulls}` unless there are such fields"
        if _holds_answer(record):
            advice += "; or read it with `source=chat`, which finds what is asked and answered by the names of fields"
        raise RecordError(record.where, f"has no {lacking}; it has {has}", advice)

    def _declared_start(self, record: Record, prompt: str, text: str) -> int | None:
        """Return the character of prompt and text where the record says that the completion starts."""
        start = None if self.start_field is None else value_at(record.fields, self.start_field)
        if self.prompts_only:
            if start is not None:
                raise RecordError(
                    record.where,
                    f"says in `{self.start_field}` where a completion starts, and `source.prompts_only` that none does",
                    "leave out `source.prompts_only`, or set `source.start_field=null`",
                )
            return len(prompt) + len(text)
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


def _weights_of(record: Record, field: str) -> tuple[float, ...]:
    """Return the weights of spans, as `neurosieve annotate` writes them where only a sample of sentences was labelled.

    Elsewhere a `weight` of a span may be anything, and is left alone.

    Raises:
        RecordError: some spans have a weight and others have none, or one is no number above 0.
    """
    weights = [span.get("weight") for span in value_at(record.fields, field)]
    if record.fields.get("unlabelled") != "not known" or all(weight is None for weight in weights):
        return ()
    for number, weight in enumerate(weights, start=1):
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise RecordError(
                record.where,
                f"lists span {number} without a number above 0 in `weight`, where other spans have one",
                "take the file as `neurosieve annotate` wrote it",
            )
    return tuple(map(float, weights))


def _holds_answer(record: Record) -> bool:
    """Return whether the names of a record's fields say what is asked in it and what is answered."""
    try:
        return columns_of(record, None) is not None
    except RecordError:  # Several may be the answer: `source=chat` asks which.
        return True
