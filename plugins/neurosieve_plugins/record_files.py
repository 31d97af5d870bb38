"""Records from files: one, a folder of them, or those that a pattern names."""

import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from neurosieve import DataError, nearest
from neurosieve_plugins.compressed_files import COMPRESSED, PackedFileError, open_unpacked
from neurosieve_plugins.record_formats import json_array, json_lines, parquet, table
from neurosieve_plugins.records import Record, RecordError
from neurosieve_plugins.text_encodings import TextFile, encoding_of

__all__ = ["check_file", "read_records", "records_at"]

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_ENDINGS = (".json", ".jsonl", ".ndjson", ".parquet", *_DELIMITERS)
"""How the names of files of records end, before that of a compressed one."""

_JSON = re.compile(r'\{\s*"|\[\s*\{')
"""How records in JSON begin, and no header of a table."""

_OTHER_FORMATS = (
    (b"PK\x03\x04", "a ZIP archive or an Excel file: unpack it, or save the sheet as CSV"),
    (b"ARROW1", "an Arrow or Feather file: write the table as Parquet"),
    (b"\xff\xff\xff\xff", "an Arrow stream: write the table as Parquet, or read it with `source=huggingface`"),
    (b"SQLite format 3", "an SQLite database: write the table as CSV"),
    (b"\x89HDF", "an HDF5 file: write the table as Parquet"),
    (b"\x80\x04", "a pickle, which is not read, for it can run code: write the table as Parquet"),
    (b"\x80\x05", "a pickle, which is not read, for it can run code: write the table as Parquet"),
    (b"\x04\x22\x4d\x18", "an LZ4 file: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it"),
    (b"version https://git-lfs", "a pointer to a file that was not downloaded: run `git lfs pull`"),
)
"""What else a file may begin with, what it then is, and what to do."""


def check_file(path: Path) -> None:
    """Check that there is a file at `path`.

    Raises:
        DataError: there is none; the message gives the nearest names of its folder.
    """
    if path.is_file():
        return
    if path.is_dir():
        raise DataError(f"{path} is a folder: give a file in it")
    if not path.parent.is_dir():
        raise DataError(f"cannot read `{path}`: there is no such file, nor a folder `{path.parent}`: correct the path")
    hint = nearest(path.name, (file.name for file in path.parent.iterdir()))
    advice = hint if hint.startswith("did") else "correct the path"  # All files of a folder are no help.
    raise DataError(f"cannot read `{path}`: there is no such file in `{path.parent}`: {advice}")


def records_at(path: str) -> Iterator[Record | RecordError]:
    """Yield the records of a file, of the files of a folder, or of those that a pattern such as `traces/*.jsonl` names.

    Of several files, the ids of the records begin with the name of their file, without its endings; with its folders
    too where two have the same name, and with its ending where these are the same as well. The field `file` holds that
    name, where a record has no such field of its own. Something in a file that is not a record is yielded as what is
    wrong with it.

    Raises:
        DataError: there is no such file, one holds no record, or one cannot be read to its end.
    """
    place = Path(path).expanduser()
    # The name of a file that exists is never a pattern, whatever characters it holds.
    if place.is_dir():
        files = _files_in(place)
    elif place.exists() or not any(character in path for character in "*?["):
        yield from _records_of(place)
        return
    else:
        files = _files_like(place)
    for file, name in zip(files, _names_of(files), strict=True):
        for record in _records_of(file):
            if not isinstance(record, RecordError):
                record = record._replace(prefix=f"{name}/", fields={"file": name, **record.fields})
            yield record


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of one file.

    Raises:
        DataError: there is no such file, it holds no record or something that is not one, or it cannot be read.
    """
    for record in _records_of(path):
        if isinstance(record, RecordError):
            raise record
        yield record


def _files_in(folder: Path) -> list[Path]:
    """Return the files of records that lie in a folder."""
    inside = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith((".", "_"))]
    if any(path.suffix == ".arrow" for path in inside):
        raise DataError(
            f"{folder} holds Arrow files, as `datasets` saves them: read them with `source=huggingface "
            f"source.dataset=arrow source.data_files=[{folder}/*.arrow]`"
        )
    if folder / "run.json" in inside:
        raise DataError(f"{folder} is the folder of a run: give a file in it, such as its `traces.jsonl`")
    files = sorted(path for path in inside if _endings_of(path)[0])
    if files:
        return files
    names = ", ".join(f"`{ending}`" for ending in _ENDINGS)
    if deeper := next((path for path in sorted(folder.rglob("*")) if path.is_file() and _endings_of(path)[0]), None):
        raise DataError(f"{folder} holds folders of records: give a pattern, `{folder}/**/*{deeper.suffix}`")
    raise DataError(f"{folder} holds no file of records, which end in {names}, or those and `.gz`: give another folder")


def _files_like(pattern: Path) -> list[Path]:
    """Return the files whose path is like a pattern."""
    if pattern.name == "**":
        pattern /= "*"
    paths = sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    files = [path for path in paths if path.is_file()]
    if not files and paths:
        raise DataError(f"only folders are named like the pattern `{pattern}`: put `/*.jsonl` behind it, or the like")
    if not files:
        raise DataError(f"no file is named like the pattern `{pattern}`: correct it")
    return files


def _endings_of(path: Path) -> tuple[str, str]:
    """Return the ending of a file's name that says what it holds, and the one that says how it is compressed, or ""."""
    name = path.name.lower()
    packing = next((ending for ending in COMPRESSED if name.endswith(ending)), "")
    name = name.removesuffix(packing)
    return next((ending for ending in _ENDINGS if name.endswith(ending)), ""), packing


