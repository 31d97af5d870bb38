"""Documents from files of traces."""

from collections.abc import Iterator
from dataclasses import dataclass

from neurosieve import ConfigError, Document, Skipped, Source, check_fields
from neurosieve_plugins.layout import OnBadRecord
from neurosieve_plugins.record_files import records_at
from neurosieve_plugins.records import same_fields
from neurosieve_plugins.sources.authorship import TurnMarks
from neurosieve_plugins.sources.contrasts import CONTRASTED, one_per_field
from neurosieve_plugins.sources.layout import DocumentLayout
from neurosieve_plugins.sources.thought_marks import MarkerFamily

__all__ = ["Traces"]


@dataclass(frozen=True)
class Traces(Source):
    """Traces of a model, from files of JSON, JSON lines, CSV or Parquet, compressed or not.

    The completion starts where a record's `start_field` says, as in files that `neurosieve generate` writes, or else
    right after the first `completion_marker`. A trace without either is completion from its first character, or from
    the end of its prompt where `prompt_field` gives one. All other fields go into the document's metadata. Of several
    files, `file` there is the name of each, without its endings.

    Each `*_field` is the name of a field, or a path into nested ones: `response.body.choices.0.message.content`.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "traces.jsonl")
    ...     _ = file.write_text('{"problem_id": 7, "problem_text": "1 + 1?", "generated_cot": "1 + 1? <think> Two."}')
    ...     [document] = Traces(str(file))
    >>> document.id, document.group, document.text[document.completion_start :]
    ('7', '1 + 1?', ' Two.')
    """

    path: str
    """A file, a folder, or a pattern such as `traces/**/*.jsonl.gz`. The ids of the documents of a folder or a pattern
    begin with the name of their file."""
    text_field: str = "generated_cot"
    """The field with the trace: the prompt and the completion, or the completion alone where `prompt_field` is
    set."""
    prompt_field: str | None = None
    """The field with the prompt, which is put before the trace; null where the trace brings it."""
    group_field: str | None = "problem_text"
    """The field with what splits keep together; null for the prompt, or the document itself where it has none."""
    id_field: str | None = "problem_id"
    """The field with the document's id; null for the record's number."""
    contrast_fields: tuple[str, ...] = ()
    """Two fields or more of a record whose texts are to be compared, such as `[right_answer,wrong_answer]`. Each makes
    a document, in place of `text_field`. `field` in its metadata is the name of the field, and `pair` is the same for
    all documents of a record: `group_field=pair` keeps them in one group."""
    spans_field: str | None = None
    """The field with annotated spans, a list of `{"start": 3, "end": 9, "label": "..."}` in characters of the trace."""
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
    start_field: str | None = "completion_start"
    """The field with the character of the trace where the completion starts; records without it go by the marker."""
    prompts_only: bool = False
    """Whether the texts in `text_field`, or in `contrast_fields`, are prompts without a completion: for detectors with
    `scope=prompt`, and `selection.unit=prompt_end`."""
    on_bad_record: OnBadRecord = "error"
    """What becomes of a record that makes no document, as its trace is missing, null or blank, or its line is not JSON:
    `skip` leaves it out, and the run counts it."""

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ConfigError("`path` of the source `traces` is empty: give a file of traces")
        check_fields(self, "the source `traces`: ")
        if len(set(self.contrast_fields)) == 1 or len(set(self.contrast_fields)) < len(self.contrast_fields):
            raise ConfigError(
                f"`contrast_fields` of the source `traces` is {list(self.contrast_fields)}: give two different fields "
                "or more, or leave it out"
            )
        _ = self._layout

    @property
    def _layout(self) -> DocumentLayout:
        if not self.contrast_fields:
            return same_fields(DocumentLayout, self)
        return same_fields(DocumentLayout, self, text_field=CONTRASTED)

    def __iter__(self) -> Iterator[Document | Skipped]:
        records = records_at(self.path)
        if self.contrast_fields:
            records = one_per_field(records, self.contrast_fields, "source.contrast_fields")
        return self._layout.items(records)
