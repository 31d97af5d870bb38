"""Records as JSON files and data sets hold them, field by field."""

import dataclasses
import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from neurosieve import DataError, Span

__all__ = [
    "Record",
    "kind_of",
    "name_of",
    "record_of",
    "same_fields",
    "spans_of",
    "text_of",
    "value_of",
]

T = TypeVar("T")


class Record(NamedTuple):
    """One record, and where it stands, for messages: "record 3 (line 4) of traces.jsonl"."""

    fields: Mapping[str, Any]
    number: int
    """Its number in its file, from 1."""
    where: str
    prefix: str = ""
    """What goes before its id, where several files are read."""


def same_fields(cls: type[T], plugin: object) -> T:
    """Return a dataclass whose fields have the values of the plugin's fields of the same names."""
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]  # A dataclass.
    return cls(**{name: getattr(plugin, name) for name in names if hasattr(plugin, name)})


def record_of(value: Any, number: int, where: str) -> Record:
    """Return the record that a value of a file is.

    Raises:
        DataError: it is not an object.
    """
    if not isinstance(value, dict):
        raise DataError(f'{where} is {kind_of(value)}, not an object: write it as {{"field": value, ...}}')
    return Record(value, number, where)


def kind_of(value: Any) -> str:
    """Return what a value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
    return f"a `{type(value).__name__}`"


def value_of(record: Record, setting: str, field: str) -> Any:
    """Return what `field` of a record holds.

    Raises:
        DataError: it has no such field; the message points at the `setting` that names the field.
    """
    if field not in record.fields:
        names = textwrap.shorten(", ".join(f"`{name}`" for name in record.fields), 300, placeholder=" …")
        has = f"it has {names}" if names else "it has no field at all"
        raise DataError(f"{record.where} has no `{field}`; {has}: correct the record, or set `{setting}`")
    return record.fields[field]


def text_of(record: Record, setting: str, field: str) -> str:
    """Return the text that `field` of a record holds.

    Raises:
        DataError: it is something else; the message points at the `setting` that names the field.
    """
    value = value_of(record, setting, field)
    if not isinstance(value, str):
        raise DataError(
            f"`{field}` of {record.where} is {kind_of(value)}, not a text: correct the record, or set `{setting}`"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"`{field}` of {record.where} holds half a character (a lone surrogate) at {error.start}, "
            "which no tokenizer can read: correct the record"
        ) from error
    return value


def name_of(record: Record, setting: str, field: str) -> str:
    """Return the name that `field` of a record holds: a text, or a whole number as text.

    Raises:
        DataError: it is something else; the message points at the `setting` that names the field.
    """
    value = value_of(record, setting, field)
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
        what = "blank" if isinstance(value, str) else kind_of(value)
        raise DataError(
            f"`{field}` of {record.where} is {what}, where a text or a whole number is needed: "
            f"correct the record, or set `{setting}`"
        )
    return str(value)


def spans_of(
    record: Record, field: str, length: int | None = None, start: str = "start", end: str = "end", label: str = "label"
) -> tuple[Span, ...]:
    """Return the spans that `field` of a record lists, each an object with a start, an end and perhaps a label.

    Args:
        length: how many characters the text has that the spans lie in; None if that is not known.
        start: the field of a span with its first character.
        end: the field of a span with the character behind its last.
        label: the field of a span with what it shows.

    Raises:
        DataError: it lists something else, or a span that does not lie in the text.
    """
    items = value_of(record, "spans_field", field)
    if not isinstance(items, list | tuple):
        raise DataError(f"`{field}` of {record.where} is {kind_of(items)}, not a list of spans: correct it")
    spans = []
    for number, item in enumerate(items, start=1):
        where = f"span {number} of {record.where}"
        if not isinstance(item, dict):
            raise DataError(f'{where} is {kind_of(item)}, not an object: write it as {{"{start}": 0, "{end}": 4}}')
        bounds = []
        for name in (start, end):
            bound = item.get(name)
            if isinstance(bound, bool) or not isinstance(bound, int):
                raise DataError(f"{where} has no whole number in `{name}`: give the character where it has its {name}")
            bounds.append(bound)
        first, behind = bounds
        if not 0 <= first < behind or (length is not None and behind > length):
            size = "" if length is None else f", and the text has {length} characters"
            raise DataError(f"{where} goes from {first} to {behind}{size}: a span must hold some of the text")
        name = item.get(label, "")
        if not isinstance(name, str):
            raise DataError(f"{where} has {kind_of(name)} in `{label}`, where a text is needed: correct it")
        spans.append(Span(first, behind, name))
    return tuple(spans)
