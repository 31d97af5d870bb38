"""`plugins`: what is plugged in."""

import argparse
import json
from collections.abc import Sequence

__all__ = ["main"]

_HELP = """\
List every plugin: its kind, the name that configs know it by, the distribution it comes from, and what it is.

  neurosieve plugins            a table
  neurosieve plugins --json     the same for machines

A config chooses them by name: source=text, detectors=[regex], control=lexical, scorers=[auc,welch_t].
Installing a package that has an entry point in the group `neurosieve` adds its plugins; nothing else is needed.
"""


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `plugins`."""
    from rich.markup import escape
    from rich.table import Table

    from neurosieve.registry import installed
    from neurosieve.terminal.printing import console

    parser = argparse.ArgumentParser(
        "neurosieve plugins", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array of objects")
    options = parser.parse_args(arguments)
    columns = ("kind", "name", "origin", "help")
    rows = [{column: getattr(plugin, column) for column in columns} for plugin in installed()]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(*columns)
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(escape(row[column]) for column in columns))
    # A pipe or a file gets a line for each plugin, however long.
    console(width=10_000).print(table)
