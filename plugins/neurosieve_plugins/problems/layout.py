"""How a record makes a problem."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neurosieve import ConfigError, DataError, Problem
from neurosieve_plugins.records import Record, kind_of, name_of, text_of, value_of

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
        for name, value in vars(self).items():
            if value is not None and not value.strip():
                hint = "" if name == "text_field" else ", or set it to null"
                raise ConfigError(f"`{name}` is empty: name what the records hold{hint}")

    def problems(self, records: Iterable[Record]) -> Iterator[Problem]:
        """Yield the problem of each record.

        Raises:
            DataError: a record makes no problem, or two of them share an id.
        """
        seen: dict[str, str] = {}
        for record in records:
            problem = self.problem(record)
            if problem.id in seen:
                raise DataError(
                    f"{record.where} has the id `{problem.id}`, which {seen[problem.id]} has too: "
                    "give each record an id of its own, or set `id_field` to null to number the records"
                )
            seen[problem.id] = record.where
            yield problem

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
        taken = vars(self).values()
        return Problem(
            id=str(record.number) if self.id_field is None else name_of(record, "id_field", self.id_field),
            text=text,
            answer=_said(record, "answer_field", self.answer_field),
            level=_level(record, self.level_field),
            type=_said(record, "type_field", self.type_field) or "",
            solution=_said(record, "solution_field", self.solution_field) or "",
            metadata={name: value for name, value in record.fields.items() if name not in taken},
        )


def _said(record: Record, setting: str, field: str | None) -> str | None:
    """Return the text or the number that a field holds, as text; None where it holds null."""
    value = None if field is None else value_of(record, setting, field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(
            f"`{field}` of {record.where} is {kind_of(value)}, where a text or a number is needed: mend the record, "
            f"or set `{setting}`"
        )
    return text_of(record, setting, str(field)) if isinstance(value, str) else str(value)


def _level(record: Record, field: str | None) -> str:
    said = _said(record, "level_field", field) or ""
    return f"Level {said}" if said.isdecimal() else said  # As MATH and the founding files name their levels.
