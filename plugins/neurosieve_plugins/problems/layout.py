"""How a record makes a problem."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neurosieve import Problem
from neurosieve_plugins.layout import Layout
from neurosieve_plugins.records import Record, RecordError, kind_of, text_of, value_of

__all__ = ["ProblemLayout"]


@dataclass(frozen=True)
class ProblemLayout(Layout[Problem]):
    """Which field of a record holds what, and how a problem is made of them."""

    key = "problems"
    text_field: str
    answer_field: str | None
    solution_field: str | None
    level_field: str | None
    type_field: str | None
    id_field: str | None

    def problems(self, records: Iterable[Record | RecordError]) -> Iterator[Problem]:
        """Yield the problem that each record makes.

        Raises:
            DataError: a record makes none, or two of them share an id.
        """
        for problem in self.items(records):
            assert isinstance(problem, Problem)  # Nobody would count one that is skipped.
            yield problem

    def items_of(self, record: Record) -> tuple[Problem]:
        """Return the problem that a record makes.

        Raises:
            RecordError: the record lacks a field, or holds something else in it.
        """
        text = self.text(record, "problem")
        problem = Problem(
            id=self.id(record),
            text=text,
            answer=_text(record, "problems.answer_field", self.answer_field),
            level=_level(record, self.level_field),
            type=_text(record, "problems.type_field", self.type_field) or "",
            solution=_text(record, "problems.solution_field", self.solution_field) or "",
            metadata=self.other_fields(record),
        )
        return (problem,)


def _text(record: Record, setting: str, field: str | None) -> str | None:
    """Return the text or the number that a field holds, as text; None where it holds null."""
    value = None if field is None else value_of(record, setting, field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RecordError(
            record.where,
            f"holds {kind_of(value)} in `{field}`, where a text or a number is needed",
            f"correct the record, or set `{setting}`",
        )
    return text_of(record, setting, str(field)) if isinstance(value, str) else str(value)


def _level(record: Record, field: str | None) -> str:
    level = _text(record, "problems.level_field", field) or ""
    return f"Level {level}" if level.isdecimal() else level  # As MATH and the founding files name their levels.
