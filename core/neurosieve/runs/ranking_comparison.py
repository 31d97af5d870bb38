"""The best neuron of a ranking beside what chance and the text alone come to."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from neurosieve.runs.blocks import Cell, Note, Table
from neurosieve.runs.columns import BASELINES
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.tables import as_table, neuron_name, number, score, score_cell
from neurosieve.wording import plural

__all__ = ["LEVEL", "beats_text", "comparisons", "interval_cell", "interval_title", "neurons_of"]

LEVEL = 0.05
"""A neuron whose p_fwer is at most this is named."""


def comparisons(run: RunFolder, behaviour: str, neutral: float | None) -> Iterator[Table]:
    """Yield the best neuron beside chance and the text alone: in one table where one score serves for both."""
    neurons, rank_by, by = neurons_of(run, behaviour), run.run["rank_by"], _baselines_by(run)
    null, baselines = run.run.get("null", {}).get(behaviour), _baselines(run, behaviour)
    scored = neurons[neurons[rank_by].notna()]
    if not len(scored):
        return
    best = scored.iloc[0].to_dict()
    name = f"{neuron_name(int(best['layer']), int(best['neuron']))}, the best neuron"
    rows, chance = [_compared(name, best, rank_by)], []
    if null:
        # On the side of the best neuron, so that the two can be compared.
        far = null["null_max_q95"]
        level = (neutral or 0.0) + (-far if best.get(f"{rank_by}_minus_neutral", 0.0) < 0 else far)
        cell = Cell(f"{number(far)} from chance level", far) if neutral is None else score_cell(level)
        what = f"chance: the best of all, in 5 % of {plural(null['permutations'], 'permutation')}"
        chance.append({"name": what, "score": cell})
    texts = [
        _compared(f"the text alone: {_baseline_words(row['baseline'])}", row, by)
        for row in baselines.to_dict("records")
    ]
    apart = by != rank_by
    beside = [*chance, *([] if apart else texts)]
    if beside:
        others = " and ".join(["chance"] * bool(chance) + ["the text alone"] * (len(beside) > len(chance)))
        yield _comparison(run, f"{behaviour}: {rank_by} of the best neuron, beside {others}", rows + beside, neutral)
    if apart and texts:
        caption = f"{behaviour}: {by} of the best neuron, beside the text alone; {rank_by} is in the neuron's own unit"
        level_of_text = run.run.get("neutral", {}).get(by, {}).get(behaviour)
        yield _comparison(run, caption, [_compared(name, best, by), *texts], level_of_text, by)


def _comparison(
    run: RunFolder, caption: str, rows: Sequence[Mapping[str, Any]], neutral: float | None, scorer: str = ""
) -> Table:
    """Return a table of what is compared by the scorer that ranks, or by another."""
    title = scorer or run.run["rank_by"]
    titles = {"name": "compared with", "score": title, "held_out": "held out", "interval": interval_title(run)}
    level_words = "" if neutral is None else f" (chance level: {number(neutral)})"
    return as_table(pd.DataFrame(rows), titles, caption + level_words)


def beats_text(neurons: pd.DataFrame) -> Iterator[Note]:
    """Yield how many of the neurons that are no chance beat the text alone; of all, where nothing tells which are."""
    known = neurons[neurons["beats_baselines"].notna()] if "beats_baselines" in neurons else neurons.head(0)
    if not len(known):
        return
    of = ""
    if "p_fwer" in known and known["p_fwer"].notna().any():
        known, of = known[known["p_fwer"] <= LEVEL], f" with a p_fwer of at most {LEVEL}"
    elif "replicates" in known and known["replicates"].notna().any():
        known, of = known[known["replicates"].fillna(False).astype(bool)], " that replicate"
    beats = known["beats_baselines"].tolist()
    counted = (
        f"{sum(beats):,} of {plural(len(beats), 'neuron')}{of} beat the text alone"
        if len(beats)
        else f"there are no neurons{of} to beat the text alone"
    )
    yield Note(
        f"text alone: a regression on what its line names, without the model; {counted}. Those that do are, on the "
        "held-out part, further from chance level than every line of it. Report a neuron only if it does"
    )


def _baselines(run: RunFolder, behaviour: str) -> pd.DataFrame:
    """Return the baselines of the text alone that have a score."""
    if "baselines" not in run.tables:
        return pd.DataFrame()
    table, by = run.table("baselines"), _baselines_by(run)
    scored = table[[name for name in (by, f"{by}_heldout") if name in table]].notna().any(axis=1)
    return table[(table.behaviour == behaviour) & scored]


def _baselines_by(run: RunFolder) -> str:
    """Return the scorer that neurons and the text alone are compared by."""
    return str(run.run.get("baselines_by") or run.run["rank_by"])


def _baseline_words(baseline: str) -> str:
    return BASELINES.get(baseline, f"the field `{baseline}` of its record")


def _compared(name: str, row: Mapping[Any, Any], scorer: str) -> dict[str, Any]:
    """Return a row of the evidence; what is unknown is None, so that a column of it is left out."""
    interval, held_out = interval_cell(row, scorer), score_cell(row.get(f"{scorer}_heldout"))
    cells = {"score": score_cell(row.get(scorer)), "held_out": held_out, "interval": interval}
    return {"name": name, **{column: cell for column, cell in cells.items() if cell.text != "–"}}


def interval_cell(row: Mapping[Any, Any], scorer: str) -> Cell:
    """Return the interval of a score on the held-out part."""
    far = f"{scorer}_minus_neutral_heldout"
    neutral = row.get(f"{scorer}_heldout", math.nan) - row.get(far, math.nan)
    low, high = (neutral + row.get(f"{far}_{end}", math.nan) for end in ("low", "high"))
    return Cell("–" if math.isnan(low) else f"{score(low)} to {score(high)}", float(low))


def interval_title(run: RunFolder) -> str:
    """Return the heading of a column of intervals."""
    return f"{100 * run.run.get('config', {}).get('confidence', 0.95):g} % interval"


def neurons_of(run: RunFolder, behaviour: str) -> pd.DataFrame:
    """Return the ranking of a behaviour."""
    neurons = run.neurons
    return neurons[neurons.behaviour == behaviour]
