"""The fields of a plugin, or of settings, in types that OmegaConf knows, so that Hydra checks their values."""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, Union, get_args, get_origin

from omegaconf import MISSING, DictConfig

from neurosieve.registry import KINDS, as_node

__all__ = ["KIND_OF", "PLAIN", "schema_of"]

PLAIN = (str, int, float, bool)
KIND_OF: Mapping[Any, str] = {contract: kind for kind, contract in KINDS.items()}
"""The kind of plugin of each contract, which may be the type of another plugin's field."""


def schema_of(cls: type, extra: Mapping[str, str]) -> Any:
    """Return a dataclass with the fields of `cls` in types that OmegaConf knows, so that Hydra checks values."""
    hints = typing.get_type_hints(cls)
    fields: list[Any] = [(name, str, dataclasses.field(default=value)) for name, value in extra.items()]
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        default = MISSING if field.default is dataclasses.MISSING else field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        default = as_node(default)
        if isinstance(default, Mapping):
            declared: Any = dataclasses.field(default_factory=partial(_open_mapping, default, hints[field.name]))
        elif isinstance(default, tuple | list):
            declared = dataclasses.field(default_factory=partial(list, default))
        else:
            declared = dataclasses.field(default=default)
        fields.append((field.name, _known_to_omegaconf(hints[field.name]), declared))
    return dataclasses.make_dataclass(cls.__name__, fields)


def _open_mapping(default: Mapping[str, Any], hint: Any) -> DictConfig:
    """Return a mapping as a config that takes keys of any name, unlike the configs around it."""
    known = get_args(_known_to_omegaconf(hint)) or (str, Any)
    return DictConfig(dict(default), key_type=known[0], element_type=known[1], flags={"struct": False})


def _known_to_omegaconf(hint: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return type(arguments[0])
    if origin in (Union, types.UnionType):
        known = [_known_to_omegaconf(argument) for argument in arguments if argument is not type(None)]
        if len(known) == 1:
            return known[0] | None
        # OmegaConf has unions of plain values alone.
        return Union[tuple(arguments)] if all(hint in PLAIN for hint in known) else Any  # noqa: UP007
    if origin in (tuple, list, Sequence):
        if arguments and arguments[0] in KIND_OF:
            return Any  # Several plugins may be a list, or a mapping.
        return list[_known_to_omegaconf(arguments[0])] if arguments else list[Any]  # type: ignore[misc]
    if origin in (dict, Mapping):
        return dict[_known_to_omegaconf(arguments[0]), _known_to_omegaconf(arguments[1])]  # type: ignore[misc]
    return hint if hint in PLAIN else Any
