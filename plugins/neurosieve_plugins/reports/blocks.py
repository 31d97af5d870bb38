"""What a page is made of: sections of figures, tables, texts. Every report draws the same ones in its own way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

__all__ = [
    "Block",
    "Cell",
    "Code",
    "Facts",
    "Figure",
    "Fold",
    "Grid",
    "Header",
    "Heatmap",
    "Note",
    "Section",
    "Table",
    "Tiles",
]


@dataclass(frozen=True)
class Figure:
    """A chart, with what it shows in words."""

    kind: ClassVar[str] = "figure"
    name: str
    """What its files are called, without their endings."""
    chart: Any
    """An Altair chart of no width of its own: the page and the paper each give it theirs."""
    caption: str
    zooms: tuple[str, str] | tuple[()] = ()
    """The signals that hold the stretch of its axes that is seen, where the chart can be zoomed."""


@dataclass(frozen=True)
class Grid:
    """Small charts of one kind, side by side."""

    kind: ClassVar[str] = "grid"
    name: str
    charts: tuple[tuple[str, Any], ...]
    """The heading of each chart, and the chart."""
    caption: str


class Cell(NamedTuple):
    """What stands in a table."""

    text: str
    sort: float | str
    """What it is sorted by; nan is last either way."""
    around: tuple[str, str] | None = None
    """What stands before and after the text, which is then marked."""
    link: str = ""
    """Where it leads, as an address from the page."""


class Header(NamedTuple):
    """What stands over a column."""

    text: str
    number: bool = False


@dataclass(frozen=True)
class Table:
    """Lines to read and to sort."""

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
    """What to type, where the sentence says that a command helps."""
    finding: bool = False
    """Whether it says what came out."""


@dataclass(frozen=True)
class Code:
    """What is shown letter by letter: a command, a config, a document."""

    kind: ClassVar[str] = "code"
    text: str
    label: str
    wraps: bool = False


@dataclass(frozen=True)
class Facts:
    """What is known, each under its name."""

    kind: ClassVar[str] = "facts"
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tiles:
    """Some numbers, large."""

    kind: ClassVar[str] = "tiles"
    numbers: tuple[tuple[str, str], ...]
    """Each number, and what it counts."""


@dataclass(frozen=True)
class Heatmap:
    """Neurons on texts, token by token, to choose among."""

    kind: ClassVar[str] = "heatmap"
    name: str
    data: Mapping[str, Any]
    bars: Any
    """The chart of one neuron along one text."""
    caption: str


@dataclass(frozen=True)
class Fold:
    """Blocks under a heading that can be folded away."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: tuple["Block", ...]
    unfolded: bool = False


Block: TypeAlias = Figure | Grid | Table | Note | Code | Facts | Tiles | Heatmap | Fold


@dataclass(frozen=True)
class Section:
    """A part of the page that answers one question."""

    title: str
    lead: str
    """What is to be seen here, in one plain sentence."""
    blocks: tuple[Block, ...]
