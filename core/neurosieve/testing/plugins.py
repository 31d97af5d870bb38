"""What every plugin promises, of whatever kind, and what the checks of all kinds share."""

import copy
import dataclasses
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from reprlib import Repr
from typing import Any, TypeAlias

import numpy as np
from omegaconf import OmegaConf
from torch import Tensor

from neurosieve.config.configuration import as_object
from neurosieve.registry import as_node

__all__ = ["PLUGIN_CHECKS", "Check", "check_plugin", "checker", "require", "shown", "trying", "unchanged"]

Check: TypeAlias = Callable[[Any], None]
"""Raises AssertionError where a plugin breaks one promise."""

_shorten = Repr()
_shorten.maxstring = _shorten.maxother = 120


def checker(checks: tuple[Check, ...]) -> Check:
    """Return the function that runs all checks of a kind on a plugin."""

    def check(plugin: Any) -> None:
        """Check all that a plugin of this kind promises.

        Raises:
            AssertionError: it breaks a promise; the message says which, and with what input.
        """
        for promise in checks:
            promise(plugin)

    return check


def require(holds: object, message: str) -> None:
    """Raise AssertionError with a message unless something holds, also where `python -O` leaves out `assert`."""
    if not holds:
        raise AssertionError(message)


def shown(value: object) -> str:
    """Return a value as a message shows it: cut where it is long."""
    return _shorten.repr(value)


@contextmanager
def trying(plugin: object, what: str, but: type[Exception] = AssertionError) -> Iterator[None]:
    """Turn whatever `plugin` raises, `but` one kind of error, into an AssertionError that says `what` it was doing."""
    try:
        yield
    except (AssertionError, but):
        raise
    except Exception as error:
        raise AssertionError(f"{shown(plugin)} raises {type(error).__name__} {what}: {error}") from error


@contextmanager
def unchanged(plugin: object, values: Mapping[str, Any], what: str) -> Iterator[None]:
    """Assert that a plugin leaves values as they were: tensors, arrays or sequences, by name."""
    before = copy.deepcopy(dict(values))
    yield
    for name, value in values.items():
        array = isinstance(value, Tensor | np.ndarray)
        same = np.array_equal(value, before[name], equal_nan=True) if array else list(value) == list(before[name])
        require(same, f"{shown(plugin)} changes `{name}` {what}")


def is_a_frozen_dataclass(plugin: Any) -> None:
    """Assert that the plugin cannot change."""
    cls = type(plugin)
    # `__dict__` and not `getattr`: a plain class that derives from a frozen dataclass is not one itself.
    parameters = cls.__dict__.get("__dataclass_params__")
    frozen = parameters is not None and parameters.frozen
    require(frozen, f"{cls.__name__} is not a frozen dataclass: decorate it with `@dataclass(frozen=True)`")


def is_documented(plugin: Any) -> None:
    """Assert that the class says what it is; its first line is the help text."""
    cls = type(plugin)
    doc = (cls.__doc__ or "").strip()
    # Where there is no docstring, `@dataclass` writes the signature.
    documented = doc and not doc.startswith(f"{cls.__name__}(")
    require(documented, f"{cls.__name__} has no docstring: say what it is in a sentence, shown by `neurosieve plugins`")


def is_rebuilt_from_its_fields_alone(plugin: Any) -> None:
    """Assert that a config can hold every field, and that the fields alone make an equal plugin."""
    cls = type(plugin)
    fields = {field.name: getattr(plugin, field.name) for field in dataclasses.fields(plugin) if field.init}
    attributes = {*getattr(plugin, "__dict__", ()), *(field.name for field in dataclasses.fields(plugin))}
    for name in sorted(attributes - fields.keys()):
        cached = isinstance(getattr(cls, name, None), cached_property)
        require(cached, f"{shown(plugin)} holds `{name}`, which no config can set: make it a field, or compute it")
    with trying(plugin, "as its fields are written to a config and read again"):
        node = {name: as_node(value) for name, value in fields.items()}
        rebuilt = as_object(cls, OmegaConf.create(OmegaConf.to_yaml(OmegaConf.create(node))), cls.__name__)
    for name, value in fields.items():
        require(
            getattr(rebuilt, name) == value,
            f"the field `{name}` of {cls.__name__} is {shown(value)}, and comes back from a config as "
            f"{shown(getattr(rebuilt, name))}: use numbers, strings, booleans, None, plugins and tuples of them",
        )
    require(rebuilt == plugin, f"{shown(plugin)} built again from its own fields is not equal to it")
    with trying(plugin, "as it is hashed"):
        require(hash(rebuilt) == hash(plugin), f"{shown(plugin)} is equal to another whose hash differs")


def is_picklable(plugin: Any) -> None:
    """Assert that the plugin can be sent to another process."""
    with trying(plugin, "as it is pickled"):
        loaded = pickle.loads(pickle.dumps(plugin))
    require(loaded == plugin, f"{shown(plugin)} is {shown(loaded)} after pickling, which is not equal to it")


PLUGIN_CHECKS: tuple[Check, ...] = (
    is_a_frozen_dataclass,
    is_documented,
    is_rebuilt_from_its_fields_alone,
    is_picklable,
)
check_plugin = checker(PLUGIN_CHECKS)
