"""Problems from Hugging Face `datasets`."""

from collections.abc import Iterator
from dataclasses import dataclass

from neurosieve import Problem, Problems
from neurosieve_plugins.dataset_records import DatasetRecords
from neurosieve_plugins.problems.layout import ProblemLayout
from neurosieve_plugins.records import same_fields

__all__ = ["HuggingFace"]


@dataclass(frozen=True)
class HuggingFace(Problems):
    """Problems of a data set of the Hugging Face hub, or of local files that `datasets` can read.

    No code that comes with a data set is run. A level that is a number, 3, is named `Level 3`.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "problems.jsonl")
    ...     _ = file.write_text('{"problem": "1 + 1?", "answer": "2"}')
    ...     [problem] = HuggingFace("json", data_files=(str(file),), streaming=True)
    >>> problem.text, problem.answer
    ('1 + 1?', '2')
    """

    dataset: str
    """A name on the hub, such as `HuggingFaceH4/MATH-500`; or `json`, `parquet`, `csv` or `text`, for `data_files`."""
    subset: str | None = None
    """Which of the data set's configurations."""
    data_files: tuple[str, ...] = ()
    """Local files or patterns, or files of the data set."""
    split: str = "train"
    """Local files are all in `train`."""
    revision: str | None = None
    """The commit, tag or branch of a data set of the hub; name a commit to read the same problems ever after."""
    streaming: bool = False
    """Whether records are read as they are needed, with nothing written to the cache."""
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
        _ = self._records, self._layout

    @property
    def _records(self) -> DatasetRecords:
        return same_fields(DatasetRecords, self)

    @property
    def _layout(self) -> ProblemLayout:
        return same_fields(ProblemLayout, self)

    def __iter__(self) -> Iterator[Problem]:
        return self._layout.problems(self._records)
