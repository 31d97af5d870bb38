"""Problems from a file."""

from collections.abc import Iterator
from dataclasses import dataclass

from neurosieve import ConfigError, Problem, Problems
from neurosieve_plugins.problems.layout import ProblemLayout
from neurosieve_plugins.record_files import records_at
from neurosieve_plugins.records import same_fields

__all__ = ["File"]


@dataclass(frozen=True)
class File(Problems):
    """Problems from files of JSON, JSON lines, CSV or Parquet, compressed or not.

    Each `*_field` is the name of a field, or a path into nested ones, such as `task.question`. All other fields
    go into the problem's metadata. A level that is a number, 3, is named `Level 3`.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "problems.jsonl")
    ...     _ = file.write_text('{"problem": "1 + 1?", "answer": 2, "level": 1}')
    ...     [problem] = File(str(file), level_field="level")
    >>> problem.id, problem.text, problem.answer, problem.level
    ('1', '1 + 1?', '2', 'Level 1')
    """

    path: str
    """A file, a folder, or a pattern such as `problems/*.csv`. The ids of the problems of a folder or a pattern begin
    with the name of their file."""
    text_field: str = "problem"
    """The field with the problem."""
    answer_field: str | None = "answer"
    """The field with the right answer; null where there is none, so that nothing can say which answers are right."""
    solution_field: str | None = None
    """The field with a worked solution."""
    level_field: str | None = None
    """The field with how hard it is."""
    type_field: str | None = None
    """The field with what it is about."""
    id_field: str | None = None
    """The field with the problem's id; null for the record's number, from 1."""

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ConfigError("`path` of the problems `file` is empty: give a file of problems")
        _ = self._layout

    @property
    def _layout(self) -> ProblemLayout:
        return same_fields(ProblemLayout, self)

    def __iter__(self) -> Iterator[Problem]:
        return self._layout.problems(records_at(self.path))
