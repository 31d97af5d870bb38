"""What the edits of single neurons say of a ranking: a rule, the verdicts, and how well effects were foretold."""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from neurosieve.runs.blocks import Block, Cell, Note
from neurosieve.runs.foretelling import foretelling_sentence
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.real_effects import REAL, edit_foretold, foretelling, real_effects
from neurosieve.runs.single_neurons_summary import verdict_facts
from neurosieve.runs.tables import interval, number, word_cell
from neurosieve.wording import plural

__all__ = ["REAL_COLUMNS", "about_edits", "edit_name", "real_columns", "real_effect_blocks"]

_TAKEN = {"negative": "below", "positive": "above"}
"""By the setting `sign` of `ablate`: on which side of chance level the neurons score that it takes."""


def _change_cell(row: Any, name: str) -> Cell:
    value = float(row[name])
    return Cell(number(value, signed=True), value)


def _interval_cell(row: Any) -> Cell:
    low = float(row[f"{REAL}effect_low"])
    return Cell(interval(low, row[f"{REAL}effect_high"], signed=True) or "–", low)


def _edit_cell(row: Any) -> Cell:
    intervention = row[f"{REAL}intervention"]
    return word_cell(intervention if pd.isna(intervention) else edit_name(intervention, row[f"{REAL}strength"]))


REAL_COLUMNS: list[tuple[str, str, Callable[[Any], Cell], int]] = [
    (f"{REAL}effect", "effect (nats)", lambda row: _change_cell(row, f"{REAL}effect"), 0),
    (f"{REAL}effect_low", "its interval", _interval_cell, 1),
    (f"{REAL}effect_control_tokens", "other tokens", lambda row: _change_cell(row, f"{REAL}effect_control_tokens"), 1),
    (f"{REAL}verdict", "edited alone", lambda row: word_cell(row[f"{REAL}verdict"]), 0),
    (f"{REAL}intervention", "edit", _edit_cell, 0),
]
"""Each column of a table of neurons that an edit filled: its name, its heading, its cell, and its detail."""


def real_columns(neurons: pd.DataFrame) -> list[tuple[str, str, Callable[[Any], Cell], int]]:
    """Return those of these columns that say something of some neurons; which edit each had, where edits differ."""
    edits = neurons[[f"{REAL}intervention", f"{REAL}strength"]].dropna().drop_duplicates()
    same = f"{REAL}intervention" if len(edits) <= 1 else ""
    return [column for column in REAL_COLUMNS if neurons[column[0]].notna().any() and column[0] != same]


def real_effect_blocks(run: RunFolder, behaviour: str) -> Iterator[Block]:
    """Yield what was edited, what each verdict means, and how well the effects were foretold; nothing without edits."""
    effects = real_effects(run)
    effects = effects[effects.behaviour == behaviour]
    if effects.empty:
        return
    yield Note(_edited(effects, edit_foretold(run)))
    of_effects = effects.rename(columns={f"{REAL}{name}": name for name in ("effect", "verdict")})
    yield verdict_facts(of_effects, _smallest(effects))
    if compared := foretelling(run, behaviour):
        yield Note(foretelling_sentence(compared), finding=True)


def _edited(effects: pd.DataFrame, first: str) -> str:
    """Return what was edited, with the rule for neurons that were edited more than once."""
    kinds = effects[[f"{REAL}intervention", f"{REAL}strength"]].drop_duplicates().itertuples(index=False, name=None)
    edits = ", ".join(edit_name(*kind) for kind in kinds)
    tried = effects[f"{REAL}tried"]
    count = f"{tried.min():,}" if tried.nunique() == 1 else f"{tried.min():,} to {tried.max():,}"
    runs = effects[f"{REAL}run"].nunique()
    where = effects[f"{REAL}run"].iloc[0] if runs == 1 else f"{runs:,} runs"
    return (
        f"edited alone: {plural(len(effects), 'neuron')} (edit: {edits}; {where}): the change of the log-probability "
        "of the first token, in nats, and of tokens elsewhere; each interval is corrected for the "
        f"{count} neurons of its run. Of several edits of a neuron the latest whole {first} edit is shown, or the "
        "latest where there is none; the latest run is the one whose run.json was written last"
    )


def edit_name(intervention: str, strength: float) -> str:
    """Return what an edit is called: the intervention, with its strength where it is not the whole one."""
    return intervention if strength == 1 else f"{intervention} at strength {strength:g}"


def _smallest(effects: pd.DataFrame) -> str:
    """Return the smallest effect worth having of the runs that edited."""
    values = effects[f"{REAL}smallest_effect"].astype(float)
    ends = dict.fromkeys((number(values.min()), number(values.max())))
    return f" ({' to '.join(ends)} nats)"


def about_edits(neurons: pd.DataFrame) -> str:
    """Return what a table of neurons says of their edits, for its caption; nothing where none was edited.

    `neurons` are its rows, with what `real_effects` says of each.
    """
    edited = neurons[f"{REAL}verdict"].notna()
    if not edited.any():
        return ""
    words = "; effect: what the edit of the neuron alone did to the log-probability of the first token"
    if edited.all():
        return words
    signs = set(neurons.loc[edited, f"{REAL}sign"].dropna()) & set(_TAKEN)
    taken = [f"`sign={sign}` takes only those {_TAKEN[sign]} chance level in its ranking" for sign in sorted(signs)]
    reason = f" ({', and '.join(taken)})" if taken else ""
    return f"{words}; –: the neuron was not edited{reason}"
