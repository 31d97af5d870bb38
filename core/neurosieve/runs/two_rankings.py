"""Two rankings of the same behaviour by different readings: how far they agree, and which neurons stand where."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from neurosieve.runs.blocks import Block, Cell, Header, Note, Table
from neurosieve.runs.cells import Cells
from neurosieve.runs.columns import HELDOUT, minus_neutral
from neurosieve.runs.foretelling import foretold_by
from neurosieve.runs.reader import BESIDE, RECORD, RunFolder
from neurosieve.runs.real_effects import REAL, real_effects
from neurosieve.runs.real_effects_summary import about_edits, real_columns
from neurosieve.runs.tables import neuron_name, number, score_cell
from neurosieve.wording import plural

__all__ = ["Axis", "TwoRankings", "two_rankings", "two_rankings_blocks"]

_BEST = 100
"""Of so many best neurons of either ranking it is said how many are among those of the other."""
_COLUMNS = ["rank", "score", "held_out", "verdict", "side", "distance"]


class Axis(NamedTuple):
    """One of the two rankings."""

    title: str
    """The scorer that ranks, and what it rates: `mean_difference of attribution`."""
    cells: Cells
    neutral: float
    """The score at chance level; nan where that is not known."""
    chance: float
    """How far from chance level the best of all comes in 5 % of permutations; nan where there is no null."""
    signs: tuple[str, str, str]
    """What a neuron does whose score lies below chance level, within chance, and above it."""
    scorer: str
    """The name of the scorer."""
    edit: str = "mean"
    """The edit whose effects are foretold, where they are."""


class TwoRankings(NamedTuple):
    """Every neuron of a behaviour by both of its rankings."""

    behaviour: str
    neurons: str
    """What the neurons are called."""
    axes: tuple[Axis, Axis]
    """The ranking itself, and the one beside it."""
    table: pd.DataFrame
    """A row per neuron that has both scores, the best of either first: layer, neuron, and of each ranking rank, score,
    held_out, verdict, distance from chance level, and side (-1 below, 0 within chance, 1 above); those of the ranking
    beside end in `_beside`; of a neuron that was edited alone, what `real_effects` says of it, and, as
    `real_as_foretold` and `real_as_foretold_beside`, whether that is the effect that each ranking foretold."""
    unplaced: int = 0
    """How many neurons that were edited alone lack one of the two scores, and so a row."""

    @property
    def tested(self) -> bool:
        """Whether both rankings say how far the best of all comes by chance."""
        return all(math.isfinite(axis.chance) for axis in self.axes)

    def place(self, side: int, side_beside: int) -> str:
        """Return what a neuron does that is on these sides of the two rankings."""
        return ", ".join(axis.signs[place + 1] for axis, place in zip(self.axes, (side, side_beside), strict=True))


def two_rankings(run: RunFolder, behaviour: str) -> TwoRankings | None:
    """Return a behaviour's ranking with the one beside it; None where there is none."""
    folder = run.folder / BESIDE
    if not (folder / RECORD).is_file():
        return None
    beside = RunFolder(folder)
    if behaviour not in beside.run["behaviours"]:
        return None
    table = _ranked(run, behaviour).merge(_ranked(beside, behaviour), on=["layer", "neuron"], suffixes=("", "_beside"))
    effects = real_effects(run)
    effects = effects[effects.behaviour == behaviour].drop(columns="behaviour")
    table = table.merge(effects, on=["layer", "neuron"], how="left", validate="one_to_one")
    for ranking, end in ((run, ""), (beside, "_beside")):
        foretold = foretold_by(ranking).came_true(table[f"{REAL}intervention"], table[f"{REAL}strength"])
        table[f"{REAL}as_foretold{end}"] = foretold.astype(bool)
    best = table[["rank", "rank_beside"]].min(axis=1).sort_values(kind="stable").index
    axes = _axis(run, behaviour), _axis(beside, behaviour)
    unplaced = len(effects) - int(table[f"{REAL}verdict"].notna().sum())
    return TwoRankings(behaviour, run.site.neurons, axes, table.loc[best].reset_index(drop=True), unplaced)


def _axis(run: RunFolder, behaviour: str) -> Axis:
    rank_by, cells = run.run["rank_by"], run.cells
    neutral = run.run.get("neutral", {}).get(rank_by, {}).get(behaviour)
    level = math.nan if neutral is None else float(neutral)
    ranked = _ranked(run, behaviour)
    # A scorer that knows no sign, such as mutual information, puts no neuron below chance level.
    signs = cells.signs if (ranked.distance < 0).any() else (*cells.signs[:2], f"{cells.name} differs")
    return Axis(cells.scored(rank_by), cells, level, _chance(run, behaviour), signs, rank_by, foretold_by(run).edit)


def _chance(run: RunFolder, behaviour: str) -> float:
    null = (run.run.get("null") or {}).get(behaviour) or {}
    return float(null.get("null_max_q95", math.nan))


def _ranked(run: RunFolder, behaviour: str) -> pd.DataFrame:
    """Return the neurons of a behaviour that have a score, under the same names whatever scorer ranks."""
    rank_by = run.run["rank_by"]
    neurons = run.neurons[run.neurons.behaviour == behaviour]
    neurons = neurons[neurons[rank_by].notna() & neurons[minus_neutral(rank_by)].notna()]
    distance, reach = neurons[minus_neutral(rank_by)].astype(float), _chance(run, behaviour)
    table = neurons[["layer", "neuron", "rank"]].assign(
        score=neurons[rank_by].astype(float),
        held_out=neurons[f"{rank_by}{HELDOUT}"].astype(float) if f"{rank_by}{HELDOUT}" in neurons else math.nan,
        verdict=_verdicts(neurons),
        distance=distance,
        side=(np.sign(distance) * ~(distance.abs() < reach)).astype(int),
    )
    return table[["layer", "neuron", *_COLUMNS]]


