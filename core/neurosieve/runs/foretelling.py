"""What a ranking of effects foretold of the edits of single neurons, and how well it did."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurosieve.runs.columns import HELDOUT, KEYS
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.tables import number
from neurosieve.wording import plural

__all__ = ["Foretelling", "Foretold", "compared", "foretelling_sentence", "foretold_by", "foretold_column"]


class Foretold(NamedTuple):
    """The edit whose effects a ranking foretells, always the whole one."""

    edit: str
    """The intervention."""
    elsewhere: str
    """Where it foretells them, as half a sentence; empty where it is on the first token of onsets, as is measured."""

    def same_edit(self, interventions: pd.Series, strengths: pd.Series) -> pd.Series:
        """Return which edits are this one."""
        return (interventions == self.edit) & (strengths == 1)

    def came_true(self, interventions: pd.Series, strengths: pd.Series) -> pd.Series:
        """Return which edits have a real effect that can be compared with the one that was foretold."""
        return self.same_edit(interventions, strengths) & (not self.elsewhere)


def foretold_by(ranking: RunFolder) -> Foretold:
    """Return the edit that a ranking foretells: the `edit` of its reading, and `mean` where that has none."""
    config = ranking.run.get("config", {})
    reading: Any = config.get("reading")
    reading = reading if isinstance(reading, dict) else {}
    at, length = (config.get("selection") or {}).get("at", "onset"), reading.get("length", 1)
    elsewhere = "" if length == 1 else f"on {length} tokens from each position"
    return Foretold(reading.get("edit", "mean"), f"at `selection.at={at}`" if at != "onset" else elsewhere)


def foretold_column(ranking: RunFolder) -> str | None:
    """Return the column of a ranking that foretells effects, of held-out texts where it can be; None if none does."""
    scorer = ranking.cells.foretells
    columns = [scorer + HELDOUT, scorer] if scorer else []
    return next((name for name in columns if name in ranking.neurons and ranking.neurons[name].notna().any()), None)


class Foretelling(NamedTuple):
    """How well a ranking of effects foretold what the edits of single neurons did."""

    neurons: int
    """How many are compared."""
    mean_foretold: float | None
    mean_effect: float | None
    """In nats, both over these neurons; undefined without any."""
    spearman: float | None
    """Spearman's rank correlation over them; undefined where there are too few different values."""
    reading: str = "the ranking"
    """What foretold it."""
    held_out: bool = False
    """Whether the foretold effects are of texts that had no part in the ranking."""
    not_compared: Sequence[str] = ()
    """Why others are not compared."""

    def record(self) -> dict[str, Any]:
        """Return it for `run.json`; `Foretelling(**record)` is it again."""
        numbers = ("mean_foretold", "mean_effect", "spearman")
        known = {name: None if pd.isna(value := getattr(self, name)) else value for name in numbers}
        return {**self._asdict(), **known, "not_compared": list(self.not_compared)}


def compared(ranking: RunFolder, edits: pd.DataFrame) -> Foretelling | None:
    """Return how well a ranking foretold the effects of some edits; None where it foretells no effects.

    Only edits of the kind that was foretold are compared: the whole edit of the reading's kind, on the first token of
    onsets. Why others are not is told.

    Args:
        ranking: the run of `find`.
        edits: behaviour, layer, neuron, intervention, strength, and the real effect in nats, a row per neuron.

    Source: Spearman (1904), The proof and measurement of association between two things, Am. J. Psychol. 15.
    """
    column = foretold_column(ranking)
    if column is None:
        return None
    foretold = foretold_by(ranking)
    same = foretold.same_edit(edits.intervention, edits.strength)
    reasons = []
    if not same.all():
        otherwise = plural(int((~same).sum()), "neuron was", "neurons were")
        reasons.append(f"{otherwise} edited otherwise than by the whole {foretold.edit} edit, which was foretold")
    if foretold.elsewhere:
        reasons.append(f"the ranking foretold effects {foretold.elsewhere}, and these are on the first token of onsets")
    chosen = edits[foretold.came_true(edits.intervention, edits.strength)]
    of_both = chosen[[*KEYS, "effect"]].merge(ranking.neurons[[*KEYS, column]], on=KEYS)[[column, "effect"]].dropna()
    varies = len(of_both) > 2 and (of_both.nunique() > 1).all()
    return Foretelling(
        len(of_both),
        float(of_both[column].mean()),
        float(of_both.effect.mean()),
        float(of_both[column].corr(of_both.effect, method="spearman")) if varies else np.nan,
        ranking.cells.name,
        column.endswith(HELDOUT),
        tuple(reasons),
    )


def foretelling_sentence(foretelling: Foretelling) -> str:
    """Return how well effects were foretold, and why some are not compared."""
    reasons = f" ({'; '.join(foretelling.not_compared)})" if foretelling.not_compared else ""
    if not foretelling.neurons:
        return f"foretold and real are not compared{reasons or ': no neuron that was edited has a foretold effect'}"
    of = " on held-out texts" if foretelling.held_out else ""
    rank = "" if pd.isna(foretelling.spearman) else f"; Spearman's rank correlation {number(foretelling.spearman)}"
    return (
        f"foretold and real: {foretelling.reading} foretold {number(foretelling.mean_foretold, signed=True)} nats on "
        f"average over {plural(foretelling.neurons, 'neuron')}{of}, and their edits gave "
        f"{number(foretelling.mean_effect, signed=True)}{rank}{reasons}"
    )
