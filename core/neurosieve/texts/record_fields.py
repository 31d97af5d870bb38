"""What the records say of texts: the values of a field, such as the level of the problem, and texts that share one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from neurosieve.data import TokenizedDocument
from neurosieve.errors import ConfigError, nearest

__all__ = ["field_values", "missing_field", "same_value"]

_ALSO_CALLED = {"level": "problem_level", "type": "problem_type"}
"""How neurosieve's own traces call what records of problems often have."""


def field_values(documents: Sequence[TokenizedDocument], field: str) -> list[Any]:
    """Return what the record of each document has at a field, or at a path into nested ones; None where it has nothing.

    `level` and `type` are also looked for as `problem_level` and `problem_type`, in records that lack them.
    """
    names = [field, *([_ALSO_CALLED[field]] if field in _ALSO_CALLED else [])]
    return [
        next((value for name in names if (value := _value_at(document.metadata, name)) is not None), None)
        for document in documents
    ]


def same_value(value: Any) -> str:
    """Return a text that is the same for values that read the same, such as 1, 1.0 and "1"; None is a blank.

    >>> same_value(1.0), same_value("1"), same_value("Level 1 "), same_value(None)
    ('1', '1', 'Level 1', '')
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def missing_field(key: str, field: str, documents: Iterable[TokenizedDocument]) -> ConfigError:
    """Return the error of a setting that names a field which no record has."""
    known = {str(name) for document in documents for name in document.metadata}
    hint = nearest(field, sorted(known)) if known else "the records of these texts have no further field"
    return ConfigError(f"`{key}` names the field `{field}`, which no record has: {hint}")


def _value_at(fields: Mapping[str, Any], path: str) -> Any:
    if path in fields:
        return fields[path]
    value: Any = fields
    for step in path.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    return value
