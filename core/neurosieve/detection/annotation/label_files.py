"""The files that people labelled, as they come back: from the page, from a spreadsheet, from a tool of their own."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from neurosieve.errors import DataError, nearest

__all__ = ["Choice", "read_choices"]

_TABLES = (".csv", ".tsv")
_ADVICE = "give what the page downloads, or `to_label.csv` or `to_label.jsonl` with labels in it"


class Choice(NamedTuple):
    """What a file says of a sentence."""

    sentence: str
    """Its name in the sample."""
    labels: tuple[str, ...]
    annotator: str
    """Who labelled it, where the file says so."""
    where: str
    """Which line of which file, for messages."""
    place: tuple[str, int, int] | None = None
    """The document, and where the sentence starts and ends in it, where the file says so."""
    text: str | None = None
    """The text of the sentence, where the file holds it."""


def read_choices(path: Path) -> list[Choice]:
    """Return the labels in a file; sentences without a label are left out.

    Raises:
        DataError: there is no such file, it is not one of labels, or it holds no label.
    """
    text = _text_of(path)
    lines = _table(text, path) if path.suffix.lower() in _TABLES else _json(text, path)
    choices = [choice for record, where in lines for choice in _choices(record, where) if choice.labels]
    if not choices:
        raise DataError(f"{path} holds no label: label at least one sentence, and save the file")
    return choices


def _text_of(path: Path) -> str:
    if path.is_dir():
        raise DataError(f"{path} is a folder: give the file of labels in it")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not text in UTF-8 (at byte {error.start:,}): save it as UTF-8 or CSV UTF-8"
        ) from error
    except FileNotFoundError as error:
        beside = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, beside)
        advice = hint if hint.startswith("did") else "correct the path"
        raise DataError(f"cannot read `{path}`: there is no such file: {advice}") from error
    if not text.strip():
        raise DataError(f"{path} is empty: label at least one sentence, and save the file")
    return text


def _table(text: str, path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    header = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max("\t;,", key=header.count)  # A spreadsheet saves with the delimiter of its country.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next((row for row in rows if row), [])]
        for column in ("sentence", "labels"):
            if column not in names:
                raise DataError(f"{path} has no column `{column}`: {_ADVICE}")
        for row in rows:
            where = f"the row that ends in line {rows.line_num} of {path}"
            if len(row) > len(names) and any(row[len(names) :]):
                raise DataError(f"{where} has {len(row)} cells, where the header names {len(names)}: correct it")
            if any(cell.strip() for cell in row):
                yield dict(zip(names, row, strict=False)), where
    except csv.Error as error:
        raise DataError(f"line {rows.line_num} of {path} is not a row of a table ({error}): correct it") from error


def _json(text: str, path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"line {number} of {path}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} is not a record in JSON ({error}): {_ADVICE}") from error
        if not isinstance(record, dict):
            raise DataError(f"{where} is not a record in JSON: {_ADVICE}")
        yield record, where


def _choices(record: Mapping[str, Any], where: str) -> Iterator[Choice]:
    """Yield what a record says: one of the page is of a document and has `spans`, any other is of a sentence."""
    annotator = record.get("annotator")
    annotator = annotator.strip() if isinstance(annotator, str) else ""
    if "spans" not in record:
        place = _place(record.get("document"), record)
        text = record["text"] if isinstance(record.get("text"), str) else None
        yield Choice(_name(record, where), _labels(record.get("labels"), where), annotator, where, place, text)
        return
    spans = record["spans"]
    if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
        raise DataError(f"{where} holds no list of spans in `spans`: {_ADVICE}")
    labels: dict[str, list[str]] = {}
    places: dict[str, tuple[str, int, int]] = {}
    for span in spans:
        name = _name(span, where)
        labels.setdefault(name, []).extend(_labels(span.get("label"), where))
        if place := _place(record.get("trace_id"), span):
            places[name] = place
    for name, chosen in labels.items():
        yield Choice(name, tuple(dict.fromkeys(chosen)), annotator, where, places.get(name))


def _place(document: Any, record: Mapping[str, Any]) -> tuple[str, int, int] | None:
    start, end = record.get("start"), record.get("end")
    if isinstance(document, str) and isinstance(start, int) and isinstance(end, int):
        return document, start, end
    return None


def _name(record: Mapping[str, Any], where: str) -> str:
    name = record.get("sentence")
    if not isinstance(name, str) or not name.strip():
        raise DataError(f"{where} names no sentence in `sentence`: {_ADVICE}")
    return name.strip().removeprefix("'")


def _labels(value: Any, where: str) -> tuple[str, ...]:
    """Return the labels in a list, or in a cell, where commas or semicolons part them."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = re.split("[,;]", value)
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise DataError(f"{where} holds no label, nor a list of labels, in `labels`: write them as texts")
    return tuple(dict.fromkeys(label.strip() for label in value if label.strip()))
