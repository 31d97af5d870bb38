"""What decides the labels of a detector: its settings without those of cost alone, and the content of its files."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neurosieve.registry import TARGET, installed
from neurosieve.runs.record_fields import described

__all__ = ["detector_files", "file_hash", "label_settings"]


def detector_files(detectors: Mapping[str, object]) -> dict[str, dict[str, str]]:
    """Return, by behaviour and key, the hashes of the files that the fields of its detector name.

    A key leads to a field, as in `part.path`, and the value of that field is the path of a file that exists.
    """
    nodes = described({"detectors": detectors})["detectors"]
    return {
        behaviour: {
            key: file_hash(Path(value).expanduser())
            for key, value in label_settings(node).items()
            if not key.endswith(TARGET) and isinstance(value, str) and _is_file(value)
        }
        for behaviour, node in nodes.items()
    }


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_file(text: str) -> bool:
    # Where a text is too long for a path, or names no user behind its `~`, `Path` raises.
    return os.path.isfile(os.path.expanduser(text))  # noqa: PTH111, PTH113


def label_settings(node: object) -> dict[str, Any]:
    """Return what decides the labels of a detector: each field of its config node, and of the nodes in it, by key.

    Its `cost_fields` are left out. What is no node, as it was handed over in Python, has none.
    """
    return dict(_fields(node, "")) if isinstance(node, Mapping) else {}


def _fields(node: Mapping[str, Any], at: str) -> Iterator[tuple[str, Any]]:
    kind, _, name = str(node.get(TARGET, "")).partition("/")
    left_out = {
        field
        for plugin in installed()
        if (plugin.kind, plugin.name) == (kind, name)
        for field in getattr(plugin.cls, "cost_fields", ())
    }
    for key, value in node.items():
        if key in left_out:
            continue
        if isinstance(value, Mapping):
            yield from _fields(value, f"{at}{key}.")
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            yield from _fields({str(place): item for place, item in enumerate(value)}, f"{at}{key}.")
        else:
            yield f"{at}{key}", value
