"""Records in the formats that files hold them in: a JSON array, one object a line, a table with a header, Parquet."""

import csv
import io
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

from neurosieve import DataError
from neurosieve_plugins.records import Record, RecordError, record_of
from neurosieve_plugins.text_encodings import TextFile

__all__ = ["json_array", "json_lines", "parquet", "table"]

_LONGEST_CELL = 2**31 - 1
"""The most that a C long holds everywhere. The csv module's own limit, 131,072 characters, is below a long trace."""


def json_lines(file: TextFile) -> Iterator[Record | RecordError]:
    """Yield the object of each line that is not blank, or what is wrong with the line."""
    number = 0
    for line, text in enumerate(file.lines(), start=1):
        if not text.strip():
            continue
        number += 1
        try:
            yield record_of(json.loads(text), number, f"record {number} (line {line}) of {file.path}")
        except RecordError as error:
            yield error
        except json.JSONDecodeError as error:
            yield _broken(file.path, line, text, error)
        except (ValueError, RecursionError) as error:  # A number of thousands of digits; lists in lists in lists ...
            yield RecordError(f"line {line} of {file.path}", f"cannot be read as JSON ({error})", "correct it there")


def json_array(file: TextFile) -> Iterator[Record | RecordError]:
    """Yield the objects of a JSON array, or what is wrong with one of them.

    Raises:
        DataError: the file holds no array, or is not JSON.
    """
    text = file.read()
    if not text.strip():
        return
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(file.path, error.lineno, text.rstrip(), error) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file.path} cannot be read as JSON ({error}): correct it") from error
    if not isinstance(values, list):
        raise DataError(
            f"{file.path} is not a JSON array of records: put them in [ and ], or write one a line, as `jq -c .` does"
        )
    for number, value in enumerate(values, start=1):
        try:
            yield record_of(value, number, f"record {number} of {file.path}")
        except RecordError as error:
            yield error


def table(file: TextFile, delimiter: str) -> Iterator[Record | RecordError]:
    """Yield the rows of a table whose first row names the columns: each cell is a text.

    Raises:
        DataError: two columns share a name, or a cell is not quoted as it should be.
    """
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(file.lines(), delimiter=delimiter, strict=True)
    line, number = 1, 0
    try:
        names = next((row for row in rows if row), [])
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DataError(f"{file.path} has two columns named `{twice}`: rename one")
        line = rows.line_num + 1
        for row in rows:
            if row:
                number += 1
                where = f"record {number} (line {line}) of {file.path}"
                if len(row) == len(names):
                    yield Record(dict(zip(names, row, strict=True)), number, where)
                else:
                    yield RecordError(
                        where,
                        f"has {len(row)} cells, where the header names {len(names)}",
                        "correct it, with quotation marks around a cell that holds a delimiter or a line break",
                    )
            line = rows.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise DataError(
                f"{file.path} is cut off, or a quotation mark is missing: the cell that starts in line {line} has no "
                "end: get the whole file, or correct it there"
            ) from error
        raise DataError(f"line {line} of {file.path} is not a row of a table ({error}): correct it there") from error


def parquet(path: Path, stream: io.BufferedReader) -> Iterator[Record]:
    """Yield the rows of the Parquet file that `stream` reads, in parts where it is not compressed as a whole.

    Raises:
        DataError: it is not whole as Parquet.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        # Parquet is read from its end.
        plain = isinstance(stream.raw, io.FileIO)
        with ParquetFile(path if plain else pyarrow.BufferReader(stream.read())) as file:
            for batch in file.iter_batches(batch_size=1024):
                for fields in batch.to_pylist():
                    number += 1
                    yield record_of(fields, number, f"record {number} of {path}")
    except (pyarrow.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = textwrap.shorten(str(error), 200, placeholder=" …")
        raise DataError(
            f"{path} is not whole as Parquet ({reason}): get the whole file, or name it after what it holds"
        ) from error


def _broken(path: Path, line: int, text: str, error: json.JSONDecodeError) -> RecordError:
    """Return what is wrong with a text of JSON that ends where the file does, or a line of it."""
    rest = text[error.pos :].strip()
    if _ends_early(error, rest):
        if text.endswith("\n"):
            return RecordError(
                f"line {line} of {path}", "is only a part of a record", "write each on one line, as `jq -c .` does"
            )
        return RecordError(f"line {line} of {path}", f"is cut off ({error.msg})", "get the whole file")
    comma = error.msg == "Extra data" and rest == ","
    return RecordError(
        f"line {line} of {path}",
        f"is not JSON ({error.msg}, column {error.colno})",
        "remove the comma at its end" if comma else "correct it there",
    )


def _ends_early(error: json.JSONDecodeError, rest: str) -> bool:
    """Return whether more text could have made it JSON, as far as one can tell from the rest behind the error."""
    if error.msg.startswith("Unterminated string") or not rest:  # A string is reported where it starts.
        return True
    if error.msg.startswith("Invalid \\u"):
        return len(rest) < 6
    return any(word.startswith(rest) for word in ("true", "false", "null", "NaN", "Infinity", "-Infinity"))
