"""What else a store holds of a model, for a warning where everything seems to be read again."""

import json
from collections.abc import Mapping
from typing import Any

from neurosieve.activations.store import Space
from neurosieve.wording import plural

__all__ = ["warn_of_other_stores"]


def warn_of_other_stores(space: Space) -> list[str]:
    """Return what the store holds of the same model, and how it differs; nothing if `space` itself holds something."""
    if not space.is_empty:
        return []
    warnings, unreadable = list[str](), 0
    for path in sorted(space.folder.parent.glob("*/space.json")):
        if path.parent == space.folder or not any(path.parent.glob("*.safetensors")):
            continue
        try:
            record = json.loads(path.read_text())
            differences = _differences(record, space.what) if record["model"] == space.name else ""
        except (OSError, ValueError, LookupError, TypeError):  # Another program's, or another version's.
            unreadable += 1
            continue
        if differences:
            warnings.append(
                f"the store holds activations of `{space.name}` {differences}; they are kept apart in "
                f"`{path.parent.name}`, and none of them is used"
            )
    if unreadable:
        warnings.append(f"left alone, as nothing says what it holds: {plural(unreadable, 'folder')} of the store")
    return warnings


def _differences(record: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """Return how another space differs, in what a user may not know of: layers and sites are chosen by name."""
    dtype, own_dtype = (str(space["dtype"]).removeprefix("torch.") for space in (record, own))
    words = {
        "format": f"in the format {record['format']} of another version of neurosieve, where this one writes "
        f"{own['format']}",
        "dtype": f"in {dtype}, where this run reads {own_dtype}",
        "weights": "by other weights than those it has now",
    }
    return ", and ".join(difference for key, difference in words.items() if record[key] != own[key])
