"""Texts that a report may trip over, and the records and tables that hold them."""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pandas as pd

__all__ = ["AWKWARD", "BEHAVIOURS", "MARKUP", "grid", "record", "spans"]

MARKUP = (
    "</script><script id=planted>document.title='obeyed'</script><img src=planted onerror=\"document.title='obeyed'\">"
)
"""What must show as it is written here, wherever it stands in a run."""

AWKWARD = (
    MARKUP,
    "{{ 7 * 7 }} {% raw %} ${7 * 7} <!-- & &amp; &lt;b&gt;",
    "one\n\ttwo\r\u2028three\x00\x1b[31m",
    "İstanbul 🤔👩‍👩‍👧‍👦 e\u0301 \u202eright to left",
    "'single' \"double\" `back` \\slash\\ %s %(name)s",
)
"""Texts that a page may trip over."""

BEHAVIOURS = ("backtracking", MARKUP)
"""Of the runs, by name."""

MODEL = {"name": f"tiny {MARKUP}", "dtype": "float32", "device": "cpu", "layers": [0, 1, 2], "neurons_per_layer": 40}


def record(command: str, **more: Any) -> dict[str, Any]:
    """Return what `run.json` of a command may hold, with awkward texts in it."""
    return {
        "command": command,
        "warnings": [f"beware of {MARKUP}", f"the document {AWKWARD[2]} is empty"],
        "counts": {"documents": 12},
        "model": MODEL,
        "timings_seconds": {"reading": 1.5},
        "versions": {"python": "3.11", "neurosieve": "0", "torch": MARKUP},
        "hashes": {"positions": "0f"},
        **more,
    }


def grid(**columns: Iterable[Any]) -> pd.DataFrame:
    """Return a table with a row for each combination of the values of its columns."""
    return pd.DataFrame(product(*columns.values()), columns=list(columns))


def spans(*behaviours: str) -> pd.DataFrame:
    """Return spans of some behaviours, a row for each awkward text."""
    labels = [*AWKWARD, *AWKWARD[:2], AWKWARD[0], ""]
    texts = pd.DataFrame(
        {
            "document": [f"{text} {number}" for number, text in enumerate(labels)],
            "group": labels,
            "part": "ranking",
            "start": 0,
            "end": [max(1, len(label)) for label in labels],
            "label": labels,
            "text": labels,
            "before": f"before {MARKUP}",
            "after": "after\n",
        }
    )
    return grid(behaviour=behaviours).merge(texts, how="cross")
