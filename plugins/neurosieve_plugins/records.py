"""Records as files and data sets hold them, field by field."""

import dataclasses
import math
import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from neurosieve import DataError, Span

__all__ = [
    "Record",
    "RecordError",
    "kind_of",
    "name_of",
    "record_of",
    "same_fields",
    "spans_of",
    "text_of",
    "value_at",
    "value_of",
]

T = TypeVar("T")

_WHOLE = 2**53
"""From here on, not every whole number is a float: two ids may have become one before they were written."""


class Record(NamedTuple):
    """One record, and where it stands, for messages: "record 3 (line 4) of traces.jsonl"."""

    fields: Mapping[str, Any]
    number: int
    """Its number in its file, from 1."""
    where: str
    prefix: str = ""
    """What goes before its id, where several files are read."""


class RecordError(DataError):
    """A record is not what is expected of it. Where a source says so, such records are skipped and counted."""

    def __init__(self, where: str, why: str, advice: str) -> None:
        super().__init__(where, why, advice)
        self.where = where
        self.why = why
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.where} {self.why}: {self.advice}"


def same_fields(cls: type[T], plugin: object, **changed: Any) -> T:
    """Return a dataclass with the values of the plugin's fields of the same names, or those in `changed`."""
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]  # A dataclass.
    return cls(**{name: getattr(plugin, name) for name in names if hasattr(plugin, name)} | changed)


def record_of(value: Any, number: int, where: str) -> Record:
    """Return the record that a value of a file is.

    Raises:
        RecordError: it is not an object.
    """
    if not isinstance(value, dict):
        raise RecordError(where, f"is {kind_of(value)}, not an object", 'write it as {"field": value, ...}')
    return Record(value, number, where)


def kind_of(value: Any) -> str:
    """Return what a value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case float() if math.isnan(value):
            return "nan"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
    return f"a `{type(value).__name__}`"


def value_at(fields: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """Return what stands at a path into nested records, or the default where the path leads nowhere.

    A step of a path is a field of an object, or a place in a list, from 0 or, from its end, from -1. A field whose
    very name holds dots goes before a path of that spelling.

    >>> value_at({"choices": [{"message": {"content": "Two."}}]}, "choices.0.message.content")
    'Two.'
    >>> value_at({"a.b": 1, "a": {"b": 2}}, "a.b")
    1
    """
    if path in fields:
        return fields[path]
    value, rest = _follow(fields, path)
    return value if rest is None else default


def _follow(value: Any, path: str) -> tuple[Any, str | None]:
    """Return the value that a path leads to, or gets as far as, and the rest of the path; None where it arrives."""
    rest: str | None = path
    while rest is not None:
        if isinstance(value, Mapping):
            ends = [len(rest), *(at for at in range(len(rest) - 1, -1, -1) if rest[at] == ".")]
            end = next((end for end in ends if rest[:end] in value), None)
            if end is None:
                break
            value = value[rest[:end]]
        elif isinstance(value, list | tuple):
            step = rest.partition(".")[0]
            end = len(step)
            if not step.removeprefix("-").isdecimal() or not -len(value) <= int(step) < len(value):
                break
            value = value[int(step)]
        else:
            break
        rest = rest[end + 1 :] if end < len(rest) else None
    return value, rest


def value_of(record: Record, setting: str, field: str) -> Any:
    """Return what stands in `field` of a record, the name of a field or a path into nested ones.

    Raises:
        RecordError: it has no such field; the message says how far the path leads, and points at the `setting` that
            names the field.
    """
    if field in record.fields:
        return record.fields[field]
    value, rest = _follow(record.fields, field)
    if rest is None:
        return value
    reached = field[: len(field) - len(rest)].removesuffix(".")
    what = f"its `{reached}`" if reached else "it"
    raise RecordError(
        record.where, f"has no `{field}`; {what} {_contents(value)}", f"correct the record, or set `{setting}`"
    )


def _contents(value: Any) -> str:
    """Return what a value holds, for a message about a path that leads no further."""
    if isinstance(value, Mapping):
        names = textwrap.shorten(", ".join(f"`{name}`" for name in value), 300, placeholder=" …")
        return f"has {names}" if names else "has no field at all"
    if isinstance(value, list | tuple):
        return f"is a list with the places 0 to {len(value) - 1}" if value else "is an empty list"
    return f"is {kind_of(value)}"


def text_of(record: Record, setting: str, field: str) -> str:
    """Return the text that `field` of a record holds.

    Raises:
        RecordError: it is something else; the message points at the `setting` that names the field.
    """
    value = value_of(record, setting, field)
    if not isinstance(value, str):
        raise RecordError(
            record.where,
            f"holds {kind_of(value)} in `{field}`, not a text",
            f"correct the record, or set `{setting}`",
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RecordError(
            record.where,
            f"holds half a character (a lone surrogate) in `{field}`, at {error.start}, which no tokenizer can read",
            "correct the record",
        ) from error
    return value


def name_of(record: Record, setting: str, field: str) -> str:
    """Return the name that `field` of a record holds: a text, or a whole number as text, 7.0 as 7.

    Raises:
        RecordError: it is something else; the message points at the `setting` that names the field.
    """
    value = value_of(record, setting, field)
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))  # A table in which one number is missing holds the others as 7.0.
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        what = f"{value}, which stands for several whole numbers,"
    elif isinstance(value, float):
        what = f"{value}"
    else:
        what = "a blank text" if isinstance(value, str) else kind_of(value)
    raise RecordError(
        record.where,
        f"holds {what} in `{field}`, where a text or a whole number is needed",
        f"correct the record, or set `{setting}`",
    )


def spans_of(
    record: Record,
    field: str,
    length: int | None = None,
    start: str = "start",
    end: str = "end",
    label: str = "label",
    setting: str = "spans_field",
) -> tuple[Span, ...]:
    """Return the spans that `field` of a record lists, each an object with a start, an end and perhaps a label.

    Args:
        length: how many characters the text has that the spans lie in; None if that is not known.
        start: the field of a span with its first character.
        end: the field of a span with the character behind its last.
        label: the field of a span with what it shows.
        setting: the setting that names the field, for messages.

    Raises:
        RecordError: it lists something else, or a span that does not lie in the text.
    """
    items = value_of(record, setting, field)
    if not isinstance(items, list | tuple):
        raise RecordError(record.where, f"holds {kind_of(items)} in `{field}`, not a list of spans", "correct it")
    spans = []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise RecordError(
                record.where,
                f"lists {kind_of(item)} as span {number}, not an object",
                f'write it as {{"{start}": 0, "{end}": 4}}',
            )
        bounds = []
        for name in (start, end):
            bound = item.get(name)
            if isinstance(bound, bool) or not isinstance(bound, int):
                raise RecordError(
                    record.where,
                    f"lists span {number} without a whole number in `{name}`",
                    f"give the character where it has its {name}",
                )
            bounds.append(bound)
        first, behind = bounds
        if not 0 <= first < behind or (length is not None and behind > length):
            size = "" if length is None else f", and the text has {length} characters"
            raise RecordError(
                record.where, f"lists span {number} from {first} to {behind}{size}", "a span must hold some of the text"
            )
        name = item.get(label, "")
        if not isinstance(name, str):
            raise RecordError(
                record.where,
                f"lists span {number} with {kind_of(name)} in `{label}`, where a text is needed",
                "correct it",
            )
        spans.append(Span(first, behind, name))
    return tuple(spans)
