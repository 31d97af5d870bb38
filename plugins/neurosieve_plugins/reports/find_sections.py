"""The sections of a ranking: the table, every neuron, distributions, replication, phrases."""

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from neurosieve import Run
from neurosieve_plugins.reports.blocks import Block, Cell, Figure, Fold, Grid, Header, Note, Section, Table
from neurosieve_plugins.reports.evidence import (
    beside_the_best,
    how_many,
    interval_title,
    null_of,
    said_of_neurons,
    score_cell,
    score_cells,
)
from neurosieve_plugins.reports.neuron_charts import distribution, points, replication
from neurosieve_plugins.reports.rankings import Ranked, by_neuron, name_of, ranked, thinned
from neurosieve_plugins.reports.tables import number
from neurosieve_plugins.reports.trace_sections import phrase_figure

__all__ = ["phrases_found", "ranking_sections", "rescored_sections"]


def ranking_sections(run: Run, best: int, most_points: int) -> Iterator[Section]:
    """Yield what a ranking has to show, behaviour by behaviour.

    Args:
        run: of `find`.
        best: how many neurons the table lists, of each behaviour.
        most_points: how many neurons are drawn, of all behaviours together.
    """
    neurons, rankings = run.table("neurons"), _rankings(run)
    activations = run.table("activations") if "activations" in run.tables else None
    each = max(1000, most_points // max(len(rankings), 1))
    yield _ranking(run, neurons, rankings, best)
    yield _everyone(rankings, each)
    if activations is not None and len(activations):
        yield _distributions(activations, rankings)
    if any(np.isfinite(one.table.far_there).any() for one in rankings.values()):
        yield _heldout(run, rankings)


def rescored_sections(run: Run, best: int) -> Iterator[Section]:
    """Yield what a ranking came to on other texts than those that made it.

    Args:
        run: of the texts on which the ranking was scored again.
        best: how many neurons the table lists, of each behaviour.
    """
    rankings = _rankings(run)
    scored = _heldout(run, rankings)
    table = _ranking(run, run.table("neurons"), rankings, best)
    lead = "Do the best neurons tell the behaviour on other texts? Here, held out means: on those."
    yield Section("The ranking on other texts", lead, (*scored.blocks, *table.blocks))


def _rankings(run: Run) -> dict[str, Ranked]:
    told, neurons = run.run, run.table("neurons")
    neutral = told.get("neutral", {}).get(told["rank_by"], {})
    return {
        name: ranked(
            neurons[neurons.behaviour == name],
            told["rank_by"],
            neutral.get(name),
            null_of(run, name).get("null_max_q95"),
        )
        for name in told["behaviours"]
    }


def _by_behaviour(blocks: Mapping[str, tuple[Block, ...]]) -> tuple[Block, ...]:
    """Return the blocks as they are for one behaviour, and each behaviour's under its name for several."""
    if len(blocks) == 1:
        return next(iter(blocks.values()))
    return tuple(Fold(name, mine, unfolded=place == 0) for place, (name, mine) in enumerate(blocks.items()))


def _ranking(run: Run, neurons: pd.DataFrame, rankings: dict[str, Ranked], best: int) -> Section:
    told = run.run
    scorers = [told["rank_by"], *(one for one in told["scorers"] if one != told["rank_by"])]
    blocks: dict[str, tuple[Block, ...]] = {}
    for name, ranking in rankings.items():
        mine = neurons[neurons.behaviour == name]
        blocks[name] = (
            how_many(run, name, mine, ranking),
            *beside_the_best(run, name, mine, ranking),
            *said_of_neurons(run, mine, ranking),
            _table(run, mine, ranking, scorers, name, best),
        )
    reached = [
        f"with permuted labels the best for {name} is {number(null['null_max_q95'])} or more from telling "
        f"nothing in 5 % of {number(null['permutations'])} permutations"
        for name in rankings
        if (null := null_of(run, name))
    ]
    lead = (
        f"The neurons whose {told['rank_by']} is furthest from telling nothing, the best first; choose a heading to "
        "sort by it. Of so many neurons the best score high by chance too: "
        + ("; ".join(reached) or "there is no null here to say how high, so go by what was held out")
        + "."
    )
    return Section("The ranking", lead, _by_behaviour(blocks))


def _table(
    run: Run, neurons: pd.DataFrame, ranking: Ranked, scorers: Sequence[str], behaviour: str, best: int
) -> Table:
    shown, by = neurons.head(best), ranking.scorer
    held_out = bool(np.isfinite(ranking.table.held_out).any())
    # What the run knows of no neuron has no column.
    known = {name for name in _KNOWN if name in neurons and neurons[name].notna().any()}
    headers = [Header("rank", True), Header("neuron")]
    for scorer in scorers:
        headers.append(Header(scorer, True))
        mine = scorer == by
        headers += [Header(name, True) for name in ("p_fwer", "q_fdr") if mine and name in known]
        if held_out:
            headers.append(Header("held out", True))
        if held_out and mine:
            headers += [Header(interval_title(run)), Header("replicates")]
        headers += [Header(title, title == "stability") for name, title in _JUDGED.items() if mine and name in known]
    rows = []
    for line in shown.to_dict("records"):
        layer, neuron = int(line["layer"]), int(line["neuron"])
        row = [
            Cell(str(line["rank"]), int(line["rank"])),
            Cell(name_of(layer, neuron), layer * 1_000_000_000 + neuron),
        ]
        for scorer in scorers:
            mine = scorer == by
            score, there, reaches = score_cells(line, scorer)
            row.append(score)
            row += [_probability(line[name]) for name in ("p_fwer", "q_fdr") if mine and name in known]
            if held_out:
                row.append(there)
            if held_out and mine:
                row += [reaches, _word(line.get("replicates"))]
            if mine:
                row += [
                    score_cell(line[name]) if name == "stability" else _word(line[name])
                    for name in _JUDGED
                    if name in known
                ]
        rows.append(row)
    total = len(neurons)
    caption = f"The best {len(rows):,} of {total:,} {run.site.neurons} for {behaviour}; all are in neurons.parquet"
    return Table(headers, rows, caption)


_JUDGED = {"verdict": "verdict", "stability": "stability", "beats_baselines": "beats text"}
_KNOWN = ("p_fwer", "q_fdr", *_JUDGED)


def _probability(value: Any) -> Cell:
    return Cell("–" if pd.isna(value) else "<0.001" if value < 0.0005 else f"{value:.3f}", float(value))


def _word(value: Any) -> Cell:
    if value is None or pd.isna(value):
        return Cell("–", "")
    word = str(value) if isinstance(value, str) else "yes" if value else "no"
    return Cell(word, word)


def _everyone(rankings: dict[str, Ranked], most: int) -> Section:
    blocks: dict[str, tuple[Block, ...]] = {}
    for place, (name, ranking) in enumerate(rankings.items()):
        defined = int(np.isfinite(ranking.table.score).sum())
        drawn = len(thinned(ranking, most))
        caption = "Each point is a neuron; within a layer they stand in the order of their number."
        if np.isfinite(ranking.chance) and np.isfinite(ranking.neutral):
            caption += " Dotted: in 5 % of permutations the best of all comes so far, or further."
        if drawn < defined:
            caption += (
                f" {drawn:,} of {defined:,} are drawn: where several would lie on each other, the one furthest from "
                "telling nothing."
            )
        if defined < len(ranking.table):
            caption += f" {len(ranking.table) - defined:,} have no score, and no point."
        figure = Figure(
            f"neurons-{place}" if place else "neurons", points(ranking, most), caption, ("zoom_place", "zoom_score")
        )
        blocks[name] = (figure,)
    lead = (
        "Where in the model the neurons sit that tell the behaviour from its controls; the best ones bear their names."
    )
    return Section("Every neuron", lead, _by_behaviour(blocks))


def _distributions(activations: pd.DataFrame, rankings: dict[str, Ranked]) -> Section:
    blocks: dict[str, tuple[Block, ...]] = {}
    for place, (name, ranking) in enumerate(rankings.items()):
        mine = activations[activations.behaviour == name]
        places = ranking.table[["layer", "neuron", "rank"]].itertuples(index=False, name=None)
        ranks = {(layer, neuron): rank for layer, neuron, rank in places}
        found = sorted(((ranks[key], key, table) for key, table in by_neuron(mine) if key in ranks), key=itemgetter(0))
        charts = tuple((f"{rank}. {name_of(*key)}", distribution(table, "")) for rank, key, table in found)
        held_out = (mine.part != "ranking").any()
        caption = "Filled: the part that ranked." + (" Lines: the part held out." if held_out else "")
        if charts:
            blocks[name] = (Grid(f"distributions-{place}" if place else "distributions", charts, caption),)
    lead = (
        "What the best neurons held where the behaviour shows (orange) and at the controls (blue): the less the two "
        "overlap, the better the neuron tells them apart."
    )
    return Section("The best neurons' activations", lead, _by_behaviour(blocks))


def _heldout(run: Run, rankings: dict[str, Ranked]) -> Section:
    blocks: dict[str, tuple[Block, ...]] = {}
    for place, (name, ranking) in enumerate(rankings.items()):
        table = ranking.table
        said = (table.verdict != "no verdict").sum()
        notes: list[Block] = []
        if not np.isfinite(table.far_there).any():
            notes.append(Note(f"Nothing was held out for {name}: there is no replication to show."))
        else:
            with_interval = (
                f" with its {interval_title(run)}, which takes whole groups together" if table.low.notna().any() else ""
            )
            caption = (
                "Up: how far the held-out score is from telling nothing, in the direction of the ranking"
                f"{with_interval}. On the slanted line it is as far as in the ranking; at 0 it tells nothing; below, "
                "its sign has turned."
            )
            notes.append(Figure(f"replication-{place}" if place else "replication", replication(ranking), caption))
        if not said:
            notes.append(Note(_why_no_verdict(run, name)))
        blocks[name] = tuple(notes)
    lead = "Do the best neurons tell the behaviour on texts that had no part in choosing them?"
    return Section("Replication", lead, _by_behaviour(blocks))


def _why_no_verdict(run: Run, behaviour: str) -> str:
    told = [one for one in run.run.get("warnings", []) if "no verdict" in one or "no interval" in one]
    counts = run.run.get("counts", {}).get("behaviours", {}).get(behaviour, {})
    if told:
        return f"No neuron has a verdict: {told[0]}."
    if not counts.get("heldout_present", 1):
        return "No neuron has a verdict: nothing was held out."
    return "No neuron has a verdict: none was tested on the held-out groups (`test_top` says how many are)."


def phrases_found(run: Run) -> Section | None:
    """Return which phrases the behaviour was found by, from the table `spans`."""
    if "spans" not in run.tables:
        return None
    spans = run.table("spans")
    if not len(spans):
        return None
    blocks: dict[str, tuple[Block, ...]] = {
        str(name): phrase_figure(mine, str(name), f"phrases-{place}" if place else "phrases")
        for place, (name, mine) in enumerate(spans.groupby("behaviour", sort=False))
    }
    lead = "What the behaviour was found by: where few phrases make up most of it, the result is about those."
    return Section("The phrases behind it", lead, _by_behaviour(blocks))
