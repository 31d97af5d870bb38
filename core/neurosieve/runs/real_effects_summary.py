"""What the edits of single neurons say of a ranking: a rule, the verdicts, and how well effects were foretold."""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from neurosieve.runs.blocks import Block, Cell, Facts, Note
from neurosieve.runs.columns import SINGLE_VERDICTS
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.real_effects import REAL, foretelling, real_effects
from neurosieve.runs.tables import interval, number, word_cell
from neurosieve.wording import plural

__all__ = ["REAL_COLUMNS", "real_effect_blocks"]


def _change_cell(row: Any, name: str) -> Cell:
    value = float(row[name])
    return Cell(number(value, signed=True), value)


def _interval_cell(row: Any) -> Cell:
    low = float(row[f"{REAL}effect_low"])
    return Cell(interval(low, row[f"{REAL}effect_high"], signed=True) or "–", low)


REAL_COLUMNS: list[tuple[str, str, Callable[[Any], Cell], int]] = [
    (f"{REAL}effect", "effect (nats)", lambda row: _change_cell(row, f"{REAL}effect"), 0),
    (f"{REAL}effect_low", "its interval", _interval_cell, 1),
    (f"{REAL}effect_control_tokens", "other tokens", lambda row: _change_cell(row, f"{REAL}effect_control_tokens"), 1),
    (f"{REAL}verdict", "edited alone", lambda row: word_cell(row[f"{REAL}verdict"]), 0),
]
"""Each column of a table of neurons that an edit filled: its name, its heading, its cell, and its detail."""


def real_effect_blocks(run: RunFolder, behaviour: str) -> Iterator[Block]:
    """Yield what was edited, what each verdict means, and how well the effects were foretold; nothing without edits."""
    effects = real_effects(run)
    effects = effects[effects.behaviour == behaviour]
    if effects.empty:
        return
    yield Note(_edited(effects))
    counts = effects[f"{REAL}verdict"].value_counts()
    yield Facts(
        tuple((f"{name} ({counts[name]:,})", words) for name, words in SINGLE_VERDICTS.items() if name in counts)
    )
    if sentence := _foretold(run, behaviour):
        yield Note(sentence, finding=True)


def _edited(effects: pd.DataFrame) -> str:
    """Return what was edited, with the rule for neurons that were edited more than once."""
    kinds = effects[[f"{REAL}intervention", f"{REAL}strength"]].drop_duplicates().itertuples(index=False, name=None)
    edits = ", ".join(f"{kind}{'' if strength == 1 else f' at strength {strength:g}'}" for kind, strength in kinds)
    tried = effects[f"{REAL}tried"]
    count = f"{tried.min():,}" if tried.nunique() == 1 else f"{tried.min():,} to {tried.max():,}"
    runs = effects[f"{REAL}run"].nunique()
    where = effects[f"{REAL}run"].iloc[0] if runs == 1 else f"{runs:,} runs"
    return (
        f"edited alone: {plural(len(effects), 'neuron')} (edit: {edits}; {where}): the change of the log-probability "
        "of the first token, in nats, and of tokens elsewhere; each interval is corrected for the "
        f"{count} neurons of its run. Of several edits of a neuron the latest whole mean edit is shown, or the latest "
        "where there is none"
    )


def _foretold(run: RunFolder, behaviour: str) -> str:
    """Return how well the effects were foretold, in a sentence; nothing where no reading foretells any."""
    compared = foretelling(run, behaviour)
    if compared is None:
        return ""
    reasons = f" ({'; '.join(compared.not_compared)})" if compared.not_compared else ""
    if not compared.neurons:
        return f"foretold and real are not compared{reasons or ': no neuron that was edited has a foretold effect'}"
    of = " on held-out texts" if compared.held_out else ""
    rank = "" if pd.isna(compared.spearman) else f"; Spearman's rank correlation {number(compared.spearman)}"
    return (
        f"foretold and real: {compared.reading} foretold {number(compared.mean_foretold, signed=True)} nats on average "
        f"over {plural(compared.neurons, 'neuron')}{of}, and their edits gave "
        f"{number(compared.mean_real, signed=True)}{rank}{reasons}"
    )
