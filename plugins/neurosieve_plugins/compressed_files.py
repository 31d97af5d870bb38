"""Files as streams of bytes, unpacked where they are compressed: their first bytes say so, not their names."""

import bz2
import gzip
import io
import lzma
import re
import textwrap
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from neurosieve import DataError

__all__ = ["COMPRESSED", "PackedFileError", "open_unpacked"]

COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
"""How the names of compressed files end."""

_BUFFER = 1 << 16
"""How many bytes are unpacked at a time."""


class PackedFileError(DataError):
    """A compressed file is cut off or damaged."""

    def __init__(self, path: Path, why: str, unpacked: int) -> None:
        super().__init__(path, why, unpacked)
        self.path = path
        self.why = why
        self.unpacked = unpacked
        """How many bytes could be unpacked."""

    def __str__(self) -> str:
        return f"{self.path} {self.why}, {self.unpacked:,} unpacked bytes from its start: get the whole file"


class _Format(NamedTuple):
    name: str
    beginning: re.Pattern[bytes]
    """How such a file begins: at such a length that no text begins so."""
    open: Callable[[Any], Any]


def _zstandard(file: io.BufferedReader) -> Any:
    import pyarrow

    return pyarrow.CompressedInputStream(file, "zstd")


_FORMATS = (
    _Format("gzip", re.compile(rb"\x1f\x8b"), lambda file: gzip.GzipFile(fileobj=file)),
    _Format("Zstandard", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _zstandard),
    _Format("bzip2", re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), bz2.BZ2File),
    _Format("xz", re.compile(rb"\xfd7zXZ\x00"), lzma.LZMAFile),
)


def open_unpacked(path: Path) -> io.BufferedReader:
    """Open a file to read its bytes, as they are or unpacked.

    Reading on raises `PackedFileError` where a compressed file is cut off or damaged.
    """
    stream = path.open("rb")
    while packing := _packing_of(stream.peek(16)):
        stream = io.BufferedReader(_Unpacked(path, packing, stream), _BUFFER)
    return stream


def _packing_of(beginning: bytes) -> _Format | None:
    return next((packing for packing in _FORMATS if packing.beginning.match(beginning)), None)


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a compressed stream."""

    def __init__(self, path: Path, packing: _Format, file: io.BufferedReader) -> None:
        self._path = path
        self._packing = packing
        self._file = file
        self._unpacked = 0
        self._stream = packing.open(file)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as there is more.

        Raises:
            PackedFileError: the compressed stream is cut off or damaged here.
        """
        try:
            data: bytes = self._stream.read1(len(buffer))  # `read` would give nothing of what lies before the damage.
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # The file cannot be read at all.
                raise
            raise PackedFileError(self._path, self._why(error), self._unpacked) from error
        buffer[: len(data)] = data
        self._unpacked += len(data)
        return len(data)

    def _why(self, error: Exception) -> str:
        if isinstance(error, EOFError) or "Truncated" in str(error):
            return f"is cut off: its {self._packing.name} stream has no end"
        reason = textwrap.shorten(str(error), 120, placeholder=" …")
        return f"is damaged: its {self._packing.name} stream breaks ({reason})"

    def close(self) -> None:
        """Close the stream and its file."""
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()
