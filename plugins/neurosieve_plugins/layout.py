"""How records make documents or problems: what the two share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, ClassVar, Generic, Literal, TypeVar

from neurosieve import ConfigError, DataError, Document, Problem, Skipped
from neurosieve_plugins.records import Record, RecordError, name_of, text_of

__all__ = ["Layout", "OnBadRecord"]

Item = TypeVar("Item", Document, Problem)
OnBadRecord = Literal["error", "skip"]
_EXAMPLES = 3
"""Of so many skipped records it is told which they are."""


class Layout(ABC, Generic[Item]):
    """Which field of a record holds what, in fields of a dataclass, and how items are made of them."""

    key: ClassVar[str]
    """What the command line puts before the names of the settings: `source` or `problems`."""
    text_field: str
    id_field: str | None
    on_bad_record: OnBadRecord | None = None
    """Whether a record that makes nothing is an error or is skipped; None where no setting lets it be skipped."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, str) and not value.strip():
                hint = "" if name == "text_field" else ", or set it to null"
                raise ConfigError(f"`{name}` is empty: give the name of a field of the records{hint}")

    @abstractmethod
    def items_of(self, record: Record) -> Iterable[Item]:
        """Return what a record makes: one item, or several.

        Raises:
            RecordError: the record lacks a field, or holds something else in it.
        """

    def items(self, records: Iterable[Record | RecordError]) -> Iterator[Item | Skipped]:
        """Yield what each record makes, and what is skipped in its place.

        Raises:
            DataError: two items share an id, or a record makes nothing and is not to be skipped; or, at the end, most
                records were skipped, of which each would make several items.
        """
        seen: dict[str, str] = {}
        for where, item in self._located_items(records):
            if not isinstance(item, Skipped):
                if item.id in seen:
                    raise DataError(
                        f"{where} has the id `{item.id}`, which {seen[item.id]} has too: "
                        f"give each record an id of its own, or set `{self.key}.id_field=null` to number the records"
                    )
                seen[item.id] = where
            yield item

    def items_of_stream(self, records: Iterable[Record | RecordError]) -> Iterator[Item | Skipped]:
        """Yield as `items` does, but compare no ids: there may be any number of records.

        Raises:
            RecordError: a record makes nothing and is not to be skipped.
        """
        return (item for _, item in self._located_items(records))

    def _located_items(self, records: Iterable[Record | RecordError]) -> Iterator[tuple[str, Item | Skipped]]:
        """Yield each item with where its record stands."""
        read = made = skipped = 0
        examples: list[str] = []
        for record in records:
            try:
                if isinstance(record, RecordError):
                    raise record
                items = list(self.items_of(record))  # A record is skipped whole: a part of it would be miscounted.
            except RecordError as error:
                if self.on_bad_record != "skip":
                    raise self.with_way_out(error) from error
                skipped += 1
                examples += [f"{error.where}: {error.why}"] * (skipped <= _EXAMPLES)
                yield error.where, Skipped(error.where, error.why)
                continue
            read, made = read + 1, made + len(items)
            for item in items:
                yield record.where, item
        # Where each makes one item, a run compares their numbers itself; of several it cannot tell the records.
        if read < made and read < skipped:
            raise DataError(
                f"most records were skipped: {skipped:,} of {read + skipped:,} ({'; '.join(examples)}"
                f"{'; …' * (skipped > _EXAMPLES)}): what is left may not stand for the whole; where the records have "
                "several layouts, put those of each into a file of their own, else correct the records, or take them "
                "out of the file"
            )

    def with_way_out(self, error: RecordError) -> RecordError:
        """Return an error of a record that says too how such records are left out, where they may be."""
        if self.on_bad_record is None:
            return error
        way_out = f"set `{self.key}.on_bad_record=skip`, which leaves such records out and counts them"
        return RecordError(error.where, error.why, f"{error.advice}; or {way_out}")

    def text(self, record: Record, what: str) -> str:
        """Return the text of a record, which is not blank; `what` it is goes into the message."""
        text = text_of(record, f"{self.key}.text_field", self.text_field)
        if not text.strip():
            why = f"has no {what}, for its `{self.text_field}` is blank"
            raise RecordError(record.where, why, "correct the record")
        return text

    def id(self, record: Record) -> str:
        """Return the id of a record, or its number where no field holds the id."""
        name = str(record.number) if self.id_field is None else name_of(record, f"{self.key}.id_field", self.id_field)
        return record.prefix + name

    def other_fields(self, record: Record) -> dict[str, Any]:
        """Return the fields of a record that the layout does not name. One that a path leads into is kept whole."""
        named = self._named_fields
        return {name: value for name, value in record.fields.items() if name not in named}

    @cached_property
    def _named_fields(self) -> frozenset[str | None]:
        return frozenset(value for name, value in vars(self).items() if name.endswith("_field"))
