"""How a record makes a document."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neurosieve import ConfigError, DataError, Document, Span
from neurosieve_plugins.records import Record, kind_of, name_of, spans_of, text_of

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """Which field of a record holds what, and how a document is made of them."""

    text_field: str
    prompt_field: str | None
    group_field: str | None
    id_field: str | None
    spans_field: str | None
    completion_marker: str | None
    start_field: str | None = None
    """The field with the character of the text where the completion starts, for records that have it."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value.strip():
                hint = "" if name == "text_field" else ", or set it to null"
                raise ConfigError(f"`{name}` is empty: name what the records hold{hint}")
        places = [self.text_field, self.prompt_field, self.id_field, self.spans_field]
        named = [place for place in places if place is not None]
        if twice := sorted({place for place in named if named.count(place) > 1}):
            raise ConfigError(f"`{twice[0]}` is given for two of a record's fields: name each field once")

    def document(self, record: Record, prefix: str = "") -> Document:
        """Return the document that a record makes; `prefix` goes before its id.

        Raises:
            DataError: the record lacks a field, or holds something else in it.
        """
        text = text_of(record, "text_field", self.text_field)
        if not text.strip():
            raise DataError(f"{record.where} has no text, for its `{self.text_field}` is blank: leave the record out")
        prompt = "" if self.prompt_field is None else text_of(record, "prompt_field", self.prompt_field)
        start = self._start(record, prompt, text)
        identity = str(record.number) if self.id_field is None else name_of(record, "id_field", self.id_field)
        if self.group_field is not None:
            group = name_of(record, "group_field", self.group_field)
        else:
            group = (prompt + text)[:start].strip() or prefix + identity
        annotations: tuple[Span, ...] = ()
        if self.spans_field is not None:
            found = spans_of(record, self.spans_field, len(text))
            annotations = tuple(Span(begin + len(prompt), end + len(prompt), label) for begin, end, label in found)
        taken = vars(self).values()
        metadata = {name: value for name, value in record.fields.items() if name not in taken}
        return Document(prefix + identity, prompt + text, group, start, annotations, metadata)

    def _start(self, record: Record, prompt: str, text: str) -> int:
        """Return the character of prompt and text where the completion starts."""
        said = None if self.start_field is None else record.fields.get(self.start_field)
        if said is None:
            marker = -1 if self.completion_marker is None else (prompt + text).find(self.completion_marker)
            return max(len(prompt), 0 if marker < 0 else marker + len(self.completion_marker or ""))
        if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said <= len(text):
            told = said if isinstance(said, int) else kind_of(said)
            raise DataError(
                f"`{self.start_field}` of {record.where} is {told}, where a character of its {len(text)} is needed: "
                "mend the record, or set `start_field` to null"
            )
        return len(prompt) + said

    def documents(self, records: Iterable[tuple[str, Record]]) -> Iterator[Document]:
        """Yield the document of each record, given with what goes before its id.

        Raises:
            DataError: a record makes no document, or two of them share an id.
        """
        seen: dict[str, str] = {}
        for prefix, record in records:
            document = self.document(record, prefix)
            if document.id in seen:
                raise DataError(
                    f"{record.where} has the id `{document.id}`, which {seen[document.id]} has too: "
                    "give each record an id of its own, or set `id_field` to null to number the records"
                )
            seen[document.id] = record.where
            yield document
