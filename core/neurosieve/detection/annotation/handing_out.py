"""The files that a person labels in: a page, a table for a spreadsheet, and JSON lines for any other tool."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.data import Document
from neurosieve.detection.annotation.page import label_page, with_signs
from neurosieve.detection.annotation.settings import LabelSet
from neurosieve.disk import atomic_write
from neurosieve.errors import StoreError

__all__ = ["CSV", "JSONL", "PAGE", "hand_out"]

PAGE, CSV, JSONL = "label.html", "to_label.csv", "to_label.jsonl"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet takes for a formula (OWASP, CSV Injection)."""


def hand_out(
    folder: Path, sample: pd.DataFrame, documents: Mapping[str, Document], label_set: LabelSet, name: str, context: int
) -> None:
    """Write what a person gets: nothing in it tells what the detectors say.

    Args:
        name: tells the sample from any other.
        context: how many characters of text are shown on either side.

    Raises:
        StoreError: the folder cannot be written.
    """
    items = list(_items(sample, documents, context))
    contents = {
        PAGE: label_page(items, label_set, name),
        CSV: _table(items),
        JSONL: "".join(json.dumps(item | {"labels": []}) + "\n" for item in items),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in contents.items():
            # A lone half of a character pair, which no file can hold, shows as a question mark.
            atomic_write(folder / file, partial(Path.write_bytes, data=content.encode("utf-8", "replace")))
    except OSError as error:
        for file in contents:
            (folder / file).unlink(missing_ok=True)
        raise StoreError(
            f"cannot write the files to label into `{folder}` ({error.strerror or error}): make room, or choose "
            "another place"
        ) from error


def _items(sample: pd.DataFrame, documents: Mapping[str, Document], context: int) -> Iterator[dict[str, Any]]:
    """Yield what a person sees of each sentence, and where it stands."""
    for row in sample.to_dict("records"):
        text, start, end = documents[str(row["document"])].text, int(row["start"]), int(row["end"])
        yield {
            "sentence": row["sentence"],
            "document": row["document"],
            "start": start,
            "end": end,
            "before": text[max(0, start - context) : start],
            "text": text[start:end],
            "after": text[end : end + context],
        }


def _table(items: list[dict[str, Any]]) -> str:
    """Return a table that spreadsheets open, without a cell that one of them would run.

    Characters that control a terminal are signs in it.
    """
    columns = ["sentence", "before", "text", "after", "labels"]
    out = io.StringIO(newline="")
    rows = csv.writer(out)
    rows.writerow(columns)
    rows.writerows([_as_text(with_signs(str(item.get(column, "")))) for column in columns] for item in items)
    return "\ufeff" + out.getvalue()  # Without it Excel reads UTF-8 as something else.


def _as_text(cell: str) -> str:
    # Spaces at the start do not keep a spreadsheet from reading a formula.
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) or cell.startswith("'") else cell
