"""Documents from Hugging Face `datasets`."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from neurosieve import Document, Source
from neurosieve_plugins.dataset_records import DatasetRecords
from neurosieve_plugins.sources.layout import Layout

__all__ = ["HuggingFace"]


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
        _ = self._records, self._layout

    @property
    def _records(self) -> DatasetRecords:
        return DatasetRecords(self.dataset, self.subset, self.data_files, self.split, self.revision, self.streaming)

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
        return self._documents(self._records)

    def _documents(self, records: DatasetRecords) -> Iterator[Document]:
        if self.streaming:  # As many as there may be: to remember the id of each would fill the memory.
            return (self._layout.document(record) for record in records)
        return self._layout.documents(("", record) for record in records)

    def shard(self, rank: int, world_size: int) -> Source:
        """Return a part: of whole files, where a stream has enough of them and records have ids of their own."""
        whole = super().shard(rank, world_size)
        # Without an id a record goes by its number in the whole, which only reading the whole tells.
        return _Part(self, (rank, world_size)) if self.streaming and self.id_field is not None else whole


@dataclass(frozen=True)
class _Part(Source):
    """A part of a stream, which is read without the others."""

    whole: HuggingFace
    part: tuple[int, int]

    def __iter__(self) -> Iterator[Document]:
        return self.whole._documents(dataclasses.replace(self.whole._records, part=self.part))
