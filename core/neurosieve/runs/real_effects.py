"""What single neurons of a ranking really do: the edits of `ablate mode=each` in the runs below it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurosieve.runs.columns import HELDOUT, KEYS
from neurosieve.runs.reader import BESIDE, RECORD, RunFolder
from neurosieve.runs.single_neurons_summary import SINGLE_NEURONS

__all__ = ["REAL", "Foretelling", "foretelling", "foretold_column", "real_effects", "with_real_effects"]

REAL = "real_"
"""Begins the name of each column that an edit of the neuron filled, and not the ranking."""
_CHANGES = ("effect", "effect_control_tokens", "difference", "effect_rest")
_COLUMNS = [f"{name}{end}" for name in _CHANGES for end in ("", "_low", "_high")]
_COLUMNS += ["half_width", "controls_lowest", "controls_highest", "verdict"]
_OF_THE_RUN = ["intervention", "strength", "tried", "run"]


def real_effects(run: RunFolder) -> pd.DataFrame:
    """Return what the edits of single neurons did, a row per behaviour and neuron that was edited alone.

    They are of the finished runs of `ablate mode=each` below a ranking, and below the ranking beside it. Where several
    edited the same neuron, the latest whole `mean` edit counts; where there is none, the latest edit. The latest is
    the one whose folder has the last name: by default folders are named by their time.

    Returns:
        behaviour, layer, neuron, and the columns of the table `single_neurons`, each with `real_` before its name, in
        nats; besides, `real_intervention`, `real_strength`, `real_tried` (how many neurons the run edited, for which
        its intervals hold together) and `real_run` (its folder, from that of the ranking).
    """
    tables = [_edits(run, part) for part in _in_order(run)]
    columns = [*KEYS, *(REAL + name for name in (*_COLUMNS, *_OF_THE_RUN))]
    if not tables:
        return pd.DataFrame(columns=columns)
    every = pd.concat(tables, ignore_index=True)
    # Stable, so that of the edits of one kind the latest stays last.
    every = every.iloc[np.argsort(_is_whole_mean(every), kind="stable")]
    return every.drop_duplicates(KEYS, keep="last").sort_values(KEYS)[columns].reset_index(drop=True)


def with_real_effects(neurons: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """Return rows of a ranking with what their edits did; nan where a neuron was not edited alone."""
    return neurons.merge(effects, on=KEYS, how="left", validate="many_to_one")


def _in_order(run: RunFolder) -> list[RunFolder]:
    """Return the finished runs that edited single neurons and went on from the ranking or the one beside it."""
    own = {run.folder, run.folder / BESIDE}
    parts = [RunFolder(path.parent) for path in run.folder.rglob(RECORD) if _went_on_from(path.parent) in own]
    edited = [part for part in parts if part.command == "ablate" and SINGLE_NEURONS in part.tables]
    return sorted(edited, key=lambda part: (part.folder.name, str(part.folder)))


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
        len(table),
        part.folder.relative_to(run.folder).as_posix(),
    ]
    return named.assign(**{REAL + name: value for name, value in zip(_OF_THE_RUN, of_the_run, strict=True)})


def _is_whole_mean(effects: pd.DataFrame) -> pd.Series:
    return (effects[f"{REAL}intervention"] == "mean") & (effects[f"{REAL}strength"] == 1)


class Foretelling(NamedTuple):
    """How well a ranking of effects foretold what the edits of single neurons did."""

    reading: str
    """What foretold it."""
    neurons: int
    mean_foretold: float
    mean_real: float
    """In nats, both over these neurons."""
    spearman: float
    """Spearman's rank correlation over them; nan where there are too few different values."""
    held_out: bool
    """Whether the foretold effects are of texts that had no part in the ranking."""
    not_compared: tuple[str, ...]
    """Why others are not compared."""


def foretelling(run: RunFolder, behaviour: str) -> Foretelling | None:
    """Return how well the real effects were foretold, by the ranking or the one beside it.

    Only edits are compared that were foretold: the whole edit of the reading's kind, on the first token of onsets.
    None where nothing was edited, or no reading foretells effects.
    """
    effects = real_effects(run)
    effects = effects[effects.behaviour == behaviour]
    ranking = next(filter(foretold_column, _rankings(run)), None)
    if ranking is None or effects.empty:
        return None
    foretold: Any = foretold_column(ranking)
    config = ranking.run.get("config", {})
    reading: Any = config.get("reading")
    reading = reading if isinstance(reading, dict) else {}
    edit, at, length = (
        reading.get("edit", "mean"),
        config.get("selection", {}).get("at", "onset"),
        reading.get("length", 1),
    )
    other = (effects[f"{REAL}intervention"] != edit) | (effects[f"{REAL}strength"] != 1)
    reasons = []
    if other.any():
        reasons.append(f"{int(other.sum()):,} were edited otherwise than by the whole {edit} edit, which is foretold")
    if at != "onset" or length != 1:
        where = f"at `selection.at={at}`" if at != "onset" else f"on {length} tokens from each position"
        reasons.append(f"the ranking foretold effects {where}, and these are on the first token of onsets")
        other = pd.Series(True, effects.index)
    of_both = effects[~other].merge(ranking.neurons[[*KEYS, foretold]], on=KEYS)
    of_both = of_both[[foretold, f"{REAL}effect"]].dropna()
    varies = len(of_both) > 2 and (of_both.nunique() > 1).all()
    return Foretelling(
        ranking.cells.name,
        len(of_both),
        float(of_both[foretold].mean()),
        float(of_both[f"{REAL}effect"].mean()),
        float(of_both[foretold].corr(of_both[f"{REAL}effect"], method="spearman")) if varies else np.nan,
        foretold.endswith(HELDOUT),
        tuple(reasons),
    )


def _rankings(run: RunFolder) -> Iterator[RunFolder]:
    if (run.folder / BESIDE / RECORD).is_file():
        yield RunFolder(run.folder / BESIDE)
    yield run


def foretold_column(run: RunFolder) -> str | None:
    """Return the column of a ranking that foretells effects, of held-out texts where it can be; None if none does."""
    scorer = run.cells.foretells
    columns = [scorer + HELDOUT, scorer] if scorer else []
    return next((name for name in columns if name in run.neurons and run.neurons[name].notna().any()), None)
