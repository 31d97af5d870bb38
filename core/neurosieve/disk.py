"""The user's cache folder, and files that are written whole or not at all."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs

from neurosieve.errors import StoreError

__all__ = ["atomic_folder", "atomic_write", "cache_folder", "computed_once", "content_address", "free_bytes"]


def cache_folder() -> Path:
    """Return the folder of converted models and captured activations: `$NEUROSIEVE_CACHE`, or the system's own."""
    return Path(os.environ.get("NEUROSIEVE_CACHE") or platformdirs.user_cache_dir("neurosieve"))


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name of its own, then give it its name."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        write(temporary)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def content_address(value: object, default: Callable[[Any], str] | None = None) -> str:
    """Return 24 characters that identify a JSON value; `default` gives the text of what JSON does not know."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=default).encode()).hexdigest()[:24]


def computed_once(shelf: str, inputs: object, compute: Callable[[], Any]) -> Any:
    """Return what `compute` gives, a JSON value: from the folder `shelf` of the cache if it was computed before.

    `inputs` is all that the value depends on.
    """
    path = cache_folder() / shelf / f"{content_address(inputs, default=str)}.json"
    with suppress(OSError, ValueError):  # A value that is missing, or cut off, is computed again.
        return json.loads(path.read_text())
    value = compute()
    with suppress(OSError):  # The value is not cached where the folder cannot be written.
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, lambda temporary: temporary.write_text(json.dumps(value)))
    return value


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside `target` to write in; it takes the name `target` when the block ends well.

    Raises:
        StoreError: the folder cannot be written, or the disk is full; nothing is left behind.
    """
    temporary = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    try:
        temporary.mkdir(0o700, parents=True)
        yield temporary
        try:
            temporary.rename(target)
        except OSError:
            if not target.is_dir():  # Otherwise another run wrote the same meanwhile.
                raise
    except OSError as error:
        raise StoreError(
            f"cannot write `{target}` ({error.strerror or error}; {free_bytes(target.parent) / 2**30:.1f} GiB free "
            "there): make room, or choose another place"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def free_bytes(folder: Path) -> int:
    """Return how much room there is on the disk of a folder, which may not exist."""
    absolute = folder.absolute()
    return shutil.disk_usage(next(place for place in (absolute, *absolute.parents) if place.exists())).free
