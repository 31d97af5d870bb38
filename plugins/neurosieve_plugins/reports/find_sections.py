"""The sections of a ranking: the table, every neuron, distributions, replication, phrases."""

from collections.abc import Iterator
from operator import itemgetter

import numpy as np
import pandas as pd

from neurosieve import (
    Block,
    Note,
    Run,
    evidence_blocks,
    interval_title,
    neuron_name,
    number,
    ranking_table,
    real_effect_blocks,
    two_rankings,
)
from neurosieve_plugins.reports.blocks import Figure, Grid, Section, by_behaviour
from neurosieve_plugins.reports.evidence import chance_of_replication, how_many, null_of
from neurosieve_plugins.reports.neuron_charts import distribution, points, replication
from neurosieve_plugins.reports.rankings import Ranked, by_neuron, ranked, thinned
from neurosieve_plugins.reports.trace_sections import phrase_figure

__all__ = ["phrases_found", "ranking_sections", "rescored_sections"]


def ranking_sections(run: Run, best: int, most_points: int) -> Iterator[Section]:
    """Yield what a ranking has to show, behaviour by behaviour.

    Args:
        run: of `find`.
        best: how many neurons the table lists, of each behaviour.
        most_points: how many neurons are drawn, of all behaviours together.
    """
    neurons, rankings = run.neurons, _rankings(run)
    activations = run.table("activations") if "activations" in run.tables else None
    each = max(1000, most_points // max(len(rankings), 1))
    yield _ranking(run, neurons, rankings, best)
    yield _everyone(run, rankings, each)
    if activations is not None and len(activations):
        yield _distributions(run, activations, rankings)
    if any(np.isfinite(ranking.table.far_heldout).any() for ranking in rankings.values()):
        yield _heldout(run, rankings)


def rescored_sections(run: Run, best: int) -> Iterator[Section]:
    """Yield what a ranking came to on other texts than those that made it.

    Args:
        run: of the texts on which the ranking was scored again.
        best: how many neurons the table lists, of each behaviour.
    """
    rankings = _rankings(run)
    scored = _heldout(run, rankings)
    table = _ranking(run, run.neurons, rankings, best)
    lead = "Do the best neurons separate the behaviour from controls on other texts? Here, held out means: on those."
    yield Section("The ranking on other texts", lead, (*scored.blocks, *table.blocks))


def _rankings(run: Run) -> dict[str, Ranked]:
    record, neurons = run.run, run.neurons
    neutral = record.get("neutral", {}).get(record["rank_by"], {})
    return {
        name: ranked(
            neurons[neurons.behaviour == name],
            record["rank_by"],
            neutral.get(name),
            null_of(run, name).get("null_max_q95"),
        )._replace(scorer=run.cells.scored(record["rank_by"]), unit=run.cells.unit)
        for name in record["behaviours"]
    }


def _ranking(run: Run, neurons: pd.DataFrame, rankings: dict[str, Ranked], best: int) -> Section:
    blocks: dict[str, tuple[Block, ...]] = {
        name: (
            how_many(run, name, neurons[neurons.behaviour == name], ranking),
            *evidence_blocks(run, name),
            *chance_of_replication(run, ranking),
            *(real_effect_blocks(run, name) if two_rankings(run, name) is None else ()),
            ranking_table(run, name, best),
        )
        for name, ranking in rankings.items()
    }
    reached = [
        f"with permuted labels the best for {name} is {number(null['null_max_q95'])} or more from chance level in 5 % "
        f"of {number(null['permutations'])} permutations"
        for name in rankings
        if (null := null_of(run, name))
    ]
    lead = (
        f"Neurons ranked by {run.cells.explained(run.run['rank_by'])}, strongest first; choose a heading to sort by "
        "it; all are in neurons.parquet. Of so many neurons the best score high by chance too: "
        + ("; ".join(reached) or "there is no null here to say how high, so go by what was held out")
        + "."
    )
    return Section("The ranking", lead, by_behaviour(blocks))


def _everyone(run: Run, rankings: dict[str, Ranked], most: int) -> Section:
    blocks: dict[str, tuple[Block, ...]] = {}
    for place, (name, ranking) in enumerate(rankings.items()):
        defined = int(np.isfinite(ranking.table.score).sum())
        drawn = len(thinned(ranking, most))
        caption = "Each point is a neuron; within a layer they stand in the order of their number."
        if np.isfinite(ranking.chance) and np.isfinite(ranking.neutral):
            caption += " Dotted: in 5 % of permutations the best of all comes so far, or further."
        if drawn < defined:
            caption += (
                f" {drawn:,} of {defined:,} are drawn: where several would lie on each other, the one with "
                "the largest effect."
            )
        if defined < len(ranking.table):
            caption += f" {len(ranking.table) - defined:,} have no score, and no point."
        figure = Figure(
            f"neurons-{place}" if place else "neurons", points(ranking, most), caption, ("zoom_place", "zoom_score")
        )
        blocks[name] = (figure,)
    which = "separate the behaviour from controls" if run.cells.fires else f"stand out by their {run.cells.name}"
    lead = f"Where in the model the neurons are that {which}; the best ones bear their names."
    return Section("Every neuron", lead, by_behaviour(blocks))


def _distributions(run: Run, activations: pd.DataFrame, rankings: dict[str, Ranked]) -> Section:
    blocks: dict[str, tuple[Block, ...]] = {}
    for place, (name, ranking) in enumerate(rankings.items()):
        of_behaviour = activations[activations.behaviour == name]
        places = ranking.table[["layer", "neuron", "rank"]].itertuples(index=False, name=None)
        ranks = {(layer, neuron): rank for layer, neuron, rank in places}
        tables = [(ranks[key], key, table) for key, table in by_neuron(of_behaviour) if key in ranks]
        charts = tuple(
            (f"{rank}. {neuron_name(*key)}", distribution(table, "", run.cells.title, rows=run.units))
            for rank, key, table in sorted(tables, key=itemgetter(0))
        )
        names = tuple(neuron_name(*key) for _, key, _ in sorted(tables, key=itemgetter(0)))
        held_out = (of_behaviour.part != "ranking").any()
        caption = "Filled: the part that ranked." + (" Lines: the part held out." if held_out else "")
        if charts:
            blocks[name] = (Grid(f"distributions-{place}" if place else "distributions", charts, caption, names),)
    cells = run.cells
    lead = (
        f"{cells.name.capitalize()}s of the best neurons where the behaviour shows (orange) and at controls (blue): "
        "the less the two overlap, the better the neuron separates them."
    )
    if cells.about:
        lead += f" They are {cells.about}." if cells.unit else f" Of them, {cells.about}."
    return Section(f"The best neurons' {cells.name}s", lead, by_behaviour(blocks))


def _heldout(run: Run, rankings: dict[str, Ranked]) -> Section:
    blocks: dict[str, tuple[Block, ...]] = {}
    for place, (name, ranking) in enumerate(rankings.items()):
        table = ranking.table
        tested = (table.verdict != "no verdict").sum()
        notes: list[Block] = []
        if not np.isfinite(table.far_heldout).any():
            notes.append(Note(f"Nothing was held out for {name}: there is no replication to show."))
        else:
            with_interval = (
                f" with its {interval_title(run)}, which takes whole groups together" if table.low.notna().any() else ""
            )
            caption = (
                "Up: how far the held-out score is from chance level, in the direction of the ranking"
                f"{with_interval}. On the slanted line it is as far as in the ranking; at 0 it is at chance level; "
                "below, its sign has turned."
            )
            notes.append(Figure(f"replication-{place}" if place else "replication", replication(ranking), caption))
        if not tested:
            notes.append(Note(_why_no_verdict(run, name)))
        blocks[name] = tuple(notes)
    which = "separate the behaviour from controls" if run.cells.fires else f"stand out by their {run.cells.name}"
    lead = f"Do the best neurons {which} on texts that had no part in choosing them?"
    return Section("Replication", lead, by_behaviour(blocks))


def _why_no_verdict(run: Run, behaviour: str) -> str:
    reasons = [text for text in run.run.get("warnings", []) if "no verdict" in text or "no interval" in text]
    counts = run.run.get("counts", {}).get("behaviours", {}).get(behaviour, {})
    if reasons:
        return f"No neuron has a verdict: {reasons[0]}."
    if not counts.get("heldout_present", 1):
        return "No neuron has a verdict: nothing was held out."
    return "No neuron has a verdict: none was tested on the held-out groups (`test_top` says how many are)."


def phrases_found(run: Run) -> Section | None:
    """Return which phrases, or labels of whole texts, behaviours were found by, from the table `spans`.

    A label that all texts with a behaviour share says nothing of them, and is left out.
    """
    if "spans" not in run.tables:
        return None
    spans = run.table("spans")
    if run.whole_texts:
        spans = spans[spans.groupby("behaviour").label.transform("nunique") > 1]
    if not len(spans):
        return None
    blocks: dict[str, tuple[Block, ...]] = {
        str(name): phrase_figure(of_behaviour, str(name), f"phrases-{place}" if place else "phrases")
        for place, (name, of_behaviour) in enumerate(spans.groupby("behaviour", sort=False))
    }
    lead = "What the behaviour was found by: where few phrases make up most of it, the result is about those."
    if run.whole_texts:
        lead = lead.replace("few phrases", "few phrases, or labels,")
        return Section("What it was found by", lead, by_behaviour(blocks))
    return Section("The phrases behind it", lead, by_behaviour(blocks))
