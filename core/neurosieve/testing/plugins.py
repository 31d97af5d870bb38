"""What every plugin promises, of whatever kind."""

import dataclasses
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from reprlib import Repr
from typing import Any, TypeAlias

from omegaconf import OmegaConf

from neurosieve.config.configuration import as_object

__all__ = ["PLUGIN_CHECKS", "Check", "check_plugin", "shown", "trying"]

Check: TypeAlias = Callable[[Any], None]
"""Raises AssertionError where a plugin breaks one promise."""

_shorten = Repr()
_shorten.maxstring = _shorten.maxother = 120


def shown(value: object) -> str:
    """Return a value as a message shows it: cut where it is long."""
    return _shorten.repr(value)


@contextmanager
def trying(plugin: object, what: str, but: type[Exception] = AssertionError) -> Iterator[None]:
    """Turn whatever `plugin` raises, `but` one kind of error, into an AssertionError that says `what` it was to do."""
    try:
        yield
    except (AssertionError, but):
        raise
    except Exception as error:
        raise AssertionError(f"{shown(plugin)} raises {type(error).__name__} {what}: {error}") from error


def is_a_frozen_dataclass(plugin: Any) -> None:
    """Assert that the plugin cannot change."""
    cls = type(plugin)
    # `__dict__` and not `getattr`: a plain class that derives from a frozen dataclass is none itself.
    parameters = cls.__dict__.get("__dataclass_params__")
    if not (parameters is not None and parameters.frozen):
        raise AssertionError(f"{cls.__name__} is no frozen dataclass: decorate it with `@dataclass(frozen=True)`")


def is_documented(plugin: Any) -> None:
    """Assert that the class says what it is; its first line is the help text."""
    cls = type(plugin)
    doc = (cls.__doc__ or "").strip()
    # Where there is no docstring, `@dataclass` writes the signature.
    if not (doc and not doc.startswith(f"{cls.__name__}(")):
        raise AssertionError(
            f"{cls.__name__} has no docstring: say in a sentence what it is, for `neurosieve plugins` to show"
        )


def is_rebuilt_from_its_fields_alone(plugin: Any) -> None:
    """Assert that a config can hold every field, and that the fields alone make an equal plugin."""
    cls = type(plugin)
    fields = {field.name: getattr(plugin, field.name) for field in dataclasses.fields(plugin) if field.init}
    held = {*getattr(plugin, "__dict__", ()), *(field.name for field in dataclasses.fields(plugin))} - fields.keys()
    hidden = sorted(name for name in held if not isinstance(getattr(cls, name, None), cached_property))
    if hidden:
        raise AssertionError(
            f"{shown(plugin)} holds `{hidden[0]}`, which no config can set: make it a field, or compute it"
        )
    with trying(plugin, "as its fields are written to a config and read again"):
        rebuilt = as_object(cls, OmegaConf.create(OmegaConf.to_yaml(OmegaConf.create(fields))), cls.__name__)
    for name, value in fields.items():
        if getattr(rebuilt, name) != value:
            raise AssertionError(
                f"the field `{name}` of {cls.__name__} is {shown(value)}, and comes back from a config as "
                f"{shown(getattr(rebuilt, name))}: keep to numbers, strings, booleans, None and tuples of them"
            )
    if rebuilt != plugin:
        raise AssertionError(f"{shown(plugin)} built again from its own fields is not equal to it")
    with trying(plugin, "as it is hashed"):
        if hash(rebuilt) != hash(plugin):
            raise AssertionError(f"{shown(plugin)} is equal to another whose hash differs")


def is_picklable(plugin: Any) -> None:
    """Assert that the plugin can be sent to another process."""
    with trying(plugin, "as it is pickled"):
        arrived = pickle.loads(pickle.dumps(plugin))
    if arrived != plugin:
        raise AssertionError(f"{shown(plugin)} is {shown(arrived)} after pickling, which is not equal to it")


PLUGIN_CHECKS: tuple[Check, ...] = (
    is_a_frozen_dataclass,
    is_documented,
    is_rebuilt_from_its_fields_alone,
    is_picklable,
)
"""What every plugin promises."""


def check_plugin(plugin: object) -> None:
    """Check what every plugin promises: it is a documented value that its fields alone make.

    Raises:
        AssertionError: it breaks a promise; the message says which.
    """
    for check in PLUGIN_CHECKS:
        check(plugin)
