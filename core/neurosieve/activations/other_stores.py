"""What else a store holds of a model: kept apart, and said by name where everything seems to be read again."""

import json
from collections.abc import Mapping
from typing import Any

from neurosieve.activations.store import Space

__all__ = ["warn_of_other_stores"]


def warn_of_other_stores(space: Space) -> list[str]:
    """Say what the store holds of the same model, and how it differs; nothing where `space` itself holds something."""
    if not space.is_empty:
        return []
    told, unreadable = list[str](), 0
    for path in sorted(space.folder.parent.glob("*/space.json")):
        if path.parent == space.folder or not any(path.parent.glob("*.safetensors")):
            continue
        try:
            other = json.loads(path.read_text())
            name = other["model"]
            differing = _differing(other, space.what) if name == space.name else ""
        except (OSError, ValueError, LookupError, TypeError):  # Some other program's, or some other version's.
            unreadable += 1
            continue
        if differing:
            told.append(
                f"the store holds activations of `{space.name}` {differing}; they are kept apart in "
                f"`{path.parent.name}`, and nothing of them is used"
            )
    if unreadable:
        told.append(f"{unreadable} folder(s) of the store do not say what they hold, and were left alone")
    return told


def _differing(other: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return how another space differs, in what a user may not know of: layers and sites are chosen by name."""
    parts = []
    if other["format"] != here["format"]:
        parts.append(
            f"in the format {other['format']} of another version of neurosieve, where this one writes {here['format']}"
        )
    if other["dtype"] != here["dtype"]:
        names = [str(one["dtype"]).removeprefix("torch.") for one in (other, here)]
        parts.append(f"in {names[0]}, where this run reads {names[1]}")
    if other["weights"] != here["weights"]:
        parts.append("by other weights than those it has now")
    return ", and ".join(parts)
