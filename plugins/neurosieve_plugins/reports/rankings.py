"""Rankings as charts and tables go by them: the same columns whatever scorer made them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve import neuron_name

__all__ = [
    "VERDICTS",
    "Ranked",
    "apart",
    "by_neuron",
    "first_of_each_place",
    "placed",
    "ranked",
    "rounded",
    "thinned",
    "verdicts",
    "with_names",
]

VERDICTS = ["replicates", "does not replicate", "no verdict"]
"""In the order of the theme's colours."""
_SCREENS = [(round(1600 * 0.85**step), round(800 * 0.85**step)) for step in range(20)]
"""Screens to thin points for, in points across and down: the finest first."""
_PHONE, _GAP, _LETTER, _LINE = 290, 4, 8, 15
"""How wide a chart is on a phone; how far a name is from its point; how large its letters are; in pixels."""


class Ranked(NamedTuple):
    """A ranking with its columns called the same whatever scorer made it."""

    table: pd.DataFrame
    """layer, neuron, rank, score, held_out, verdict, and how far they are from chance level, in the direction of the
    ranking: far, far_heldout, low, high."""
    scorer: str
    neutral: float
    """The score at chance level; nan where that is not known."""
    neurons_per_layer: int
    chance: float = np.nan
    """How far from chance level the best of all comes in 5 % of permutations; nan where there is no null."""
    unit: str = ""
    """Of what is scored; empty where it has none."""


def by_neuron(table: pd.DataFrame) -> Iterator[tuple[tuple[int, int], pd.DataFrame]]:
    """Yield each neuron of a table, as layer and index, with its lines, in the table's order."""
    for key in table[["layer", "neuron"]].drop_duplicates().itertuples(index=False, name=None):
        layer, neuron = map(int, key)
        yield (layer, neuron), table[(table.layer == layer) & (table.neuron == neuron)]


def ranked(neurons: pd.DataFrame, rank_by: str, neutral: float | None, chance: float | None = None) -> Ranked:
    """Return the ranking of one behaviour, from its lines of the table `neurons`.

    Columns that the run has not, such as those of a replication that was not asked for, are nan.

    Args:
        neurons: the lines.
        rank_by: the scorer that ranked.
        neutral: the score at chance level, where it is known.
        chance: how far from it the best of all comes in 5 % of permutations, where there is a null.
    """
    distance = f"{rank_by}_minus_neutral_heldout"
    far = _column(neurons, f"{rank_by}_minus_neutral")
    sign = np.sign(far)
    ends = [sign * _column(neurons, f"{distance}_{end}") for end in ("low", "high")]
    verdict = neurons["replicates"] if "replicates" in neurons else pd.Series(pd.NA, neurons.index, dtype="boolean")
    table = pd.DataFrame(
        {
            "layer": neurons.layer,
            "neuron": neurons.neuron,
            "rank": neurons["rank"],
            "score": _column(neurons, rank_by),
            "held_out": _column(neurons, f"{rank_by}_heldout"),
            "verdict": [
                VERDICTS[2] if pd.isna(replicates) else VERDICTS[0 if replicates else 1] for replicates in verdict
            ],
            "far": far.abs(),
            "far_heldout": sign * _column(neurons, distance),
            "low": np.minimum(*ends),
            "high": np.maximum(*ends),
        }
    )
    level, reach = (np.nan if value is None else float(value) for value in (neutral, chance))
    wide = int(neurons.neuron.max()) + 1 if len(neurons) else 1
    return Ranked(table.reset_index(drop=True), rank_by, level, wide, reach)


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name].astype(float) if name in table else pd.Series(np.nan, table.index)


def verdicts(ranking: Ranked) -> tuple[int, int]:
    """Return how many of the neurons replicate, and how many were tested."""
    counts = ranking.table.verdict.value_counts()
    replicate = int(counts.get(VERDICTS[0], 0))
    return replicate, replicate + int(counts.get(VERDICTS[1], 0))


def thinned(ranking: Ranked, most: int) -> pd.DataFrame:
    """Return the neurons to draw: where several share a place on the screen, the one with the largest effect.

    Args:
        ranking: the neurons, the best first; those whose score is undefined have no place.
        most: how many to draw, at most; the screen is taken coarser until so few are left.
    """
    table = ranking.table[np.isfinite(ranking.table.score)]
    place, layers = placed(table, ranking.neurons_per_layer), table.layer.max() - table.layer.min() + 1
    return first_of_each_place(table, place / layers, _share(table.score), most)


