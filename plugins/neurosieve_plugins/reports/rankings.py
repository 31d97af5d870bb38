"""Rankings as charts and tables go by them: the same columns whatever scorer made them."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["VERDICTS", "Ranked", "apart", "by_neuron", "name_of", "placed", "ranked", "rounded", "thinned"]

VERDICTS = ["replicates", "does not replicate", "no verdict"]
"""In the order of the theme's colours."""
_SCREENS = [(round(1600 * 0.85**step), round(800 * 0.85**step)) for step in range(20)]
"""Screens to thin points for, in points across and down: the finest first."""


class Ranked(NamedTuple):
    """A ranking with its columns called the same whatever scorer made it."""

    table: pd.DataFrame
    """layer, neuron, rank, score, held_out, verdict, and how far they are from telling nothing, in the direction of the
    ranking: far, far_there, low, high."""
    scorer: str
    neutral: float
    """The score that tells nothing; nan where that is not known."""
    neurons_per_layer: int


def name_of(layer: int, neuron: int) -> str:
    """Return what a neuron is called, as on the command line.

    >>> name_of(3, 17)
    'L3N17'
    """
    return f"L{layer}N{neuron}"


def by_neuron(table: pd.DataFrame) -> Iterator[tuple[tuple[int, int], pd.DataFrame]]:
    """Yield each neuron of a table, as layer and index, with its lines, in the table's order."""
    for key in table[["layer", "neuron"]].drop_duplicates().itertuples(index=False, name=None):
        layer, neuron = map(int, key)
        yield (layer, neuron), table[(table.layer == layer) & (table.neuron == neuron)]


def ranked(neurons: pd.DataFrame, rank_by: str, neutral: float | None) -> Ranked:
    """Return the ranking of one behaviour, from its lines of the table `neurons`.

    Columns that the run has not, such as those of a replication that was not asked for, are nan.
    """
    distance = f"{rank_by}_distance_replication"
    far = _column(neurons, f"{rank_by}_distance")
    sign = np.sign(far)
    ends = [sign * _column(neurons, f"{distance}_{end}") for end in ("low", "high")]
    verdict = neurons["replicates"] if "replicates" in neurons else pd.Series(pd.NA, neurons.index, dtype="boolean")
    table = pd.DataFrame(
        {
            "layer": neurons.layer,
            "neuron": neurons.neuron,
            "rank": neurons["rank"],
            "score": _column(neurons, rank_by),
            "held_out": _column(neurons, f"{rank_by}_replication"),
            "verdict": [VERDICTS[2] if pd.isna(one) else VERDICTS[0 if one else 1] for one in verdict],
            "far": far.abs(),
            "far_there": sign * _column(neurons, distance),
            "low": np.minimum(*ends),
            "high": np.maximum(*ends),
        }
    )
    told = np.nan if neutral is None else float(neutral)
    return Ranked(table.reset_index(drop=True), rank_by, told, int(neurons.neuron.max()) + 1 if len(neurons) else 1)


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name].astype(float) if name in table else pd.Series(np.nan, table.index)


def thinned(ranking: Ranked, most: int) -> pd.DataFrame:
    """Return the neurons to draw: where several share a place on the screen, the one furthest from telling nothing.

    Args:
        ranking: the neurons, the best first; those whose score is undefined have no place.
        most: how many to draw, at most; the screen is taken coarser until so few are left.
    """
    table = ranking.table[np.isfinite(ranking.table.score)]
    for across, down in _SCREENS:
        if len(table) <= most:
            break
        low, high = table.score.min(), table.score.max()
        layers = table.layer.max() - table.layer.min() + 1
        place = (placed(table, ranking.neurons_per_layer) * across / layers).round()
        height = (table.score - low) / max(high - low, 1e-12) * down
        # The table stands by rank: the first of a cell is the furthest from telling nothing.
        table = table[~pd.DataFrame({"x": place, "y": height.round()}).duplicated()]
    kept: pd.DataFrame = table.head(most)
    return kept


def placed(table: pd.DataFrame, neurons_per_layer: int) -> pd.Series:
    """Return where each neuron stands across a chart: about its layer, in the order of its number."""
    place: pd.Series = table.layer + 0.84 * (table.neuron / max(neurons_per_layer - 1, 1) - 0.5)
    return place


def apart(tested: pd.DataFrame, neurons_per_layer: int) -> pd.DataFrame:
    """Return the neurons, the best first, whose names, written beside them, do not lie on each other."""
    best = tested.assign(place=placed(tested, neurons_per_layer))
    wide, high = max(tested.layer.max() - tested.layer.min() + 1, 1), np.ptp(tested.score) if len(tested) else 0.0
    kept: list[Any] = []
    for line in best.itertuples():
        near = (abs(line.place - one.place) < 0.16 * wide and abs(line.score - one.score) < 0.05 * high for one in kept)
        if not any(near):
            kept.append(line)
    names = [name_of(line.layer, line.neuron) for line in kept]
    return pd.DataFrame(
        {
            "layer": [line.layer for line in kept],
            "neuron": [line.neuron for line in kept],
            "score": _round(np.array([line.score for line in kept], dtype=float)),
            "name": names,
        }
    )


def rounded(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table with four digits of some columns: no screen shows more, and a page holds many."""
    return table.assign(**{name: _round(table[name].to_numpy(dtype=float)) for name in columns if name in table})


def _round(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    largest = np.nanmax(np.abs(values), initial=0.0)
    return np.round(values, 4 - int(np.ceil(np.log10(largest)))) if largest > 0 else values
