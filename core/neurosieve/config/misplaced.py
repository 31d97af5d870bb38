"""What was given in the wrong place: a file where a name belongs, a field of a part among the command's settings."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.config.configuration import PLURAL
from neurosieve.config.renamed_keys import new_name, new_place
from neurosieve.errors import ConfigError
from neurosieve.registry import KINDS, TARGET, installed

__all__ = ["field_of_another", "file_advice", "refuse_misplaced"]


def file_advice(group: str, given: str, arguments: Sequence[str]) -> str | None:
    """Return how to give a file, or a model, to a group that takes names; None where `given` is no such thing.

    `arguments` are those in which it was given, so that the message can name the key.
    """
    if not ("/" in given or "\\" in given or Path(given).suffix):
        return None
    if group == "model" and ("/" in given or "\\" in given):  # A dot is part of many a model's name.
        return (
            f"there is no preset `{given}`: for a model of the hub, or a folder, `model=pretrained model.name={given}`"
        )
    readers = [
        plugin
        for plugin in installed()
        if PLURAL.get(plugin.kind, plugin.kind) == group and next(_required(plugin.cls), "") == "path"
    ]
    if not readers:
        return None
    keys = [key for key, _, value in (argument.partition("=") for argument in arguments) if given in value]
    key = (keys or [group])[0].rpartition("@")[2]
    many = group in PLURAL.values()
    choices = " or ".join(f"`{key}=[{reader.name}]`" if many else f"`{key}={reader.name}`" for reader in readers)
    paths = " or ".join(dict.fromkeys(f"`{key}.{reader.name if many else ''}".rstrip(".") for reader in readers))
    objects = " or ".join(f"`{reader.cls.__module__}.{reader.cls.__name__}({given!r})`" for reader in readers)
    return (
        f"there is no `{given}` to choose for `{key}`: for a file, choose what reads it, {choices}, and give "
        f"{paths}.path={given}`; in Python hand over {objects}"
    )


def field_of_another(key: str, config: Mapping[str, Any]) -> str | None:
    """Return which plugins have an unknown field, where the chosen one has not, or none is chosen; else None.

    `key` is the field's full path, as in `reading.documents`.
    """
    place, _, field = key.rpartition(".")
    node: Any = config
    for name in place.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    if place in config and config[place] is None:
        return f"`{place}` is null, and has no field `{field}`: choose one too, as in `{place}=...`"
    if not isinstance(node, Mapping) or TARGET not in node or "." in place:
        return None
    kind, _, chosen = str(node[TARGET]).partition("/")
    having = [
        plugin.name
        for plugin in installed()
        if plugin.kind == kind and field in {known.name for known in dataclasses.fields(plugin.cls)}
    ]
    if not having:
        return None
    choices = " or ".join(f"`{place}={name}`" for name in having)
    return f"`{place}={chosen}` has no field `{field}`: leave it out, or choose {choices}, which has it"


def refuse_misplaced(settings: Mapping[str, Any], own: Collection[str], parts: Mapping[str, type]) -> None:
    """Raise where a setting has another name now, or is a field of one of the command's parts.

    Args:
        own: the names of the command's settings.
        parts: the classes of its parts, by their key.

    Raises:
        ConfigError: one is; the message says what to give in Python.
    """
    deeper = [f"{key}.{field.name}" for key, cls in parts.items() for field in dataclasses.fields(cls)]
    known = [*own, *deeper]
    for name, value in settings.items():
        place = new_place(name, known) or next((path for path in deeper if path.endswith(f".{name}")), "")
        if name in own or not place:
            continue
        key, _, field = place.rpartition(".")
        reason = new_name(name, known) or f"`{name}` belongs to `{key}`"
        raise ConfigError(f"{reason}; give {_argument(key, parts[key], field, value)}" if key else reason)


def _argument(key: str, cls: type, field: str, value: Any) -> str:
    """Return how to set a field of a part in Python."""
    required = list(_required(cls))
    if not required and not issubclass(cls, tuple(KINDS.values())):
        return f"`{key}={{{field!r}: {value!r}}}`"
    others = "".join(f"{name}=..., " for name in required if name != field)
    return f"`{key}={cls.__name__}({others}{field}={value!r})`, with `from {cls.__module__} import {cls.__name__}`"


def _required(cls: Any) -> Iterator[str]:
    """Yield the fields that have no default."""
    for field in dataclasses.fields(cls):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            yield field.name