def first_of_each_place(table: pd.DataFrame, across: pd.Series, up: pd.Series, most: int) -> pd.DataFrame:
    """Return, of the rows that share a place on the screen, the first.

    Args:
        table: the rows, those to keep first.
        across: where each stands, as a share of the width of the chart.
        up: the same of its height.
        most: how many to draw, at most; the screen is taken coarser until so few are left.
    """
    for wide, high in _SCREENS:
        if len(table) <= most:
            break
        cells = pd.DataFrame({"x": (across * wide).round(), "y": (up * high).round()}).loc[table.index]
        table = table[~cells.duplicated()]
    kept: pd.DataFrame = table.head(most)
    return kept


def _share(values: pd.Series) -> pd.Series:
    """Return how far each value is on the way from the least to the largest."""
    shares: pd.Series = (values - values.min()) / max(values.max() - values.min(), 1e-12)
    return shares


def placed(table: pd.DataFrame, neurons_per_layer: int) -> pd.Series:
    """Return where each neuron stands across a chart: about its layer, in the order of its number."""
    place: pd.Series = table.layer + 0.84 * (table.neuron / max(neurons_per_layer - 1, 1) - 0.5)
    return place


def apart(tested: pd.DataFrame, drawn: pd.DataFrame, neurons_per_layer: int, high: int, most: int) -> pd.DataFrame:
    """Return the best neurons with the side on which each one's name stands, so that no name lies on another.

    A name is no further from its point, in units of the axes, on a wider screen than a phone's: what is apart there is
    apart everywhere.

    Args:
        tested: the neurons whose points no name should hide, the best first.
        drawn: all that are drawn, which is what the axes reach over.
        neurons_per_layer: how many stand in a layer.
        high: the height of the chart, in pixels.
        most: how many of the best are named, at most.
    """
    points = np.column_stack([placed(tested, neurons_per_layer), tested.score]).astype(float)
    if not len(points):
        return pd.DataFrame({"layer": [], "neuron": [], "score": [], "name": [], "side": []})
    wide = drawn.layer.max() - drawn.layer.min() + 1.2
    points[:, 0] = (points[:, 0] - drawn.layer.min() + 0.6) / wide * _PHONE
    points[:, 1] = (points[:, 1] - drawn.score.min()) / max(np.ptp(drawn.score), 1e-12) * (high - 24)
    named = with_names(tested[["layer", "neuron", "score"]], points, (tested["rank"] <= most).to_numpy())
    return rounded(named, ["score"])


def with_names(
    table: pd.DataFrame, points: npt.NDArray[np.float64], chosen: npt.NDArray[np.bool_], wide: int = _PHONE
) -> pd.DataFrame:
    """Return the chosen rows whose names have room, with the name and the side on which it stands.

    Args:
        table: layer, neuron and more, the first to be named first.
        points: where each row's point is, across and up, in pixels; no name should hide one.
        chosen: which rows are to be named.
        wide: how wide the chart is, in pixels.
    """
    rows: list[int] = []
    names: list[str] = []
    sides: list[int] = []
    boxes: list[_Box] = []
    for row in np.flatnonzero(chosen).tolist():
        name = neuron_name(int(table.layer.iloc[row]), int(table.neuron.iloc[row]))
        beside = {side: _beside(points[row], side, name) for side in (1, -1)}
        free = [
            (int(box.holds(points).sum()), -side)
            for side, box in beside.items()
            if box.left >= 0 and box.right <= wide and not any(box.meets(other) for other in boxes)
        ]
        if free:  # On the side where it hides fewer points; on the right where both are as good.
            side = -min(free)[1]
            boxes.append(beside[side])
            rows.append(row)
            names.append(name)
            sides.append(side)
    return table.iloc[rows].assign(name=names, side=sides).reset_index(drop=True)


def _beside(point: npt.NDArray[np.float64], side: int, name: str) -> "_Box":
    across, up = point.tolist()
    ends = sorted([across + side * _GAP, across + side * (_GAP + _LETTER * len(name))])
    return _Box(ends[0], ends[1], up - _LINE / 2, up + _LINE / 2)


class _Box(NamedTuple):
    """Where a name stands, in pixels."""

    left: float
    right: float
    below: float
    above: float

    def meets(self, other: "_Box") -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.below < other.above
            and other.below < self.above
        )

    def holds(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        across, up = points.T
        held: npt.NDArray[np.bool_] = (
            (across > self.left) & (across < self.right) & (up > self.below) & (up < self.above)
        )
        return held


def rounded(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table with four digits of some columns: no screen shows more, and a page holds many."""
    return table.assign(**{name: _round(table[name].to_numpy(dtype=float)) for name in columns if name in table})


def _round(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    largest = np.nanmax(np.abs(values), initial=0.0)
    # Ten to more than that is no number.
    return np.round(values, min(300, 4 - int(np.ceil(np.log10(largest))))) if largest > 0 else values
