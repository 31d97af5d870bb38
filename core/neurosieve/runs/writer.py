"""Writes a run folder: its tables and its record."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.disk import atomic_write
from neurosieve.errors import StoreError
from neurosieve.runs.reader import RECORD
from neurosieve.runs.record_fields import FORMAT
from neurosieve.runs.results import Run, load

__all__ = ["warned", "write_run"]


def write_run(folder: Path, run: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Run:
    """Write a run folder, each file whole or not at all; `run.json`, the last, says that the run is finished.

    Args:
        run: what goes into `run.json`, besides its `format`; `command` says which command left it.
        tables: what goes into a Parquet file each, by name.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            atomic_write(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
        text = json.dumps({"format": FORMAT, **run}, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        atomic_write(folder / RECORD, lambda path: path.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise StoreError(
            f"cannot write the run folder `{folder}` ({error.strerror or error}): make room, or choose another place"
        ) from error
    return load(folder)


def warned(run: Run, warning: str) -> Run:
    """Write one more warning into the record of a finished run, before the others, and return the run, read again."""
    return write_run(run.folder, {**run.run, "warnings": [warning, *run.run["warnings"]]}, {})
