"""Errors that a user can act on: one message that says what happened, to what, and what to do next."""

import errno
import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

__all__ = [
    "BrokenOffError",
    "ConfigError",
    "DataError",
    "ExecutorError",
    "FieldError",
    "InterruptedRun",
    "ModelError",
    "NeurosieveError",
    "PluginError",
    "StoreError",
    "nearest",
    "refusal",
]


class NeurosieveError(Exception):
    """A mistake that the user can correct. The command line prints its message alone, and exits with 2."""


class ConfigError(NeurosieveError):
    """The configuration names something that does not exist, or that makes no sense."""


class FieldError(ConfigError):
    """A field of a plugin or of settings holds what it may not.

    >>> str(FieldError("steps", "is 0: give at least 1").under("reading."))
    'reading.steps is 0: give at least 1'
    """

    def __init__(self, field: str, problem: str, where: str = "") -> None:
        """Say what is wrong with a field; `where` is what stands before its name, such as `selection.`."""
        super().__init__(f"{where}{field} {problem}")
        self.field, self.problem = field, problem

    def __reduce__(self) -> tuple[Any, ...]:
        return _field_error, (self.field, self.problem, str(self))

    def under(self, where: str) -> "FieldError":
        """Return the same error with other words before the field's name: the key that can be typed."""
        return FieldError(self.field, self.problem, where)


def _field_error(field: str, problem: str, message: str) -> FieldError:
    return FieldError(field, problem, message.removesuffix(f"{field} {problem}"))


class DataError(NeurosieveError):
    """The texts or labels are not what their source or detector expects."""


class BrokenOffError(DataError):
    """A source stopped giving texts, for a reason that may pass: a new try may go on from where it stopped."""


class ModelError(NeurosieveError):
    """The model cannot be loaded, or cannot be read or edited at the requested site."""


class ExecutorError(NeurosieveError):
    """Workers cannot be started, or die again and again."""


class PluginError(NeurosieveError):
    """An installed plugin breaks its contract."""


class StoreError(NeurosieveError):
    """The store of captured activations, or the run folder, cannot be read or written."""


class InterruptedRun(KeyboardInterrupt):
    """Ctrl-C, with what is finished and where; the command line prints its message alone, and exits with 130."""


_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EPIPE)
"""What the operating system answers to nothing but writing."""


def refusal(error: OSError) -> str:
    """Return what the operating system refused, and of which file: "cannot read `x.csv` (No such file or directory)".

    It says "use" where it is not known whether the file was to be read or written.
    """
    if error.errno is None:  # A library's own, such as that of a hub.
        return str(error) or type(error).__name__
    verb = "write" if error.errno in _WRITING else "use"
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return f"cannot {verb} a file ({error.strerror or error})"
    file = Path(os.fsdecode(error.filename))
    if error.errno == errno.ENOENT and file.parent.is_dir():
        verb = "read"  # Had it been written, it would be there now.
    return f"cannot {verb} `{file}` ({error.strerror or error})"


def nearest(name: str, options: Iterable[str]) -> str:
    """Return a hint for an unknown name: the options nearest to it, or all of them where none is near.

    >>> nearest("aucc", ["auc", "cohens_d"])
    'did you mean `auc`?'
    """
    known = sorted(options)
    if near := get_close_matches(name, known, n=3, cutoff=0.5):
        return f"did you mean {' or '.join(f'`{option}`' for option in near)}?"
    return f"there are: {', '.join(known)}" if known else "there are none"
