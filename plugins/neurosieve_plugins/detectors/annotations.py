"""Detect annotated spans."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from neurosieve import ConfigError, DataError, Detector, Document, Scope, Span, check_fields, nearest
from neurosieve_plugins.record_files import check_file, read_records
from neurosieve_plugins.records import name_of, spans_of

__all__ = ["Annotations"]


@dataclass(frozen=True)
class Annotations(Detector):
    """Annotated spans, of the document's own source or of a file of labels.

    A file of labels has a record a document, in a JSON array or one a line, with the document's id and its spans, in
    characters of the document's text. A document that is not in the file has no spans.

    >>> spans = (Span(0, 3, "doubt"), Span(4, 7, "plan"))
    >>> document = Document(id="a", group="a", text="Hmm now", annotations=spans)
    >>> list(Annotations(labels=("doubt",)).detect(document))
    [Span(start=0, end=3, label='doubt')]
    """

    labels: tuple[str, ...] = ()
    """The labels to keep; all of them, by default."""
    path: str | None = None
    """A file of labels; null for the annotations of the source."""
    id_field: str = "trace_id"
    """The field of the file's records with the document's id."""
    spans_field: str = "spans"
    """The field of the file's records with the list of spans."""
    start_field: str = "start"
    """The field of a span with its first character."""
    end_field: str = "end"
    """The field of a span with the character behind its last."""
    label_field: str = "label"
    """The field of a span with its label."""
    scope: Scope = "completion"
    """Which of them count: those in the `completion`, all that the model wrote; in its `thought` or `answer` alone; or
    in the `prompt`, what others wrote. The others are counted and left out."""

    def __post_init__(self) -> None:
        if isinstance(self.labels, str):  # Each letter would be a label.
            raise ConfigError(f"`labels` of the detector `annotations` is a text: give a list, [{self.labels}]")
        check_fields(self, "the detector `annotations`: ")
        for name, value in vars(self).items():
            if isinstance(value, str) and not value.strip():
                raise ConfigError(f"`{name}` of the detector `annotations` is empty: give the name that the file has")

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the annotated spans that have one of the labels.

        Raises:
            DataError: a span does not lie in the text, or the file of labels cannot be read.
            ConfigError: no span of the file has one of the labels.
        """
        spans = document.annotations if self.path is None else self._file().get(document.id, ())
        for span in spans:
            if not 0 <= span.start < span.end <= len(document.text):
                origin = "its source" if self.path is None else self.path
                raise DataError(
                    f"the span {span.start} to {span.end} (`{span.label}`) that {origin} gives for document "
                    f"`{document.id}` does not lie in its text, of {len(document.text)} characters: "
                    "take the labels and the texts from the same place"
                )
            if not self.labels or span.label in self.labels:
                yield span

    def _file(self) -> Mapping[str, tuple[Span, ...]]:
        path = Path(self.path or "").expanduser()
        check_file(path)
        state = path.stat()
        file = _read(
            path,
            (state.st_mtime_ns, state.st_size),
            self.id_field,
            self.spans_field,
            self.start_field,
            self.end_field,
            self.label_field,
        )
        for label in self.labels:
            if label not in file.labels:
                raise ConfigError(f"no span of {path} has the label `{label}`: {nearest(label, file.labels)}")
        return file.spans


class _Labels(NamedTuple):
    """The contents of a file of labels."""

    spans: Mapping[str, tuple[Span, ...]]
    """The spans of each document."""
    labels: frozenset[str]
    """Every label that a span has."""


@lru_cache(maxsize=8)
def _read(
    path: Path, _version: tuple[int, int], id_field: str, spans_field: str, start: str, end: str, label: str
) -> _Labels:
    spans: dict[str, tuple[Span, ...]] = {}
    for record in read_records(path):
        document = name_of(record, "id_field", id_field)
        if document in spans:
            raise DataError(f"{record.where} is the second for document `{document}`: put its spans into one record")
        spans[document] = spans_of(record, spans_field, start=start, end=end, label=label)
    return _Labels(spans, frozenset(span.label for listed in spans.values() for span in listed))
