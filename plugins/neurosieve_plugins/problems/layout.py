"""How a record makes a problem."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neurosieve import DataError, Problem
from neurosieve_plugins.records import (
    Record,
    check_field_names,
    id_of,
    kind_of,
    other_fields,
    text_of,
    value_of,
    without_duplicates,
)

__all__ = ["ProblemLayout"]


@dataclass(frozen=True)
class ProblemLayout:
    """Which field of a record holds what, and how a problem is made of them."""

    text_field: str
    answer_field: str | None
    solution_field: str | None
    level_field: str | None
    type_field: str | None
    id_field: str | None

    def __post_init__(self) -> None:
        check_field_names(self)

    def problems(self, records: Iterable[Record]) -> Iterator[Problem]:
        """Yield the problem of each record.

        Raises:
            DataError: a record makes no problem, or two of them share an id.
        """
        return without_duplicates((record, self.problem(record)) for record in records)

    def problem(self, record: Record) -> Problem:
        """Return the problem that a record makes.

        Raises:
            DataError: the record lacks a field, or holds something else in it.
        """
        text = text_of(record, "text_field", self.text_field)
        if not text.strip():
            raise DataError(
                f"{record.where} has no problem, for its `{self.text_field}` is blank: leave the record out"
            )
        return Problem(
            id=id_of(record, self.id_field),
            text=text,
            answer=_text(record, "answer_field", self.answer_field),
            level=_level(record, self.level_field),
            type=_text(record, "type_field", self.type_field) or "",
            solution=_text(record, "solution_field", self.solution_field) or "",
            metadata=other_fields(record, self),
        )


def _text(record: Record, setting: str, field: str | None) -> str | None:
    """Return the text or the number that a field holds, as text; None where it holds null."""
    value = None if field is None else value_of(record, setting, field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(
            f"`{field}` of {record.where} is {kind_of(value)}, where a text or a number is needed: correct the record, "
            f"or set `{setting}`"
        )
    return text_of(record, setting, str(field)) if isinstance(value, str) else str(value)


def _level(record: Record, field: str | None) -> str:
    level = _text(record, "level_field", field) or ""
    return f"Level {level}" if level.isdecimal() else level  # As MATH and the founding files name their levels.
