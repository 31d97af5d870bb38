"""Standard output and standard error: characters that they cannot hold are replaced, and a closed pipe ends quietly."""

import codecs
import os
import select
import sys
from typing import NoReturn

__all__ = ["PIPE_CLOSED", "is_closed", "leave_closed_pipe", "make_printable"]

PIPE_CLOSED = 141
"""The exit code where whoever read our output has gone, as in `| head`: 128 and the number of SIGPIPE, as shells do."""
_ASCII = {
    "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "×": "x", "·": "*", "…": "...", "“": '"', "”": '"', "‘": "'",
    "’": "'", "→": "->", "≥": ">=", "≤": "<=", "∞": "inf", "█": "#", "⏎": "\\n", "␍": "\\r", "⇥": "\\t", "�": "?",
}  # fmt: skip


def make_printable() -> None:
    """Let both streams replace what their encoding cannot hold, in place of raising an error."""
    codecs.register_error("neurosieve", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="neurosieve")


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Return characters of typography in ASCII, and any other as its number, such as `\\u4e2d`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unfit = error.object[error.start : error.end]
    shown = (_ASCII.get(character) or character.encode("ascii", "backslashreplace").decode() for character in unfit)
    return "".join(shown), error.end


def is_closed() -> bool:
    """Return whether standard output is a pipe that nobody reads any more."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError):  # There is no `poll` on Windows, and no file behind what a notebook prints to.
        return False


def leave_closed_pipe() -> NoReturn:
    """Exit, with nothing more written to a pipe that nobody reads."""
    # Python flushes the stream once more as it ends, and would report the pipe then.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(PIPE_CLOSED)
