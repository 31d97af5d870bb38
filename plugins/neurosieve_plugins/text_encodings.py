"""The encoding of a text file, from its first bytes, and its lines."""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from neurosieve import DataError

__all__ = ["TextFile", "decode", "encoding_of"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Where the four first characters are ASCII, as in JSON and in the header of a table, and no mark is there.
_ZEROS: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}


def encoding_of(beginning: bytes) -> str:
    """Return the encoding of a text that begins with these bytes: by its byte-order mark, or its zero bytes, or UTF-8.

    >>> encoding_of(b"\\xff\\xfe{\\x00"), encoding_of(b'{\\x00"\\x00a\\x00'), encoding_of(b'{"a"')
    ('utf-16', 'utf-16-le', 'utf-8-sig')
    """
    for mark, encoding in _MARKS:
        if beginning.startswith(mark):
            return encoding
    return _ZEROS.get(tuple(byte == 0 for byte in beginning[:4]), "utf-8-sig")


def decode(data: bytes, path: Path, line: int = 1, encoding: str = "utf-8-sig") -> str:
    """Return the text of `data`, which begins at `line` of the file at `path`, without a byte-order mark.

    Raises:
        DataError: it is not in this encoding.
    """
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        number = line + data[: error.start].decode(encoding, "replace").count("\n")
        raise _wrong_encoding(error, f"line {number} of {path}") from error


class TextFile(NamedTuple):
    """A text file that is open."""

    path: Path
    stream: io.BufferedReader
    encoding: str

    def read(self) -> str:
        """Return the whole text.

        Raises:
            DataError: it is not in this encoding.
        """
        return decode(self.stream.read(), self.path, encoding=self.encoding)

    def lines(self) -> Iterator[str]:
        """Yield each line, with its line break if it has one.

        Raises:
            DataError: a line is not in this encoding.
        """
        if self.encoding == "utf-8-sig":
            for number, data in enumerate(self.stream, start=1):
                yield decode(data, self.path, number)
            return
        number = 0
        try:
            with io.TextIOWrapper(self.stream, self.encoding, newline="\n") as lines:
                for text in lines:
                    number += 1
                    yield text
        except UnicodeDecodeError as error:
            raise _wrong_encoding(error, f"{self.path}, after line {number},") from error


def _wrong_encoding(error: UnicodeDecodeError, where: str) -> DataError:
    name = error.encoding.upper().removesuffix("-SIG")
    if error.reason in ("unexpected end of data", "truncated data"):
        return DataError(
            f"{where} ends within a character, read as {name}: get the whole file, or convert it if it "
            "was saved in another encoding"
        )
    byte = error.object[error.start]
    # Nothing in the bytes tells one of the old encodings from another: what to look at is all that can be given.
    around = error.object[max(0, error.start - 12) : error.start + 12].decode("cp1252", "replace")
    return DataError(
        f"{where} is not {name} (byte 0x{byte:02x}): convert the file from the encoding that it was "
        f"saved in, as with `iconv -f WINDOWS-1252 -t UTF-8` if `{' '.join(around.split())}` reads as it should"
    )
