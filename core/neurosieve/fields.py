"""Settings that check themselves: the type of a field says what it may hold."""

import dataclasses
import math
import typing
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from neurosieve.errors import FieldError

__all__ = ["check_fields"]


def check_fields(settings: Any, where: str = "") -> None:
    """Raise unless every field of a dataclass holds what its type allows; to be called from `__post_init__`.

    Bounds are written as annotations, `seed: Annotated[int, Ge(0)] = 0`, which pydantic reads. `where` is what stands
    before a field's name in a config, such as `selection.`.

    Raises:
        FieldError: a field does not; the message names it, what it holds, and what it may hold.

    >>> from annotated_types import Ge
    >>> @dataclasses.dataclass(frozen=True)
    ... class Draw:
    ...     seed: typing.Annotated[int, Ge(0)] = 0
    >>> check_fields(Draw(-1))
    Traceback (most recent call last):
    neurosieve.errors.FieldError: seed is -1: give a whole number, at least 0
    """
    for name, (adapter, hint) in _adapters(type(settings)).items():  # type: ignore[arg-type]  # A class is hashable.
        value = getattr(settings, name)
        try:  # A list will do where a tuple is meant.
            adapter.validate_python(tuple(value) if isinstance(value, list) else value, strict=True)
        except ValidationError as error:
            shown = list(value) if isinstance(value, tuple) else value
            raise FieldError(name, f"is {shown!r:.200}: {_wanted(hint)}", where) from error


@cache
def _adapters(cls: Any) -> dict[str, Any]:
    """Return each field's name, with pydantic's check of its type and the type itself."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: (_adapter(hints[field.name]), hints[field.name]) for field in dataclasses.fields(cls)}


def _adapter(hint: Any) -> Any:
    """Return pydantic's check of a type; of a contract, which pydantic does not know, a plugin must be an instance."""
    if dataclasses.is_dataclass(hint):
        return TypeAdapter(hint)
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))


def _wanted(hint: Any) -> str:
    """Return what a field of this type is to hold, as advice."""
    if get_origin(hint) is Literal:
        *most, last = map(str, get_args(hint))
        return f"take {', '.join(most)} or {last}"
    if get_origin(hint) is tuple:
        return f"give a list, each item {_wanted(get_args(hint)[0]).partition(' ')[2]}"
    options = [option for option in get_args(hint) if option is not type(None)]
    if type(None) in get_args(hint) and len(options) == 1:
        return _wanted(options[0])
    bounds = getattr(hint, "__metadata__", ())
    kind = get_args(hint)[0] if bounds else hint
    noun = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(
        kind, f"a {getattr(kind, '__name__', kind)}"
    )
    limits = [
        f"{words} {getattr(bound, key):g}"
        for bound in bounds
        for key, words in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
        if hasattr(bound, key) and math.isfinite(getattr(bound, key))
    ]
    limits += ["not empty" for bound in bounds if getattr(bound, "min_length", 0)]
    return f"give {noun}{', ' * bool(limits)}{' and '.join(limits)}"
