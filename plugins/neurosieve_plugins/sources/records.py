"""Records as JSON files and data sets hold them, and the documents that they make."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from neurosieve import ConfigError, DataError, Document, Span, nearest

__all__ = ["Layout", "Record", "check_file", "decode", "name_of", "read_records", "spans_of"]


class Record(NamedTuple):
    """One record, and where it stands, for messages: "record 3 (line 4) of traces.jsonl"."""

    fields: Mapping[str, Any]
    number: int
    """Its number in its file, from 1."""
    where: str


@dataclass(frozen=True)
class Layout:
    """Which field of a record holds what, and how a document is made of them."""

    text_field: str
    prompt_field: str | None
    group_field: str | None
    id_field: str | None
    spans_field: str | None
    completion_marker: str | None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value.strip():
                hint = "" if name == "text_field" else ", or set it to null"
                raise ConfigError(f"`{name}` is empty: name what the records hold{hint}")
        places = [self.text_field, self.prompt_field, self.id_field, self.spans_field]
        named = [place for place in places if place is not None]
        if twice := sorted({place for place in named if named.count(place) > 1}):
            raise ConfigError(f"`{twice[0]}` is given for two of a record's fields: name each field once")

    def document(self, record: Record, prefix: str = "") -> Document:
        """Return the document that a record makes; `prefix` goes before its id.

        Raises:
            DataError: the record lacks a field, or holds something else in it.
        """
        text = _text(record, "text_field", self.text_field)
        if not text.strip():
            raise DataError(f"{record.where} has no text, for its `{self.text_field}` is blank: leave the record out")
        prompt = "" if self.prompt_field is None else _text(record, "prompt_field", self.prompt_field)
        marker = -1 if self.completion_marker is None else (prompt + text).find(self.completion_marker)
        after_marker = 0 if marker < 0 else marker + len(self.completion_marker or "")
        start = max(len(prompt), after_marker)
        identity = str(record.number) if self.id_field is None else name_of(record, "id_field", self.id_field)
        if self.group_field is not None:
            group = name_of(record, "group_field", self.group_field)
        else:
            group = (prompt + text)[:start].strip() or prefix + identity
        annotations: tuple[Span, ...] = ()
        if self.spans_field is not None:
            found = spans_of(record, self.spans_field, len(text))
            annotations = tuple(Span(begin + len(prompt), end + len(prompt), label) for begin, end, label in found)
        taken = vars(self).values()
        metadata = {name: value for name, value in record.fields.items() if name not in taken}
        return Document(prefix + identity, prompt + text, group, start, annotations, metadata)

    def documents(self, records: Iterable[tuple[str, Record]]) -> Iterator[Document]:
        """Yield the document of each record, given with what goes before its id.

        Raises:
            DataError: a record makes no document, or two of them share an id.
        """
        seen: dict[str, str] = {}
        for prefix, record in records:
            document = self.document(record, prefix)
            if document.id in seen:
                raise DataError(
                    f"{record.where} has the id `{document.id}`, which {seen[document.id]} has too: "
                    "give each record an id of its own, or set `id_field` to null to number the records"
                )
            seen[document.id] = record.where
            yield document


def check_file(path: Path) -> None:
    """Make sure that there is a file at `path`.

    Raises:
        DataError: there is none; the message gives the nearest names of its folder.
    """
    if path.is_file():
        return
    if path.is_dir():
        raise DataError(f"{path} is a folder: give a file in it, or a pattern such as `{path}/*.jsonl`")
    if not path.parent.is_dir():
        raise DataError(f"there is no file {path}, nor a folder {path.parent}: correct the path")
    hint = textwrap.shorten(nearest(path.name, (file.name for file in path.parent.iterdir())), 300, placeholder=" …")
    raise DataError(f"there is no file {path}; in {path.parent}: {hint}")


def decode(data: bytes, path: Path, line: int = 1) -> str:
    """Return the text of `data`, which begins at `line` of the file at `path`, without a byte-order mark.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = line + data.count(b"\n", 0, error.start)
        raise DataError(
            f"line {at} of {path} is not UTF-8 (byte 0x{data[error.start]:02x}): convert the file, "
            f"as with `iconv -f latin1 -t utf-8`"
        ) from error


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a file: one JSON array of objects, or one object a line, which is read as it goes.

    A file named `.json` holds an array; any other holds what its first character says.

    Raises:
        DataError: the file is not there, holds no record, or holds what is no record.
    """
    try:
        check_file(path)
        with path.open("rb") as file:
            beginning = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
        is_array = path.suffix.lower() == ".json" or beginning.startswith(b"[")
        empty = True
        for record in _of_array(path) if is_array else _of_lines(path):
            empty = False
            yield record
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): see to its permissions and its disk") from error
    if empty:
        raise DataError(f"{path} holds no record: give a file that holds at least one")


def _of_array(path: Path) -> Iterator[Record]:
    text = decode(path.read_bytes(), path)
    if not text.strip():
        return
    try:
        records = json.loads(text)
    except json.JSONDecodeError as error:
        if text.lstrip().startswith("{") and error.msg == "Extra data":
            raise _no_array(path) from error
        raise _broken(path, error.lineno, error, cut=_at_end(text, error)) from error
    if not isinstance(records, list):
        raise _no_array(path)
    for number, record in enumerate(records, start=1):
        yield _record(record, number, f"record {number} of {path}")


def _of_lines(path: Path) -> Iterator[Record]:
    number = 0
    with path.open("rb") as lines:
        for line, data in enumerate(lines, start=1):
            text = decode(data, path, line)
            if not text.strip():
                continue
            number += 1
            try:
                record = json.loads(text)
            except json.JSONDecodeError as error:
                raise _broken(path, line, error, cut=not data.endswith(b"\n")) from error
            yield _record(record, number, f"record {number} (line {line}) of {path}")


def _at_end(text: str, error: json.JSONDecodeError) -> bool:
    # A string that the end cuts off is reported where it starts.
    return error.msg.startswith("Unterminated string") or not text[error.pos :].strip()


def _no_array(path: Path) -> DataError:
    return DataError(
        f"{path} is not a JSON array of records: put them in [ and ], or write one a line and name the file `.jsonl`"
    )


def _broken(path: Path, line: int, error: json.JSONDecodeError, cut: bool) -> DataError:
    if cut:
        return DataError(
            f"{path} is cut off: its JSON breaks off in line {line} ({error.msg}, column {error.colno}): "
            "get the whole file"
        )
    return DataError(f"line {line} of {path} is not JSON ({error.msg}, column {error.colno}): mend it there")


def _record(value: Any, number: int, where: str) -> Record:
    if not isinstance(value, dict):
        raise DataError(f'{where} is {_kind(value)}, not an object: write it as {{"field": value, ...}}')
    return Record(value, number, where)


def _kind(value: Any) -> str:
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


def _field(record: Record, setting: str, field: str) -> Any:
    if field not in record.fields:
        names = textwrap.shorten(", ".join(f"`{name}`" for name in record.fields), 300, placeholder=" …")
        has = f"it has {names}" if names else "it has no field at all"
        raise DataError(f"{record.where} has no `{field}`; {has}: mend the record, or set `{setting}`")
    return record.fields[field]


def _text(record: Record, setting: str, field: str) -> str:
    value = _field(record, setting, field)
    if not isinstance(value, str):
        raise DataError(
            f"`{field}` of {record.where} is {_kind(value)}, not a text: mend the record, or set `{setting}`"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"`{field}` of {record.where} holds half a character (a lone surrogate) at {error.start}, "
            "which no tokenizer can read: mend the record"
        ) from error
    return value


def name_of(record: Record, setting: str, field: str) -> str:
    """Return what `field` of a record says by way of a name: a text, or a whole number as text.

    Raises:
        DataError: it is something else; the message points at the `setting` that names the field.
    """
    value = _field(record, setting, field)
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
        what = "blank" if isinstance(value, str) else _kind(value)
        raise DataError(
            f"`{field}` of {record.where} is {what}, where a text or a whole number is needed: "
            f"mend the record, or set `{setting}`"
        )
    return str(value)


def spans_of(
    record: Record,
    field: str,
    length: int | None = None,
    start: str = "start",
    end: str = "end",
    label: str = "label",
) -> tuple[Span, ...]:
    """Return the spans that `field` of a record lists, each an object with a start, an end and perhaps a label.

    Args:
        record: the record.
        field: its field that holds the list.
        length: how many characters the text has that the spans lie in; None where that is not known.
        start: the field of a span with its first character.
        end: the field of a span with the character behind its last.
        label: the field of a span with what it shows.

    Raises:
        DataError: it lists something else, or a span that does not lie in the text.
    """
    items = _field(record, "spans_field", field)
    if not isinstance(items, list | tuple):
        raise DataError(f"`{field}` of {record.where} is {_kind(items)}, not a list of spans: mend it")
    spans = []
    for number, item in enumerate(items, start=1):
        where = f"span {number} of {record.where}"
        if not isinstance(item, dict):
            raise DataError(f'{where} is {_kind(item)}, not an object: write it as {{"{start}": 0, "{end}": 4}}')
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
        said = item.get(label, "")
        if not isinstance(said, str):
            raise DataError(f"{where} has {_kind(said)} in `{label}`, where a text is needed: mend it")
        spans.append(Span(first, behind, said))
    return tuple(spans)
