"""What single neurons of a ranking really do: the edits of `ablate mode=each` in the runs below it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.runs.columns import KEYS
from neurosieve.runs.foretelling import Foretelling, Foretold, compared, foretold_by, foretold_column
from neurosieve.runs.reader import BESIDE, RECORD, RunFolder
from neurosieve.runs.single_neurons_summary import SINGLE_NEURONS

__all__ = ["REAL", "edit_foretold", "foretelling", "real_effects", "with_real_effects"]

REAL = "real_"
"""Begins the name of each column that an edit of the neuron filled, and not the ranking."""
_CHANGES = ("effect", "effect_control_tokens", "difference", "effect_rest")
_COLUMNS = [f"{name}{end}" for name in _CHANGES for end in ("", "_low", "_high")]
_COLUMNS += ["half_width", "controls_lowest", "controls_highest", "verdict"]
_OF_THE_RUN = ["intervention", "strength", "sign", "smallest_effect", "tried", "run"]
_COMPARED = ["effect", "intervention", "strength"]


def real_effects(run: RunFolder) -> pd.DataFrame:
    """Return what the edits of single neurons did, a row per behaviour and neuron that was edited alone.

    They are of the finished runs of `ablate mode=each` below a ranking, and below the ranking beside it. Where several
    edited the same neuron, the latest whole edit of the kind that was foretold counts (`edit_foretold`); where there is
    none, the latest edit. The latest is that of the run that ended last (`RunFolder.ended`).

    Returns:
        behaviour, layer, neuron, and the columns of the table `single_neurons`, each with `real_` before its name, in
        nats; besides, `real_intervention`, `real_strength`, `real_sign` (of which sign of the score the run took its
        neurons), `real_smallest_effect` (in nats), `real_tried` (how many neurons the run edited, for which its
        intervals hold together) and `real_run` (its folder, from that of the ranking).
    """
    tables = [_edits(run, part) for part in _in_order(run)]
    columns = [*KEYS, *(REAL + name for name in (*_COLUMNS, *_OF_THE_RUN))]
    if not tables:
        return pd.DataFrame(columns=columns)
    every = pd.concat(tables, ignore_index=True)
    # Stable, so that of the edits of one kind the latest stays last.
    foretold = Foretold(edit_foretold(run), "")
    is_foretold = foretold.same_edit(every[f"{REAL}intervention"], every[f"{REAL}strength"])
    every = every.iloc[np.argsort(is_foretold, kind="stable")]
    return every.drop_duplicates(KEYS, keep="last").sort_values(KEYS)[columns].reset_index(drop=True)


def with_real_effects(neurons: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a ranking with what their edits did; nan where a neuron was not edited alone."""
    return neurons.merge(effects, on=KEYS, how="left", validate="many_to_one")


def _in_order(run: RunFolder) -> list[RunFolder]:
    """Return the finished runs that edited single neurons and went on from the ranking or the one beside it."""
    own = {run.folder, run.folder / BESIDE}
    parts = [RunFolder(path.parent) for path in run.folder.rglob(RECORD) if _went_on_from(path.parent) in own]
    edited = [part for part in parts if part.command == "ablate" and SINGLE_NEURONS in part.tables]
    return sorted(edited, key=lambda part: part.ended)


def _went_on_from(folder: Path) -> Path | None:
    """Return the nearest finished run that a folder lies in: the edits of another one are not its own."""
    return next((above for above in folder.parents if (above / RECORD).is_file()), None)


def _edits(run: RunFolder, part: RunFolder) -> pd.DataFrame:
    table, record = part.table(SINGLE_NEURONS), part.run
    strength = record["config"]["strength"]
    # A list of one number is recorded where one was given.
    [strength] = strength if isinstance(strength, list) else [strength]
    named = table.rename(columns={name: REAL + name for name in _COLUMNS})
    of_the_run: list[Any] = [
        str(record["intervention"]["_target_"]).rpartition("/")[2],
        float(strength),
        record.get("sign"),
        record["config"]["smallest_effect"],
        len(table),
        part.folder.relative_to(run.folder).as_posix(),
    ]
    return named.assign(**{REAL + name: value for name, value in zip(_OF_THE_RUN, of_the_run, strict=True)})


def foretelling(run: RunFolder, behaviour: str) -> Foretelling | None:
    """Return how well the real effects were foretold, by the ranking or the one beside it.

    None where nothing was edited, or no reading foretells effects.
    """
    effects = real_effects(run)
    effects = effects[effects.behaviour == behaviour]
    ranking = next(filter(foretold_column, _rankings(run)), None)
    if ranking is None or effects.empty:
        return None
    return compared(ranking, effects.rename(columns={REAL + name: name for name in _COMPARED}))


def _rankings(run: RunFolder) -> Iterator[RunFolder]:
    if (run.folder / BESIDE / RECORD).is_file():
        yield RunFolder(run.folder / BESIDE)
    yield run


def edit_foretold(run: RunFolder) -> str:
    """Return which edit of a neuron goes before others: the one that was foretold, by the ranking or the one beside it.

    A ranking by activation foretells none: there it is `mean`, as in `ablate`.
    """
    ranking = next((part for part in _rankings(run) if part.cells.foretells in part.run.get("scorers", [])), None)
    return "mean" if ranking is None else foretold_by(ranking).edit
