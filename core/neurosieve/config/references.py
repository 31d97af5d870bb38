"""What is wrong with a reference in a config, such as `${detectors.wait}`: the key that holds it, and what to do."""

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, InterpolationResolutionError, InterpolationToMissingValueError

from neurosieve.errors import nearest
from neurosieve.registry import TARGET

__all__ = ["wrong_reference"]


def wrong_reference(error: InterpolationResolutionError, config: Any) -> str:
    """Return a message about a reference, somewhere in a config, that leads nowhere, or back to itself."""
    key, reference = _broken(config) or (error.full_key or "", None)
    holds = (
        f"`{key}` is `{reference}`" if reference else f"`{key}` holds a reference" if key else "a reference is wrong"
    )
    message = str(error).partition("\n")[0]
    if isinstance(error, InterpolationKeyError):
        place = message.partition("'")[2].rpartition("'")[0]
        return f"{holds}, and the config has no `{place}`: {_hint(place, key, config)}"
    if isinstance(error, InterpolationToMissingValueError):
        place = message.rpartition(": ")[2]
        return f"{holds}, and `{place}` has no value: give one with `{place}=...`"
    if "parent node" in message or "Recursive" in message:
        return f"{holds}, which leads back to itself: refer to something else, or put there what is meant"
    return f"{holds}, which cannot be resolved ({message}): correct the reference"


def _broken(config: Any) -> tuple[str, str] | None:
    """Return the key of the first reference in a config that cannot be resolved, and the reference."""
    if not isinstance(config, DictConfig | ListConfig) or config._is_none() or config._is_missing():
        return None
    keys: Any = config if isinstance(config, DictConfig) else range(len(config))
    for key in keys:
        node: Any = config._get_node(key)
        try:
            node = node._dereference_node() if node._is_interpolation() else node
        except InterpolationResolutionError:
            return str(config._get_full_key(key)), str(node._value())
        if deeper := _broken(node):
            return deeper
    return None


def _hint(place: str, key: str, config: Any) -> str:
    """Return what to do where a key refers to a place that there is not: which keys there are beside it."""
    group, _, name = place.rpartition(".")
    root = config._get_root() if OmegaConf.is_config(config) else None
    beside = OmegaConf.select(root, group) if root is not None and group else None
    if group == "model" and root is not None and "model" not in root:
        return f"this command reads no model of its own; {_named_model(key, root)}"
    known = [str(other) for other in beside if other != TARGET] if isinstance(beside, DictConfig) else []
    if (hint := nearest(name, known)).startswith("did") or group != "detectors":
        return hint
    return f"choose it too, as in `detectors=[{name},...]`, or write a name in place of the reference"


def _named_model(key: str, root: Any) -> str:
    """Return how to name a model where a preset, which holds `key`, refers to that of the run."""
    chosen, _, field = key.rpartition(".")
    group, _, preset = chosen.rpartition(".")
    plugin = str(OmegaConf.select(root, f"{chosen}.{TARGET}") or "").rpartition("/")[2]
    if not group or not plugin or plugin == preset:
        return f"write a value in place of the reference: `{key}=<value>`"
    return f"name one, and take `{plugin}` in place of `{preset}`: `{group}=[{plugin}] {group}.{plugin}.{field}=<name>`"
