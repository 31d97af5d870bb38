"""Is it the behaviour, or the word? A plain verdict per neuron, from the groups that had no part in the ranking."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.chance import compared
from neurosieve.contracts import Scorer
from neurosieve.positions import Positions
from neurosieve.settings import Find
from neurosieve.significance import formula_interval
from neurosieve.store import Space

__all__ = ["VERDICTS", "judged"]

VERDICTS: Mapping[str, str] = {
    "anticipates": "it tells the behaviour at the token before, also among positions that hold the same token there",
    "behaviour": "it tells the behaviour among positions that hold the same token: more than a word",
    "token detector": "it tells the behaviour, but not among positions that hold the same token: it may detect a word",
    "replicated": "it tells the behaviour; too few positions share a token to say whether it is more than a word",
    "not replicated": "on the groups that had no part in the ranking it does not tell the behaviour with this sign",
}
"""Each verdict, and what it says of a neuron."""


def judged(
    neurons: pd.DataFrame,
    space: Space,
    positions: Positions,
    scorer: Scorer[Any],
    rank_by: str,
    within: Scorer[Any],
    settings: Find,
) -> pd.DataFrame:
    """Return the ranking with a `verdict` per neuron, and the interval of `within` on the held-out groups.

    Args:
        neurons: the ranking.
        space: holds the activations.
        positions: where they were read, with the look `prediction` if neurons that anticipate are to be told.
        scorer: the one that ranked; without a formula for its interval there is a verdict for the best neurons alone,
            those whose interval was resampled.
        rank_by: its name.
        within: what tells presence from control among positions that hold the same token.
        settings: how sure an interval is, and in how many held-out groups the behaviour must show.
    """
    sign = np.sign(neurons[f"{rank_by}_distance"].to_numpy())
    held = neurons["replicates"]
    verdict = pd.Series(pd.NA, index=neurons.index, dtype="string")
    low, high = np.full(len(neurons), np.nan), np.full(len(neurons), np.nan)
    ahead_low, ahead_high = low.copy(), high.copy()
    for behaviour in positions.behaviours:
        for look, bounds in (("", (low, high)), ("prediction", (ahead_low, ahead_high))):
            if look not in positions.looks:
                continue
            column = positions.column(behaviour, "replication", look)
            shown = positions.document_of_row[positions.labels[:, column] == 1]
            if len(np.unique(positions.groups[shown])) < settings.enough_groups:
                continue
            for site in space.sites:
                here = np.flatnonzero((neurons.behaviour == behaviour) & (neurons.layer == site.layer))
                batch = compared(space, positions, column, site)
                interval = formula_interval(batch, within, settings.confidence)
                if interval is None:
                    continue
                order = neurons.neuron.to_numpy()[here]
                bounds[0][here], bounds[1][here] = interval.low[order], interval.high[order]
    # Replicated where the ranking's own interval says so.
    known = held.notna().to_numpy()
    replicated = held.fillna(False).to_numpy(dtype=bool)
    beyond_word, beyond_word_ahead = (_excludes(sign, *one) for one in ((low, high), (ahead_low, ahead_high)))
    untold = np.isnan(low)
    for name, mask in (
        ("token detector", replicated & ~untold & ~beyond_word),
        ("replicated", replicated & untold),
        ("behaviour", replicated & beyond_word),
        ("anticipates", replicated & beyond_word_ahead),
        ("not replicated", known & ~replicated),
    ):
        verdict[mask] = name
    return neurons.assign(verdict=verdict, within_token_low=low, within_token_high=high)


def _excludes(
    sign: npt.NDArray[np.float64], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Return where an interval of distances lies wholly on the side of the ranking's sign."""
    excluded: npt.NDArray[np.bool_] = sign * np.where(sign > 0, low, high) > 0
    return excluded
