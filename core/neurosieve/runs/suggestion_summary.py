"""What a run says of phrases that were suggested for a detector's list."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from neurosieve.runs.blocks import Block, Cell, Note, Table
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.tables import as_table, number
from neurosieve.wording import plural

__all__ = ["SUGGESTIONS", "suggestion_blocks", "suggestion_command"]

SUGGESTIONS = "suggestions"
"""The table of the phrases, and the key of `run.json`."""
_STEPS = (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
"""After so many phrases it is printed what the list is worth."""


def suggestion_blocks(run: RunFolder, name: str, every: bool = False) -> Iterator[Block]:
    """Yield what was suggested for one detector: the phrases, what the list is worth with them, how to take it.

    Args:
        every: whether the list is shown after each phrase, and not after some.
    """
    record = run.run["suggestions"][name]
    yield Note(_search(name, record))
    phrases, mended = (_of(run.table(table), name) for table in (SUGGESTIONS, "mended"))
    if not len(phrases):
        return
    yield _phrases(phrases, name)
    numbers = set(mended.phrases) if every else {*_STEPS, int(mended.phrases.max())}
    yield _mended(mended[mended.phrases.isin(numbers)], name, record)
    if "preset" in record:
        yield Note("use it:", suggestion_command(run, name))


def suggestion_command(run: RunFolder, name: str) -> str:
    """Return the command that looks for a behaviour by the mended list."""
    file = run.folder / run.run["suggestions"][name]["preset"]
    return f"neurosieve find --config-dir {shlex.quote(str(file.parents[1]))} 'detectors=[{file.stem}]'"


def _of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[table.detector == name]


def _search(name: str, record: Mapping[str, Any]) -> str:
    """Return what was looked at, in words."""
    half, other = record["proposing"], record["held_out"]
    return (
        f"{name}: {plural(half['groups'], 'group')} propose, with {plural(half['missed'], 'sentence')} that show "
        f"{record['reference']} and are missed; {plural(other['groups'], 'held-out group')} say what the phrases are "
        f"worth. {plural(record['tried'], 'phrase')} tried, {record['higher']:,} more frequent in missed sentences "
        f"(z of 1.96 or more), {record['proposed']:,} suggested"
    )


def _phrases(table: pd.DataFrame, name: str) -> Table:
    titles = {
        "phrase": "phrase",
        "z": "z",
        "in_missed": "missed",
        "in_others": "others",
        "groups": "groups",
        "heldout_sentences": "held out",
        "precision": "precision",
        "gained": "recall gained",
    }
    rows = []
    for row in table.to_dict("records"):
        gained = row["heldout_recall_gained"]
        cells = {
            "z": Cell(f"{row['z']:.1f}", row["z"]),
            "precision": Cell(_share(row["heldout_precision"]), row["heldout_precision"]),
            "gained": Cell(_share(gained) if pd.isna(gained) else f"+{gained:.2f}", gained),
        }
        rows.append(dict(row) | cells)
    caption = (
        f"{name}: phrases by weighted log odds; how often they are in missed sentences and in others, and in how many "
        "groups; then the held-out sentences that they mark, and precision and recall gained there"
    )
    return as_table(pd.DataFrame(rows), titles, caption)


def _mended(table: pd.DataFrame, name: str, record: Mapping[str, Any]) -> Table:
    titles = {"list": "list", "precision": "precision", "recall": "recall", "f1": "F1"}
    rows = [
        {
            "list": Cell(_with_phrases(row["phrases"]), row["phrases"]),
            **{measure: _with_interval(row, measure) for measure in ("precision", "recall", "f1")},
        }
        for row in table.to_dict("records")
    ]
    sentences, showing = record["held_out"]["sentences"], record["held_out"]["showing"]
    where = f"{number(sentences)} held-out sentences, of which {number(showing)} show it"
    return as_table(pd.DataFrame(rows), titles, f"{name}: the list on {where}")


def _with_phrases(number_of_phrases: int) -> str:
    if not number_of_phrases:
        return "as it is"
    return f"with the first {number_of_phrases:,}" if number_of_phrases > 1 else "with the first"


def _with_interval(row: Mapping[Any, Any], measure: str) -> Cell:
    low, high = row[f"{measure}_low"], row[f"{measure}_high"]
    ends = "" if pd.isna(low) else f" ({low:.2f} to {high:.2f})"
    return Cell(_share(row[measure]) + ends, row[measure])


def _share(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.2f}"
