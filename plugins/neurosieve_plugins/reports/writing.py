"""Files that are there whole or not at all: whoever has one open never sees half of the next."""

import uuid
from pathlib import Path

__all__ = ["written"]


def written(path: Path, content: bytes) -> Path:
    """Write a file under a temporary name, then give it its own, and return it."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
