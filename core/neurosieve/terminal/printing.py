"""Blocks on a console: every text is shown as it is, and none of it is obeyed."""

from collections.abc import Iterable
from itertools import compress
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from neurosieve.runs.blocks import Block, Cell, Facts, Note, Table
from neurosieve.terminal.streams import leave_closed_pipe
from neurosieve.wording import visible

__all__ = ["console", "show_blocks", "show_warnings"]


class _Screen(Console):
    """A console that ends as every command does where nobody reads its output any more."""

    def on_broken_pipe(self) -> None:
        """Exit quietly."""
        leave_closed_pipe()


def console(width: int = 1000, **options: Any) -> Console:
    """Return the console to print on; a pipe or a file gets whole lines, however long."""
    screen = _Screen(highlight=False, **options)
    return screen if screen.is_terminal else _Screen(width=width, highlight=False, **options)


def show_warnings(warnings: Iterable[str], out: Console) -> None:
    """Print warnings, a line each."""
    for warning in warnings:
        out.print(Text("warning:", style="bold yellow").append(f" {visible(warning)}", style="not bold default"))


def show_blocks(blocks: Iterable[Block], out: Console) -> None:
    """Print blocks, a table with as many of its columns as fit."""
    for block in blocks:
        match block:
            case Note(text=text, command=command):
                # A command or a path is never broken: it is there to be copied.
                out.print(Text(visible(f"{text} {command}" if command else text)), soft_wrap=bool(command))
            case Facts(facts=facts):
                for name, value in facts:
                    out.print(Text(visible(f"{name}: {value}")))
            case Table() if block.rows:
                out.print(_table(block, out.width))


_WIDE = Console(width=10_000)


def _table(block: Table, width: int) -> RichTable:
    """Return a table with all its columns, or with as many as fit."""
    several_lines = any(cell.around for row in block.rows for cell in row)
    for detail in (2, 1, 0):
        table = RichTable(title=Text(visible(block.caption)), title_justify="left", show_lines=several_lines)
        shown = [header.detail <= detail for header in block.headers]
        for header in compress(block.headers, shown):
            table.add_column(Text(visible(header.text)), justify="right" if header.number else "left", overflow="fold")
        for row in block.rows:
            table.add_row(*map(_text, compress(row, shown)))
        if Measurement.get(_WIDE, _WIDE.options, table).maximum <= width:
            break
    return table


def _text(cell: Cell) -> Text:
    if cell.around is None:
        return Text(visible(cell.text))
    before, after = map(visible, cell.around)
    return Text(before, style="dim").append(visible(cell.text), style="bold reverse not dim").append(after)