def _verdicts(neurons: pd.DataFrame) -> list[str]:
    """Return the verdict on each neuron; where a ranking has none, whether the neuron replicates."""
    words = neurons["verdict"].tolist() if "verdict" in neurons else [None] * len(neurons)
    replicates = neurons["replicates"].tolist() if "replicates" in neurons else [None] * len(neurons)
    return [
        verdict
        if isinstance(verdict, str)
        else "not tested"
        if pd.isna(holds)
        else "replicates"
        if holds
        else "does not replicate"
        for verdict, holds in zip(words, replicates, strict=True)
    ]


def two_rankings_blocks(run: RunFolder, behaviour: str, k: int) -> Iterator[Block]:
    """Yield how far two rankings agree, how many neurons stand where, and the best `k` of each with both scores."""
    both = two_rankings(run, behaviour)
    if both is None or both.table.empty:
        return
    yield Note(_agreement(both), finding=True)
    if both.tested:
        yield _places(both)
    yield _best(both, k)


def _agreement(both: TwoRankings) -> str:
    """Return how far the rankings agree, in a sentence."""
    table, count = both.table, len(both.table)
    k = max(1, min(_BEST, count // 2))
    common = int(((table["rank"] <= k) & (table["rank_beside"] <= k)).sum())
    ranks, scores = (_correlation(table[name], table[f"{name}_beside"]) for name in ("rank", "score"))
    first, second = (axis.title for axis in both.axes)
    correlated = f"the ranks by {first} and by {second} have no Spearman's correlation; "
    if ranks and scores:
        correlated = (
            f"the ranks by {first} and by {second} have a Spearman's correlation of {ranks}, and the scores, with "
            f"their signs, one of {scores}; "
        )
    return (
        f"{both.behaviour}: over {plural(count, both.neurons.removesuffix('s'), both.neurons)}, {correlated}{common:,} "
        f"of the best {k:,} of one ranking are among the best {k:,} of the other (by chance, about "
        f"{k * k / count:.3g} would be)"
    )


def _correlation(left: pd.Series, right: pd.Series) -> str:
    """Return Spearman's correlation; nothing where there are too few different values for one."""
    known = len(left) > 1 and left.nunique() > 1 and right.nunique() > 1
    return f"{left.corr(right, method='spearman'):.2f}".replace("-", "−") if known else ""


def _places(both: TwoRankings) -> Table:
    """Return how many neurons are beyond chance in which of the two rankings, and on which side."""
    across, up = both.axes
    sides, ups = [-1, 0, 1], [1, 0, -1]
    counts = both.table.value_counts(["side", "side_beside"])
    rows = [[Cell(up.signs[side + 1]), *(_count(int(counts.get((other, side), 0))) for other in sides)] for side in ups]
    headers = [Header(""), *(Header(across.signs[side + 1], True) for side in sides)]
    caption = (
        f"{both.behaviour}: how many {both.neurons} stand where; beyond chance is further from chance level than the "
        f"best of all comes in 5 % of permutations: {number(across.chance)} for {across.title}, {number(up.chance)} "
        f"for {up.title}"
    )
    return Table(headers, rows, caption)


def _quantity_cell(value: float) -> Cell:
    return Cell(number(value), value)


def _count(count: int) -> Cell:
    return Cell(f"{count:,}", count)


def _best(both: TwoRankings, k: int) -> Table:
    """Return the best neurons of either ranking, with what the other says of them."""
    across, up = both.axes
    table = both.table
    best = pd.concat([table.nsmallest(k, "rank"), table.nsmallest(k, "rank_beside")])
    best = best.drop_duplicates(["layer", "neuron"])
    real = real_columns(best)
    words = (f"{REAL}verdict", f"{REAL}intervention")
    edited = [Header(title, name not in words, detail) for name, title, _, detail in real]
    headers = [Header("neuron"), *edited]
    for axis in both.axes:
        headers += [Header(f"by {axis.title}", True), Header("rank", True), Header("held out", True, 1)]
    headers += [Header(f"verdict by {axis.cells.name}", detail=2) for axis in both.axes]
    if both.tested:
        headers.append(Header("beyond chance"))
    rows = []
    for row in best.to_dict("records"):
        cells = [Cell(neuron_name(int(row["layer"]), int(row["neuron"]))), *(cell(row) for _, _, cell, _ in real)]
        for axis, end in zip(both.axes, ("", "_beside"), strict=True):
            # Three decimals would make nothing of most effects.
            cell = _quantity_cell if axis.cells.unit else score_cell
            rank = int(row[f"rank{end}"])
            cells += [cell(row[f"score{end}"]), Cell(f"{rank:,}", rank), cell(row[f"held_out{end}"])]
        cells += [Cell(str(row[f"verdict{end}"])) for end in ("", "_beside")]
        if both.tested:
            cells.append(Cell(both.place(row["side"], row["side_beside"])))
        rows.append(cells)
    about = f"; {up.cells.name} {up.cells.about}" if up.cells.about else ""
    caption = f"{both.behaviour}: the best {k:,} by {across.title} and by {up.title}{about}{about_edits(best)}"
    return Table(headers, rows, caption)
