"""What a run says, in blocks: tables, sentences, facts. A terminal, a notebook and a page each draw the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

__all__ = ["Block", "Cell", "Facts", "Header", "Note", "Table"]


@runtime_checkable
class Block(Protocol):
    """A part of what a run says."""

    kind: ClassVar[str]
    """Which block it is; what draws it chooses by this."""


class Cell(NamedTuple):
    """A cell of a table."""

    text: str
    sort: float | str | None = None
    """The value to sort by: the text, if None; nan is always last."""
    around: tuple[str, str] | None = None
    """The text before and after; the cell's own text is then marked."""
    link: str = ""
    """Where the cell leads, as an address from the page."""


class Header(NamedTuple):
    """The heading of a column."""

    text: str
    number: bool = False
    detail: int = 0
    """Where the table is too wide, columns of detail 2 are left out first, then those of detail 1."""


@dataclass(frozen=True)
class Table:
    """Rows to read and to sort."""

    kind: ClassVar[str] = "table"
    headers: Sequence[Header]
    rows: Sequence[Sequence[Cell]]
    caption: str


@dataclass(frozen=True)
class Note:
    """A sentence or two."""

    kind: ClassVar[str] = "note"
    text: str
    command: str = ""
    """A command that the sentence recommends, or a path; never broken into lines."""
    finding: bool = False
    """Whether the sentence states a result."""


@dataclass(frozen=True)
class Facts:
    """Names, each with what it means or holds."""

    kind: ClassVar[str] = "facts"
    facts: tuple[tuple[str, str], ...]
