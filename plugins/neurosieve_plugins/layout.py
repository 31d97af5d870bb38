"""How records make documents or problems: what the two share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from neurosieve import ConfigError, DataError, Document, Problem
from neurosieve_plugins.records import Record, name_of, text_of

__all__ = ["Layout"]

Item = TypeVar("Item", Document, Problem)


class Layout(ABC, Generic[Item]):
    """Which field of a record holds what, in fields of a dataclass, and how an item is made of them."""

    text_field: str
    id_field: str | None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value.strip():
                hint = "" if name == "text_field" else ", or set it to null"
                raise ConfigError(f"`{name}` is empty: give the name of a field of the records{hint}")

    @abstractmethod
    def item(self, record: Record) -> Item:
        """Return what a record makes.

        Raises:
            DataError: the record lacks a field, or holds something else in it.
        """

    def items(self, records: Iterable[Record]) -> Iterator[Item]:
        """Yield what each record makes.

        Raises:
            DataError: a record makes nothing, or two of them share an id.
        """
        seen: dict[str, str] = {}
        for record in records:
            item = self.item(record)
            if item.id in seen:
                raise DataError(
                    f"{record.where} has the id `{item.id}`, which {seen[item.id]} has too: "
                    "give each record an id of its own, or set `id_field` to null to number the records"
                )
            seen[item.id] = record.where
            yield item

    def text(self, record: Record, what: str) -> str:
        """Return the text of a record, which is not blank; `what` it is goes into the message."""
        text = text_of(record, "text_field", self.text_field)
        if not text.strip():
            raise DataError(f"{record.where} has no {what}, for its `{self.text_field}` is blank: leave the record out")
        return text

    def id(self, record: Record) -> str:
        """Return the id of a record, or its number where no field holds the id."""
        name = str(record.number) if self.id_field is None else name_of(record, "id_field", self.id_field)
        return record.prefix + name

    def other_fields(self, record: Record) -> dict[str, Any]:
        """Return the fields of a record that the layout does not name."""
        named = vars(self).values()
        return {name: value for name, value in record.fields.items() if name not in named}
