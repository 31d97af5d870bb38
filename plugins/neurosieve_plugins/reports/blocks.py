"""What a page is made of besides the blocks of every run: sections, charts, large numbers, code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from neurosieve import Block

__all__ = [
    "Code",
    "Figure",
    "Fold",
    "Grid",
    "Heatmap",
    "Section",
    "Tiles",
    "by_behaviour",
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
    neurons: tuple[str, ...] = ()
    """The neuron that each chart is about, where they are: a click on it elsewhere leads here."""


@dataclass(frozen=True)
class Code:
    """What is shown letter by letter: a command, a config, a document."""

    kind: ClassVar[str] = "code"
    text: str
    label: str
    wraps: bool = False


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
    blocks: tuple[Block, ...]
    unfolded: bool = False
    neuron: str = ""
    """The neuron that it is about, if any: a click on it in a chart leads here."""


@dataclass(frozen=True)
class Section:
    """A part of the page that answers one question."""

    title: str
    lead: str
    """What is to be seen here, in one plain sentence."""
    blocks: tuple[Block, ...]


def by_behaviour(blocks: Mapping[str, tuple[Block, ...]]) -> tuple[Block, ...]:
    """Return the blocks as they are for one behaviour, and each behaviour's under its name for several."""
    if len(blocks) == 1:
        return next(iter(blocks.values()))
    return tuple(Fold(name, inner, unfolded=place == 0) for place, (name, inner) in enumerate(blocks.items()))
