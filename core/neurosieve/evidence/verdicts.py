"""Is it the behaviour, or the word? A plain verdict per neuron, from the groups that had no part in the ranking."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from neurosieve.activations.store import Space
from neurosieve.contracts import Scorer
from neurosieve.data import Batch
from neurosieve.evidence.intervals import formula_interval
from neurosieve.evidence.null import labelled_batch
from neurosieve.evidence.settings import Evidence
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import distance
from neurosieve.texts.positions import Positions

__all__ = ["add_verdicts"]


class _Within(NamedTuple):
    """Intervals of a neuron's distance from telling nothing among positions that hold the same token, and its reach."""

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    simultaneous_low: npt.NDArray[np.float64]
    """The interval that holds the truth for all tested neurons and places at once, as often as one is to."""
    simultaneous_high: npt.NDArray[np.float64]
    whole: npt.NDArray[np.float64]
    """The distance among all positions, whatever token they hold."""


def add_verdicts(
    neurons: pd.DataFrame,
    space: Space,
    positions: Positions,
    scorer: Scorer[Any],
    rank_by: str,
    within: Scorer[Any],
    settings: Evidence,
) -> pd.DataFrame:
    """Return the ranking with a `verdict` per neuron, and the intervals of `within` on the held-out groups.

    To know more than a word, and to anticipate, are claims that many neurons are tried for, at one place and the next.
    They go by intervals that hold the truth for all of them at once as often as one is to (Bonferroni): the columns
    `within_token_simultaneous_low`, `within_token_simultaneous_high`, and the same with `prediction`. That of a single
    neuron is in `within_token_low`, `within_token_high`: a neuron is called a token detector where it lies inside half
    of what the neuron tells among all positions. What anticipates has the same sign at the token before, in both parts.

    Args:
        neurons: the ranking.
        space: holds the activations.
        positions: where they were read, with the place `prediction` if neurons that anticipate are to be told.
        scorer: the one that ranked; without a formula for its interval there is a verdict for the best neurons alone,
            those whose interval was resampled.
        rank_by: its name.
        within: what tells presence from control among positions that hold the same token.
        settings: how sure an interval is, and in how many held-out groups the behaviour must show.
    """
    sign = np.sign(neurons[f"{rank_by}_minus_neutral"].to_numpy())
    held = neurons["replicates"]
    places = ["", *(place for place in positions.places if place == "prediction")]
    told = {place: _Within(*(np.full(len(neurons), np.nan) for _ in _Within._fields)) for place in places}
    for behaviour in positions.behaviours:
        tested = int(held[neurons.behaviour == behaviour].notna().sum())
        if not tested:
            continue
        sure = 1 - (1 - settings.confidence) / (tested * len(places))
        for place, found in told.items():
            column = positions.column(behaviour, "heldout", place)
            shown = positions.document_of_row[positions.labels[:, column] == 1]
            if len(np.unique(positions.groups[shown])) < settings.min_groups:
                continue
            for site in space.sites:
                here = np.flatnonzero((neurons.behaviour == behaviour) & (neurons.layer == site.layer) & held.notna())
                if not len(here):
                    continue
                batch = labelled_batch(space, positions, column, site, neurons.neuron.to_numpy()[here].tolist())
                for cells, values in zip(found, _within(batch, within, settings.confidence, sure), strict=True):
                    cells[here] = values
    # Replicated where the ranking's own interval says so.
    known = held.notna().to_numpy()
    replicated = held.fillna(False).to_numpy(dtype=bool)
    word, ahead = told[""], told.get("prediction")
    beyond_word = _excludes(sign, word.simultaneous_low, word.simultaneous_high)
    half = np.abs(word.whole) / 2
    anticipates = np.zeros(len(neurons), dtype=bool)
    if ahead is not None:
        signs = [np.sign(neurons[f"{rank_by}_minus_neutral_prediction{part}"].to_numpy()) for part in ("", "_heldout")]
        anticipates = (
            _excludes(sign, ahead.simultaneous_low, ahead.simultaneous_high) & (signs[0] == sign) & (signs[1] == sign)
        )
    verdict = pd.Series(pd.NA, index=neurons.index, dtype="string")
    for name, mask in (
        ("replicated", replicated),
        ("token detector", replicated & (word.low > -half) & (word.high < half)),
        ("reversed", replicated & _excludes(-sign, word.simultaneous_low, word.simultaneous_high)),
        ("behaviour", replicated & beyond_word),
        ("anticipates", replicated & anticipates),
        ("not replicated", known & ~replicated),
    ):
        verdict[mask] = name
    columns = {
        f"within_token{place and '_'}{place}_{name}": values
        for place, found in told.items()
        for name, values in found._asdict().items()
        if name != "whole"
    }
    return neurons.assign(verdict=verdict, **columns)


def _within(batch: Batch, within: Scorer[Any], confidence: float, sure: float) -> _Within:
    nothing = np.full(batch.activations.shape[1], np.nan)
    single, every = (formula_interval(batch, within, one) for one in (confidence, sure))
    if single is None or every is None:
        return _Within(*(nothing for _ in _Within._fields))
    # Were all tokens one, every pair would count.
    one = dataclasses.replace(batch, token_ids=torch.zeros_like(batch.token_ids))
    whole = distance(score([one], {"score": within})["score"])[0].double().cpu().numpy()
    return _Within(*single, *every, whole)


def _excludes(
    sign: npt.NDArray[np.float64], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Return where an interval of distances lies wholly on the side of the ranking's sign."""
    excluded: npt.NDArray[np.bool_] = sign * np.where(sign > 0, low, high) > 0
    return excluded
