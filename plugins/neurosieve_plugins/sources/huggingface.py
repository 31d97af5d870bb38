"""Documents from Hugging Face `datasets`."""

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from neurosieve import ConfigError, DataError, Document, Source
from neurosieve_plugins.sources.records import Layout, Record

__all__ = ["HuggingFace"]

# What `datasets` reads by itself, of local files; unless they are named, of whatever lies in the working folder.
_FORMATS = frozenset({"arrow", "csv", "json", "parquet", "text"})


@dataclass(frozen=True)
class HuggingFace(Source):
    """A data set of the Hugging Face hub, or local files that `datasets` can read.

    No code that comes with a data set is run.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "texts.jsonl")
    ...     _ = file.write_text('{"text": "Hmm, 7 is odd.", "topic": "numbers"}')
    ...     [document] = HuggingFace("json", data_files=(str(file),), group_field="topic", streaming=True)
    >>> document
    Document(id='1', text='Hmm, 7 is odd.', group='numbers', completion_start=0, annotations=(), metadata={})
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
    """The commit, tag or branch of a data set of the hub; name a commit to read the same texts ever after."""
    streaming: bool = False
    """Whether records are read as they are needed, with nothing written to the cache."""
    text_field: str = "text"
    """The field with the text: the prompt and the completion, or the completion alone where `prompt_field` is set."""
    prompt_field: str | None = None
    """The field with the prompt, which is put before the text; null where there is none or the text brings it."""
    group_field: str | None = None
    """The field with what splits keep together; null for the prompt, or the document itself where it has none."""
    id_field: str | None = None
    """The field with the document's id; null for the record's number, from 1."""
    spans_field: str | None = None
    """The field with annotated spans, a list of `{"start": 3, "end": 9, "label": "..."}` in characters of the text."""
    completion_marker: str | None = "<think>"
    """What stands right before the completion; null for nothing."""

    def __post_init__(self) -> None:
        if not self.dataset.strip():
            raise ConfigError(
                "`dataset` of the source `huggingface` is empty: name one of the hub, or `json` with `data_files`"
            )
        if self.dataset in _FORMATS and not self.data_files:
            raise ConfigError(
                f"`data_files` of the source `huggingface` is empty: give the files to read as `{self.dataset}`"
            )
        if not self.split.strip():
            raise ConfigError("`split` of the source `huggingface` is empty: name one, such as `train`")
        _ = self._layout

    @property
    def _layout(self) -> Layout:
        return Layout(
            self.text_field,
            self.prompt_field,
            self.group_field,
            self.id_field,
            self.spans_field,
            self.completion_marker,
        )

    def __iter__(self) -> Iterator[Document]:
        return self._layout.documents(("", record) for record in self._records())

    @property
    def _origin(self) -> str:
        """What is read, for messages."""
        parts = ", ".join(([] if self.subset is None else [self.subset]) + list(self.data_files))
        name = f"`{self.dataset}` ({textwrap.shorten(parts, 200, placeholder=' …')})" if parts else f"`{self.dataset}`"
        return f"split `{self.split}` of {name}"

    def _records(self) -> Iterator[Record]:
        number = 0
        try:
            for number, fields in enumerate(self._load(), start=1):
                yield Record(fields, number, f"record {number} of {self._origin}")
        except Exception as error:
            # What `datasets` raises is of a dozen libraries, of networks, file systems and parsers; the reason is often
            # in what it was raised from.
            cause = error.__cause__ or error
            reason = textwrap.shorten(f"{type(cause).__name__}: {cause}", 300, placeholder=" …")
            after = f" after record {number}" if number else ""
            advice = (
                "`split` and `data_files`" if self.dataset in _FORMATS else "its names, and the network or the cache"
            )
            raise DataError(f"{self._origin} cannot be read{after} ({reason}): check {advice}") from error
        if number == 0:
            raise DataError(f"{self._origin} holds no record: choose another split or other files")

    def _load(self) -> Any:
        import datasets

        if not sys.stderr.isatty():
            datasets.disable_progress_bars()
        return datasets.load_dataset(
            self.dataset,
            self.subset,
            data_files=list(self.data_files) or None,
            split=self.split,
            revision=self.revision,
            streaming=self.streaming,
        )
