"""Detect annotated spans."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from neurosieve import (
    ConfigError,
    DataError,
    Detector,
    Document,
    Scope,
    Span,
    TokenizedDocument,
    check_fields,
    nearest,
    plural,
)
from neurosieve_plugins.record_files import check_file, read_records
from neurosieve_plugins.records import name_of, spans_of

__all__ = ["Annotations"]

_UNLABELLED, _NOT_KNOWN = "unlabelled", "not known"
"""The field of a record that says what text without a span is, and what it says where that is not known."""
_UNSURE = "unsure"
"""The label of a sentence of a sample of which a person could not tell what it shows."""


@dataclass(frozen=True)
class Annotations(Detector):
    """Annotated spans, of the document's own source or of a file of labels.

    A file of labels has a record a document, in a JSON array or one a line, with the document's id and its spans, in
    characters of the document's text. A document that is not in the file has no spans; how many there are is noted.
    Where a record has the field `unlabelled` with the text `not known`, as in what `neurosieve annotate` writes, only
    some sentences were labelled: text without a span, text labelled `unsure`, and a document without a record, is not
    known, and counts neither as the behaviour nor as a control.

    >>> spans = (Span(0, 3, "doubt"), Span(4, 7, "plan"))
    >>> document = Document(id="a", group="a", text="Hmm now", annotations=spans)
    >>> list(Annotations(labels=("doubt",)).detect(document))
    [Span(start=0, end=3, label='doubt')]
    """

    near_misses_are_unknown = True

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

    @property
    def looks_ahead(self) -> bool:  # type: ignore[override]
        """Whether there is a file, of which it counts the documents that the run has too."""
        return self.path is not None

    def detect(self, document: Document) -> Iterator[Span]:
        """Yield the annotated spans that have one of the labels.

        Raises:
            DataError: a span does not lie in the text, or the file of labels cannot be read.
            ConfigError: no span of the file has one of the labels.
        """
        spans, sampled = self._labelled(document)
        for span in spans:
            if not 0 <= span.start < span.end <= len(document.text):
                origin = "its source" if self.path is None else self.path
                raise DataError(
                    f"the span {span.start} to {span.end} (`{span.label}`) that {origin} gives for document "
                    f"`{document.id}` does not lie in its text, of {len(document.text)} characters: "
                    "take the labels and the texts from the same place"
                )
            if span.label in self.labels or (not self.labels and not (sampled and span.label == _UNSURE)):
                yield span

    def check(self, documents: Sequence[Document | TokenizedDocument]) -> None:
        """Raise where the file of labels holds none of the documents, or no annotation of theirs has a label.

        Raises:
            DataError: the message names a document, and one of the file; or the label, and the nearest ones.
        """
        if self.path is None:
            annotated = [document for document in documents if isinstance(document, Document)]
            labels = {span.label for document in annotated for span in document.annotations}
            for label in self.labels:
                if labels and label not in labels:
                    raise DataError(f"no annotation has the label `{label}`: {nearest(label, labels)}")
            return
        if not documents:
            return
        spans = self._file()
        if any(document.id in spans for document in documents):
            return
        known = f"which has others, such as `{next(iter(spans))}`" if spans else "which has no document"
        raise DataError(
            f"none of {plural(len(documents), 'document')}, such as `{documents[0].id}`, is in {self.path}, {known}: "
            "take labels of these documents, or name the fields with their ids (`id_field` of the detector, and of the "
            "source)"
        )

    def doubts(self, documents: Sequence[Document | TokenizedDocument]) -> Iterator[str]:
        """Yield how many documents nobody may have labelled: they count as without the behaviour."""
        if self.path is None or (file := self._read_file()).sampled:
            return
        if unlabelled := len({document.id for document in documents} - file.spans.keys()):
            yield (
                f"{unlabelled:,} of {plural(len(documents), 'document')} {'is' if unlabelled == 1 else 'are'} not in "
                f"{self.path}, and {'counts' if unlabelled == 1 else 'count'} as without the behaviour: if nobody "
                "looked at them, leave them out of the source"
            )

    def prepare(self, documents: Sequence[Document], progress: Callable[..., None]) -> Iterator[str]:
        """Yield how many documents are in the file of labels or in the run alone, where there are some."""
        if self.path is None:
            return
        file = self._read_file()
        ids, labelled = {document.id for document in documents}, file.spans.keys()
        if file.sampled and (unlabelled := len(ids - labelled)):
            yield (
                f"{unlabelled:,} of {plural(len(ids), 'document')} {'is' if unlabelled == 1 else 'are'} not in "
                f"{self.path}, and {'counts' if unlabelled == 1 else 'count'} as not known"
            )
        if unread := len(labelled - ids):
            whole = plural(len(labelled), "document")
            yield f"{unread:,} of {whole} in {self.path} {'is' if unread == 1 else 'are'} not among those of the run"

    def near_misses(self, document: Document) -> Iterator[Span]:
        """Yield the text of which nobody has said what it shows, where only some sentences were labelled.

        Sentences that are labelled `unsure` are among it.
        """
        spans, sampled = self._labelled(document)
        if not sampled:
            return
        for start, end in document.stretches(self.scope):
            yield from _gaps(document.text, start, end, spans)
        if _UNSURE not in self.labels:
            yield from (span for span in spans if span.label == _UNSURE)

    def _labelled(self, document: Document) -> tuple[Sequence[Span], bool]:
        """Return the spans of a document, and whether only some sentences of the texts were labelled."""
        if self.path is None:
            return document.annotations, document.metadata.get(_UNLABELLED) == _NOT_KNOWN
        file = self._read_file()
        return file.spans.get(document.id, ()), file.sampled

    def _file(self) -> Mapping[str, tuple[Span, ...]]:
        return self._read_file().spans

    def _read_file(self) -> "_Labels":
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
        return file


class _Labels(NamedTuple):
    """The contents of a file of labels."""

    spans: Mapping[str, tuple[Span, ...]]
    """The spans of each document."""
    labels: frozenset[str]
    """Every label that a span has."""
    sampled: bool
    """Whether only some sentences of the texts were labelled, so that nothing is known of the others."""


def _gaps(text: str, start: int, end: int, spans: Sequence[Span]) -> Iterator[Span]:
    """Yield the stretches of a text from `start` to `end` that no span covers, without the space around them."""
    for span in [*sorted(span for span in spans if span.start < end and span.end > start), Span(end, end)]:
        gap = text[start : span.start]
        if gap.strip():
            yield Span(start + len(gap) - len(gap.lstrip()), start + len(gap.rstrip()), "not labelled")
        start = max(start, span.end)


@lru_cache(maxsize=8)
def _read(
    path: Path, _version: tuple[int, int], id_field: str, spans_field: str, start: str, end: str, label: str
) -> _Labels:
    spans: dict[str, tuple[Span, ...]] = {}
    sampled = False
    for record in read_records(path):
        document = name_of(record, "id_field", id_field)
        if document in spans:
            raise DataError(f"{record.where} is the second for document `{document}`: put its spans into one record")
        spans[document] = spans_of(record, spans_field, start=start, end=end, label=label)
        sampled |= record.fields.get(_UNLABELLED) == _NOT_KNOWN
    return _Labels(spans, frozenset(span.label for listed in spans.values() for span in listed), sampled)
