"""What is said of an error that nobody foresaw: what failed, where, and where its traceback is."""

import os
import tempfile
import traceback
from pathlib import Path

from neurosieve.wording import visible

__all__ = ["unexpected"]

_CORE = Path(__file__).parents[1]


def unexpected(error: Exception) -> str:
    """Return a message about an error that is a bug, here, in a plugin or in a library; its traceback goes to a file.

    It shows control characters, and obeys none. The traceback is in the message itself where no file can be written.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = f", in `{frames[-1].name}`, {_place(frames[-1])}" if frames else ""
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_CORE)]
    if ours and ours[-1] is not frames[-1]:
        where += f", called from {_place(ours[-1])}"
    whole = "".join(traceback.format_exception(error))
    try:
        handle, file = tempfile.mkstemp("-traceback.txt", "neurosieve-")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as out:
            out.write(whole)
    except OSError:
        kept = "its traceback could not be written to a file:\n" + "\n".join(map(visible, whole.splitlines()))
    else:
        kept = f"the traceback is in `{file}` (HYDRA_FULL_ERROR=1 prints it)"
    what = visible(f"{type(error).__name__}: {str(error) or 'no message'}{where}")
    return f"an unexpected error, {what}. This is a bug in neurosieve, a plugin or a library. Please report it: {kept}"


def _place(frame: traceback.FrameSummary) -> str:
    """Return the end of a file's path, and the line."""
    return f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno}"