def _names_of(files: list[Path]) -> list[str]:
    """Return what to call each of several files.

    Raises:
        DataError: one of them seems to be a compressed copy of another.
    """
    unpacked = [path.with_name(path.name[: len(path.name) - len(_endings_of(path)[1])]) for path in files]
    if twice := next((path for path, count in Counter(unpacked).items() if count > 1), None):
        copies = " and ".join(f"`{path.name}`" for path, plain in zip(files, unpacked, strict=True) if plain == twice)
        raise DataError(f"{copies} of {twice.parent} are one file, compressed and not, to go by their names: give one")
    common = next(parent for parent in unpacked[0].parents if all(parent in path.parents for path in unpacked))
    inside = [path.relative_to(common) for path in unpacked]
    for names in ([path.stem for path in inside], [path.with_suffix("").as_posix() for path in inside]):
        if len(set(names)) == len(names):
            return names
    return [path.as_posix() for path in inside]


def _records_of(path: Path) -> Iterator[Record | RecordError]:
    number = 0
    try:
        check_file(path)
        with open_unpacked(path) as stream:
            for record in _read(path, stream):
                number += 1
                yield record
    except PackedFileError as error:
        extent = f"record {number} is the last that could be read" if number else "no record could be read"
        raise PackedFileError(path, error.fault, extent) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check its permissions and its disk") from error
    if number == 0:
        raise DataError(f"{path} holds no record: give a file that holds at least one")


def _read(path: Path, stream: io.BufferedReader) -> Iterator[Record | RecordError]:
    beginning = stream.peek(4096)
    ending, _ = _endings_of(path)
    if beginning.startswith(b"PAR1"):
        return parquet(path, stream)
    for magic, what in _OTHER_FORMATS:
        if beginning.startswith(magic):
            raise DataError(f"{path} is {what}")
    if beginning[257:262] == b"ustar":
        raise DataError(f"{path} is a tar archive: unpack it")
    file = TextFile(path, stream, encoding_of(beginning))
    first = beginning.decode(file.encoding, "replace").lstrip("\ufeff \t\r\n")
    if ending == ".parquet" and not first.startswith(("{", "[")):
        return parquet(path, stream)
    if ending in _DELIMITERS and not _JSON.match(first):
        return table(file, _delimiter_of(first.partition("\n")[0], _DELIMITERS[ending]))
    if first.startswith("[") or (ending == ".json" and not first.startswith("{")):
        return json_array(file)
    return json_lines(file)


def _delimiter_of(header: str, usual: str) -> str:
    """Return what parts the cells: spreadsheets of many countries write a semicolon for the comma."""
    return next((delimiter for delimiter in (usual, ";", "\t", ",") if delimiter in header), usual)
