"""Records from files: a JSON array, one object a line, or Parquet."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

from neurosieve import DataError, nearest
from neurosieve_plugins.records import Record, record_of

__all__ = ["check_file", "decode", "read_records"]


def check_file(path: Path) -> None:
    """Check that there is a file at `path`.

    Raises:
        DataError: there is none; the message gives the nearest names of its folder.
    """
    if path.is_file():
        return
    if path.is_dir():
        raise DataError(f"{path} is a folder: give a file in it, or a pattern such as `{path}/*.jsonl`")
    if not path.parent.is_dir():
        raise DataError(f"cannot read `{path}`: there is no such file, nor a folder `{path.parent}`: correct the path")
    hint = nearest(path.name, (file.name for file in path.parent.iterdir()))
    advice = hint if hint.startswith("did") else "correct the path"  # All files of a folder are no help.
    raise DataError(f"cannot read `{path}`: there is no such file in `{path.parent}`: {advice}")


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
    """Yield the records of a file: one JSON array of objects, or one object a line, or Parquet, both read as they go.

    A file named `.json` holds an array, one named `.parquet` holds Parquet; in any other the first character decides.

    Raises:
        DataError: the file does not exist, holds no record, or holds something that is not a record.
    """
    try:
        check_file(path)
        empty = True
        for record in _of(path):
            empty = False
            yield record
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check its permissions and its disk") from error
    if empty:
        raise DataError(f"{path} holds no record: give a file that holds at least one")


def _of(path: Path) -> Iterator[Record]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _of_parquet(path)
    with path.open("rb") as file:
        beginning = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return _of_array(path) if suffix == ".json" or beginning.startswith(b"[") else _of_lines(path)


def _of_parquet(path: Path) -> Iterator[Record]:
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for fields in batch.to_pylist():
                    number += 1
                    yield record_of(fields, number, f"record {number} of {path}")
    except ArrowInvalid as error:
        reason = textwrap.shorten(str(error), 200, placeholder=" …")
        raise DataError(
            f"{path} is not whole as Parquet ({reason}): get the whole file, or name it after what it holds"
        ) from error


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
        yield record_of(record, number, f"record {number} of {path}")


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
            yield record_of(record, number, f"record {number} (line {line}) of {path}")


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
    return DataError(f"line {line} of {path} is not JSON ({error.msg}, column {error.colno}): correct it there")
