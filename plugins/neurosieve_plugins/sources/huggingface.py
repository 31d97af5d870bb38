"""Documents from Hugging Face `datasets`."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from neurosieve import ConfigError, Document, Skipped, Source, check_fields
from neurosieve_plugins.dataset_records import DatasetRecords
from neurosieve_plugins.layout import OnBadRecord
from neurosieve_plugins.records import same_fields
from neurosieve_plugins.sources.authorship import TurnMarks
from neurosieve_plugins.sources.layout import DocumentLayout
from neurosieve_plugins.sources.thought_marks import MarkerFamily

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
    >>> document.id, document.text, document.group
    ('1', 'Hmm, 7 is odd.', 'numbers')
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
    """What stands right before the completion; null where the whole text is the model's. Where a text holds it more
    than once, the one that opens the completion is sought, and a run counts how often."""
    thought_end: str | None = None
    """What ends the thought that `completion_marker` starts; null for `</think>` after `<think>`, and the like."""
    markers: MarkerFamily | None = None
    """The marks of a known family, in place of `completion_marker`: `magistral` for `[THINK]`, `open_thoughts` for
    `<|begin_of_thought|>`, `harmony` for the channels `analysis` and `final`, and so on."""
    turn_marks: TurnMarks | None = "any"
    """The chat template whose marks part a text into turns; `any` finds out, null where such marks are only text."""
    prompts_only: bool = False
    """Whether the texts in `text_field` are prompts without a completion: for detectors with `scope=prompt`, and
    `selection.unit=prompt_end`."""
    on_bad_record: OnBadRecord = "error"
    """What becomes of a record that makes no document, as its text is missing, null or blank: `skip` leaves it out,
    and the run counts it."""
    part: tuple[int, ...] | None = None
    """Which part of how many is read, as in `[0, 8]`, without the others: whole files, where there are enough. Records
    need an id of their own then (`id_field`)."""

    def __post_init__(self) -> None:
        check_fields(self, "the source `huggingface`: ")
        _ = self._records, self._layout
        if self.part is None:
            return
        if len(self.part) != 2 or not 0 <= self.part[0] < self.part[1]:
            raise ConfigError(f"`part` of `huggingface` is {list(self.part)}: give which of how many, as in [0, 8]")
        if self.id_field is None:
            raise ConfigError(
                "`part` of `huggingface` is given without `id_field`: two parts would number records alike"
            )

    @property
    def _records(self) -> DatasetRecords:
        return same_fields(DatasetRecords, self)

    @property
    def _layout(self) -> DocumentLayout:
        return same_fields(DocumentLayout, self)

    def __iter__(self) -> Iterator[Document | Skipped]:
        if self.streaming:  # There may be any number of records: to remember each id would fill the memory.
            return self._layout.items_of_stream(self._records)
        return self._layout.items(self._records)

    def shard(self, rank: int, world_size: int) -> Source:
        """Return a part: of whole files, where a stream has enough of them and its records have ids of their own."""
        whole = super().shard(rank, world_size)
        if not self.streaming or self.id_field is None or self.part is not None:
            return whole
        return dataclasses.replace(self, part=(rank, world_size))
