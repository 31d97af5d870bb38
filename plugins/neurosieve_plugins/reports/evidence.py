"""What stands beside a ranking's scores: chance, the text alone, and what the verdicts say."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from neurosieve import Run
from neurosieve_plugins.reports.blocks import Block, Cell, Facts, Header, Note, Table, Tiles
from neurosieve_plugins.reports.rankings import Ranked, name_of, verdicts
from neurosieve_plugins.reports.tables import interval, number, plain, whole

__all__ = [
    "beside_the_best",
    "confidence",
    "how_many",
    "interval_title",
    "null_of",
    "said_of_neurons",
    "score_cell",
    "score_cells",
]


def confidence(run: Run) -> float:
    """Return how often the intervals of a run are to hold the truth."""
    return float(run.run.get("config", {}).get("confidence", 0.95))


def interval_title(run: Run) -> str:
    """Return what stands over a column of intervals."""
    return f"{100 * confidence(run):g} % interval"


def null_of(run: Run, behaviour: str) -> dict[str, Any]:
    """Return what permuted labels came to; nothing where there is no null."""
    return (run.run.get("null") or {}).get(behaviour) or {}


def how_many(run: Run, behaviour: str, neurons: pd.DataFrame, ranking: Ranked) -> Tiles:
    """Return how much was read, how many neurons were ranked, and how many stand up to what."""
    counts, null = run.run.get("counts", {}).get("behaviours", {}).get(behaviour, {}), null_of(run, behaviour)
    numbers = [(number(len(neurons)), f"{run.site.neurons} ranked")]
    replicate, tested = verdicts(ranking)
    if tested:
        told = f"tested neurons replicate (by chance, about {_by_chance(run) * tested:.3g} would)"
        numbers.append((f"{replicate:,} of {tested:,}", told))
    for key, what in (("p_fwer_05", "p_fwer ≤ 0.05"), ("q_fdr_05", "q_fdr ≤ 0.05")):
        if null.get(key) is not None:
            scope = (len(run.run.get("behaviours", ())) > 1) * ", corrected within this behaviour"
            numbers.append((number(null[key]), f"have a {what}{scope}"))
    judged = _verdicts(neurons)
    if len(judged):
        words = int((judged == "token detector").sum())
        numbers.append((f"{words:,} of {len(judged):,}", "judged neurons are token detectors"))
    numbers += [
        (number(counts[key]), what)
        for key, what in (
            ("spans", f"spans of {behaviour}"),
            ("documents_with", "texts that show it"),
            ("ranking_present", "positions in the ranking"),
            ("heldout_present", "positions held out"),
        )
        if counts.get(key)
    ]
    return Tiles(tuple(numbers))


def _by_chance(run: Run) -> float:
    """Return how often a neuron that tells nothing replicates: an interval misses on either side."""
    return (1 - confidence(run)) / 2


def _verdicts(neurons: pd.DataFrame) -> pd.Series:
    return neurons["verdict"].dropna() if "verdict" in neurons else pd.Series(dtype=object)


def beside_the_best(run: Run, behaviour: str, neurons: pd.DataFrame, ranking: Ranked) -> Iterator[Block]:
    """Yield the best neuron beside what chance and the text alone come to, where either is known."""
    by, scored = ranking.scorer, ranking.table[np.isfinite(ranking.table.score)]
    rows = [*_chance(run, behaviour, neurons, ranking), *_baselines(run, behaviour, by)]
    if not rows or not len(scored):
        return
    best = neurons.loc[neurons["rank"] == scored["rank"].iloc[0]].iloc[0].to_dict()
    name = f"{name_of(int(best['layer']), int(best['neuron']))}, the best neuron"
    rows = [(Cell(name, name), *score_cells(best, by)), *rows]
    # What was not held out has no columns for it.
    shown = [place for place in range(4) if place < 2 or any(row[place].text != "–" for row in rows)]
    headers = (Header("beside each other"), Header(by, True), Header("held out", True), Header(interval_title(run)))
    nothing = f", where {number(ranking.neutral)} tells nothing" if np.isfinite(ranking.neutral) else ""
    caption = (
        f"The best neuron's {by} beside what chance and the text alone come to{nothing}; the text alone is a "
        "regression on no more than what its line says, without the model"
    )
    yield Table([headers[place] for place in shown], [[row[place] for place in shown] for row in rows], caption)
    beats = neurons["beats_baselines"].dropna() if "beats_baselines" in neurons else pd.Series(dtype=bool)
    if len(beats):
        yield Note(
            f"{number(beats.sum())} of {whole(len(beats), 'neuron')} beat the text alone: held out, they are further "
            "from telling nothing than each line of it. A neuron is worth reporting where it does."
        )


def _chance(run: Run, behaviour: str, neurons: pd.DataFrame, ranking: Ranked) -> Iterator[tuple[Cell, ...]]:
    if null := null_of(run, behaviour):
        nothing, far = Cell("–", np.nan), null["null_max_q95"]
        name = f"chance: the best of all, in 5 % of {whole(null['permutations'], 'permutation')}"
        level = Cell(f"{number(far)} from telling nothing", far)
        if np.isfinite(ranking.neutral) and len(neurons):
            # On the side of the best neuron, so that the two can be compared.
            sign = -1 if neurons[f"{ranking.scorer}_minus_neutral"].iloc[0] < 0 else 1
            level = score_cell(ranking.neutral + sign * far)
        yield Cell(name, name), level, nothing, nothing


def _baselines(run: Run, behaviour: str, by: str) -> Iterator[tuple[Cell, ...]]:
    if "baselines" not in run.tables:
        return
    from neurosieve import BASELINES

    table = run.table("baselines")
    for line in table[table.behaviour == behaviour].to_dict("records"):
        name = f"the text alone: {BASELINES.get(line['baseline'], plain(line['baseline']))}"
        cells = score_cells(line, by)
        if any(cell.text != "–" for cell in cells):
            yield Cell(name, name), *cells


def score_cells(line: dict[Any, Any], by: str) -> tuple[Cell, Cell, Cell]:
    """Return a score, the same held out, and its interval."""
    distance = f"{by}_minus_neutral_heldout"
    neutral = line.get(f"{by}_heldout", np.nan) - line.get(distance, np.nan)
    low, high = (neutral + line.get(f"{distance}_{end}", np.nan) for end in ("low", "high"))
    return (
        score_cell(line.get(by)),
        score_cell(line.get(f"{by}_heldout")),
        Cell(interval(low, high) or "–", float(low)),
    )


def score_cell(value: Any) -> Cell:
    """Return a number of one neuron; undefined is a dash, and last wherever it is sorted."""
    return Cell(number(value), np.nan if value is None or pd.isna(value) else float(value))


def said_of_neurons(run: Run, neurons: pd.DataFrame, ranking: Ranked) -> Iterator[Block]:
    """Yield what each verdict that occurs says, with how many neurons have it, and what to replicate takes."""
    judged = _verdicts(neurons)
    if len(judged):
        from neurosieve import VERDICTS

        counted = judged.value_counts()
        order = [*(one for one in VERDICTS if one in counted), *(one for one in counted.index if one not in VERDICTS)]
        facts = ((f"{plain(one)} ({number(counted[one])})", VERDICTS.get(one, "")) for one in order)
        yield Facts(tuple(facts))
    _, tested = verdicts(ranking)
    if tested:
        chance = _by_chance(run)
        yield Note(
            f"To replicate, a neuron's held-out {interval_title(run)} must lie wholly on the ranking's side of telling "
            f"nothing, as it does by chance in {100 * chance:.3g} % of neurons that tell nothing: in about "
            f"{chance * tested:.3g} of {whole(tested, 'tested neuron')}, and at times in more, since neurons that fire "
            "together replicate together."
        )
