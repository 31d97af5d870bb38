"""Values of the fields of records: what to call them, and how many there are of each."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["counted", "field_names", "name_of_value", "number_of_value"]

_WHOLE = re.compile(r"[-+]?\d+\.0+")
_LISTED = 10
"""So many values, or fields, are named in a message."""
_LONGEST = 40


def name_of_value(value: Any) -> str | None:
    """Return what a label is compared by: its text, in any case; None where it is no text, number or truth value.

    A table of records holds `1` as a text, and as 1.0 where another cell of its column is empty.

    >>> [name_of_value(value) for value in (True, "True ", 1, 1.0, "1.0", None, [1])]
    ['true', 'true', '1', '1', '1', None, None]
    """
    if not isinstance(value, str | int | float) or (isinstance(value, float) and math.isnan(value)):
        return None
    name = str(value).strip().casefold()
    return name.partition(".")[0].removeprefix("+") if _WHOLE.fullmatch(name) else name


def number_of_value(value: Any) -> float | None:
    """Return the number that a value is, or holds as a text; None where it is something else.

    >>> number_of_value("0.5"), number_of_value(True), number_of_value("high")
    (0.5, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def counted(values: Iterable[Any]) -> str:
    """Return how many there are of each value, the most frequent first; of many different numbers, their range.

    >>> counted(["faithful", "Faithful", "hallucinated"]), counted([0.1, 0.2, "0.30", *range(20)])
    ('`faithful` (2), `hallucinated` (1)', 'a number from 0 to 19 (23)')
    """
    every = list(values)
    names = Counter(name for value in every if (name := name_of_value(value)) is not None).most_common()
    numbers = [number for value in every if (number := number_of_value(value)) is not None]
    if len(numbers) == len(every) and len(names) > _LISTED:
        return f"a number from {min(numbers):g} to {max(numbers):g} ({len(numbers):,})"
    shown = [f"`{name:.{_LONGEST}}` ({count:,})" for name, count in names[:_LISTED]]
    more = [f"{len(names) - _LISTED:,} others"] if len(names) > _LISTED else []
    return ", ".join(shown + more)


def field_names(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of fields that records have, of nested ones their paths: those that most records have first.

    >>> field_names([{"id": 1, "grade": {"label": "good"}}, {"id": 2}])
    ['id', 'grade.label']
    """
    return [name for name, _ in Counter(path for record in records for path in _paths(record)).most_common(_LISTED * 3)]


def _paths(record: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"
