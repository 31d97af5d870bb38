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

from neurosieve import DataError, plural

__all__ = ["COMPRESSED", "PackedFileError", "open_unpacked"]

COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
"""How the names of compressed files end."""

_BUFFER = 1 << 14
"""How many bytes are unpacked at a time."""


class PackedFileError(DataError):
    """A compressed file is cut off or damaged, or cannot be unpacked here."""

    def __init__(self, path: Path, fault: "Fault", extent: str) -> None:
        super().__init__(path, fault, extent)
        self.fault = fault

    def __str__(self) -> str:
        path, fault, extent = self.args
        return f"{path} {fault.what}, for {fault.reason}; {extent}: {fault.advice}"


class Fault(NamedTuple):
    """What is wrong with a compressed file."""

    what: str
    reason: str
    advice: str


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
            extent = f"{plural(self._unpacked, 'byte')} could be unpacked"
            raise PackedFileError(self._path, self._fault(error), extent) from error
        buffer[: len(data)] = data
        self._unpacked += len(data)
        return len(data)

    def _fault(self, error: Exception) -> Fault:
        stream, reason = f"its {self._packing.name} stream", textwrap.shorten(str(error), 120, placeholder=" …")
        if isinstance(error, EOFError) or "Truncated" in reason:
            return Fault("is cut off", f"{stream} has no end", "get the whole file")
        if "too much memory" in reason:  # The reader's limit is a window of 128 MiB.
            return Fault("cannot be unpacked", f"{stream} has too long a window", "unpack it with `zstd -d --long=31`")
        return Fault("is damaged", f"{stream} breaks ({reason})", "get the whole file")

    def close(self) -> None:
        """Close the stream and its file."""
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()
