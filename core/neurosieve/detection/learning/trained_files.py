"""The files of trained detectors: which learner wrote one, and what it holds."""

import json
from pathlib import Path

from neurosieve.contracts import Fitted, Learner
from neurosieve.errors import DataError
from neurosieve.registry import installed

__all__ = ["open_trained", "writer_of"]


def open_trained(path: Path) -> Fitted:
    """Return what a learner has written to a file. Opening it runs no code of the file.

    Raises:
        DataError: the file does not exist, is broken, or holds something else.
    """
    return writer_of(path).load(path)


def writer_of(path: Path) -> type[Learner]:
    """Return the learner that has written a file.

    Raises:
        DataError: the file does not exist, is broken, or holds something else.
    """
    if path.is_dir():
        raise DataError(
            f"{path} is a folder, where the file is wanted that `neurosieve learn` wrote and named at its end, such as "
            f"{path / 'detector.safetensors'}: give that"
        )
    if not path.is_file():
        raise DataError(
            f"there is no file {path}: train a detector with `neurosieve learn`, which names its file at the end"
        )
    name = _format(path)
    learners = {plugin.name: plugin.cls for plugin in installed() if issubclass(plugin.cls, Learner)}
    for learner in learners.values():
        if name and learner.format == name:
            return learner
    if name:
        known = ", ".join(learners)
        raise DataError(
            f"{path} holds a `{name}`, which no installed learner reads ({known}): install the package whose learner "
            "wrote it, or train it again with `neurosieve learn`"
        )
    raise DataError(f"{path} holds no detector that `neurosieve learn` has trained: give the file that it named")


def _format(path: Path) -> str:
    """Return what a file says that it is; "" where it says nothing."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            record = json.loads((file.metadata() or {}).get("neurosieve", "{}"))
            return str(record.get("format", ""))
    except (SafetensorError, OSError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path} is not a detector that can be read ({type(error).__name__}: {error}): train it again with "
            "`neurosieve learn`, or get the whole file"
        ) from error
