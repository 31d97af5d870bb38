"""The user's cache folder, and how anything comes to be on disk: whole or not at all."""

import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs

from neurosieve.errors import StoreError

__all__ = ["atomic_folder", "atomic_write", "cache_folder", "computed_once"]


def cache_folder() -> Path:
    """Return where converted models and captured activations are kept: `$NEUROSIEVE_CACHE`, or the system's place."""
    return Path(os.environ.get("NEUROSIEVE_CACHE") or platformdirs.user_cache_dir("neurosieve"))


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name of its own, then give it its name."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        write(temporary)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def computed_once(shelf: str, of: object, work: Callable[[], Any]) -> Any:
    """Return what `work` gives, a JSON value, from the cache folder where it was worked out before.

    `of` is all that it depends on: of anything else, something else is kept.
    """
    address = hashlib.sha256(json.dumps(of, sort_keys=True, default=str).encode()).hexdigest()[:24]
    path = cache_folder() / shelf / f"{address}.json"
    with suppress(OSError, ValueError):  # What is not there, or not whole, is worked out again.
        return json.loads(path.read_text())
    value = work()
    with suppress(OSError):  # So is what cannot be kept, as in a folder that cannot be written.
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, lambda temporary: temporary.write_text(json.dumps(value)))
    return value


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside `target` to write in; it takes the name `target` when the block ends well.

    Raises:
        StoreError: the folder cannot be written, or the disk is full; nothing is left behind.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise _explained(target, error) from error
    try:
        yield temporary
        try:
            temporary.rename(target)
        except OSError:
            if not target.is_dir():  # Else another run wrote the same meanwhile.
                raise
    except OSError as error:
        raise _explained(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _explained(target: Path, error: OSError) -> StoreError:
    free = shutil.disk_usage(next(parent for parent in target.absolute().parents if parent.exists())).free
    return StoreError(
        f"cannot write `{target}` ({error.strerror or error}; {free / 2**30:.1f} GiB free there): "
        "make room, or choose another place"
    )
