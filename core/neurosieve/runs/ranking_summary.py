"""What a ranking says: its best neurons, beside what chance and the text alone reach."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from neurosieve.runs.blocks import Block, Cell, Facts, Header, Note, Table
from neurosieve.runs.columns import (
    BASELINES,
    VERDICTS,
    heldout,
    minus_neutral,
    minus_neutral_heldout,
    prediction,
)
from neurosieve.runs.folder import RunFolder
from neurosieve.runs.tables import neuron_name, number, probability_cell, score, score_cell, word_cell
from neurosieve.wording import plural

__all__ = [
    "evidence_blocks",
    "interval_title",
    "ranking_blocks",
    "ranking_table",
    "rescored_blocks",
    "score_cells",
    "verdict_blocks",
]

_LEVEL = 0.05
_DOUBTS = {
    "may be chance": f"its p_fwer is above {_LEVEL}: the best of all neurons often scores as high by chance",
    "the text alone does as well": "on the held-out groups a line of the text alone separates the behaviour as "
    "well, at the position that the verdict is about",
}


def ranking_blocks(run: RunFolder, k: int) -> Iterator[Block]:
    """Yield the best `k` neurons of each behaviour, what they are compared with, and what was read."""
    for behaviour in run.run["behaviours"]:
        yield ranking_table(run, behaviour, k)
        yield from evidence_blocks(run, behaviour)
        yield from verdict_blocks(run, behaviour)
        if (counts := run.run["counts"].get("behaviours", {}).get(behaviour)) and "documents" in run.run["counts"]:
            yield Note(_material(counts, run.run["counts"]["documents"]))
    if reading := run.run.get("reading"):
        model = run.run["model"]
        source = (
            f"{reading['forward_passes']:,} forward passes, {reading['tokens']:,} tokens"
            if reading["forward_passes"]
            else "no forward pass: all from the store"
        )
        yield Note(f"read with {model['name']} ({model['dtype']}, {model['device']}): {source}")


def rescored_blocks(run: RunFolder, k: int) -> Iterator[Block]:
    """Yield how the best `k` neurons of a ranking score on other texts."""
    for behaviour in run.run["behaviours"]:
        table = ranking_table(run, behaviour, k)
        headers = [
            header._replace(text="on these texts") if header.text == "held out" else header for header in table.headers
        ]
        yield Table(headers, table.rows, f"{behaviour}: the ranking on {run.run['config']['texts']}")
        counts = run.run["counts"]["behaviours"][behaviour]
        yield Note(
            f"{plural(counts['spans'], 'span')} in {counts['documents_with']:,} of "
            f"{plural(run.run['counts']['documents'], 'document')}"
        )


def neurons_of(run: RunFolder, behaviour: str) -> pd.DataFrame:
    """Return the ranking of one behaviour."""
    neurons = run.table("neurons")
    return neurons[neurons.behaviour == behaviour]


def interval_title(run: RunFolder) -> str:
    """Return the heading of a column of intervals."""
    return f"{100 * run.run.get('config', {}).get('confidence', 0.95):g} % interval"


def ranking_table(run: RunFolder, behaviour: str, k: int) -> Table:
    """Return the best `k` neurons with all that is known of them; what is known of no neuron has no column."""
    neurons, rank_by = neurons_of(run, behaviour), run.run["rank_by"]
    best = neurons.head(k)
    known = {str(name) for name in neurons if neurons[name].notna().any()}
    columns: list[tuple[Header, list[Cell]]] = [
        (Header("rank", True), [Cell(str(rank), int(rank)) for rank in best["rank"]]),
        (
            Header("neuron"),
            [
                Cell(neuron_name(layer, neuron), layer * 1_000_000_000 + neuron)
                for layer, neuron in zip(best.layer.tolist(), best.neuron.tolist(), strict=True)
            ],
        ),
    ]

    def add(name: str, title: str, cell: Any, detail: int = 0) -> None:
        if name in known:
            columns.append((Header(title, cell is not word_cell, detail), [cell(value) for value in best[name]]))

    if per_head := run.run.get("model", {}).get("neurons_per_head"):
        for title, places in (("head", best.neuron // per_head), ("of head", best.neuron % per_head)):
            columns.append((Header(title, True), [Cell(str(place), int(place)) for place in places]))
    # The scorer that ranks comes first, with all that is known of its scores.
    columns.append((Header(rank_by, True), [score_cell(value) for value in best[rank_by]]))
    add("p_fwer", "p_fwer", probability_cell)
    add("q_fdr", "q_fdr", probability_cell, 1)
    add(heldout(rank_by), "held out", score_cell)
    rows = best.to_dict("records")
    if f"{minus_neutral_heldout(rank_by)}_low" in known:
        columns.append((Header(interval_title(run), detail=1), [score_cells(row, rank_by)[2] for row in rows]))
    add("replicates", "replicates", word_cell, int("verdict" in known))
    if "verdict" in known:
        columns.append((Header("verdict"), [_verdict_cell(row) for row in rows]))
    add("stability", "stability", score_cell, 1)
    add("beats_baselines", "beats text", word_cell, 1)
    for scorer in run.run["scorers"]:
        if scorer != rank_by:
            columns.append((Header(scorer, True, 2), [score_cell(value) for value in best[scorer]]))
            add(heldout(scorer), "held out", score_cell, 2)
    caption = f"{behaviour}: the best {len(best):,} of {len(neurons):,} {run.site.neurons} by {rank_by}"
    return Table([header for header, _ in columns], list(zip(*(cells for _, cells in columns), strict=True)), caption)


def evidence_blocks(run: RunFolder, behaviour: str) -> Iterator[Block]:
    """Yield the best neuron beside what chance and the text alone reach, where either is known."""
    neurons, rank_by = neurons_of(run, behaviour), run.run["rank_by"]
    null, neutral = run.run.get("null", {}).get(behaviour), _neutral(run, behaviour)
    scored = neurons[neurons[rank_by].notna()]
    baselines = _baselines(run, behaviour)
    if len(scored) and (null or len(baselines)):
        best = scored.iloc[0].to_dict()
        name = f"{neuron_name(int(best['layer']), int(best['neuron']))}, the best neuron"
        rows = [(Cell(name), *score_cells(best, rank_by))]
        if null:
            far = null["null_max_q95"]
            # On the side of the best neuron, so that the two can be compared.
            sign = -1 if best.get(minus_neutral(rank_by), 0.0) < 0 else 1
            level = (
                Cell(f"{number(far)} from chance level", far) if neutral is None else score_cell(neutral + sign * far)
            )
            chance = f"chance: the best of all, in 5 % of {plural(null['permutations'], 'permutation')}"
            rows.append((Cell(chance), level, score_cell(None), Cell("–", math.nan)))
        rows += [
            (Cell(f"the text alone: {BASELINES.get(row['baseline'], row['baseline'])}"), *score_cells(row, rank_by))
            for row in baselines.to_dict("records")
        ]
        headers = (
            Header("compared with"),
            Header(rank_by, True),
            Header("held out", True),
            Header(interval_title(run)),
        )
        # What was not held out has no columns.
        shown = [place for place in range(4) if place < 2 or any(row[place].text != "–" for row in rows)]
        level_words = "" if neutral is None else f" (chance level: {number(neutral)})"
        others = " and ".join(["chance"] * bool(null) + ["the text alone"] * bool(len(baselines)))
        caption = f"{behaviour}: {rank_by} of the best neuron, beside {others}{level_words}"
        yield Table([headers[place] for place in shown], [[row[place] for place in shown] for row in rows], caption)
    if null:
        within = ", corrected over the neurons of this behaviour, not over the behaviours"
        yield Note(
            f"chance: with permuted labels the best of all neurons is {number(null['null_max_q95'])} or more from "
            f"{'its chance level' if neutral is None else number(neutral)} in 5 % of {null['permutations']:,} "
            f"permutations, and {number(null['null_max_median'])} or more in half of them; {null['p_fwer_05']:,} "
            f"neurons have a p_fwer of at most 0.05, {null['q_fdr_05']:,} a q_fdr of at most 0.05"
            + within
            * (len(run.run["behaviours"]) > 1)
        )
    beats = neurons["beats_baselines"].dropna().tolist() if "beats_baselines" in neurons else []
    if beats:
        yield Note(
            f"text alone: a regression on what its line names, without the model; {sum(beats):,} of "
            f"{plural(len(beats), 'neuron')} beat the text alone: on the held-out part they are further from chance "
            "level than every line of it. Report a neuron only if it does"
        )


def _neutral(run: RunFolder, behaviour: str) -> float | None:
    neutral = run.run.get("neutral", {}).get(run.run["rank_by"], {}).get(behaviour)
    return None if neutral is None or math.isnan(neutral) else neutral


def _baselines(run: RunFolder, behaviour: str) -> pd.DataFrame:
    """Return the baselines of the text alone that have a score."""
    if "baselines" not in run.tables:
        return pd.DataFrame()
    table, rank_by = run.table("baselines"), run.run["rank_by"]
    scored = table[[name for name in (rank_by, heldout(rank_by)) if name in table]].notna().any(axis=1)
    return table[(table.behaviour == behaviour) & scored]


def score_cells(row: Mapping[Any, Any], scorer: str) -> tuple[Cell, Cell, Cell]:
    """Return a score, its value on the held-out part, and the interval of that."""
    distance = minus_neutral_heldout(scorer)
    neutral = row.get(heldout(scorer), math.nan) - row.get(distance, math.nan)
    low, high = (neutral + row.get(f"{distance}_{end}", math.nan) for end in ("low", "high"))
    reach = "–" if math.isnan(low) else f"{score(low)} to {score(high)}"
    return score_cell(row.get(scorer)), score_cell(row.get(heldout(scorer))), Cell(reach, float(low))


def _verdict_cell(row: Mapping[Any, Any]) -> Cell:
    if not isinstance(row["verdict"], str):
        return word_cell(None)
    return Cell(f"{row['verdict']} ({doubt})" if (doubt := _doubt(row)) else row["verdict"])


def _doubt(row: Mapping[Any, Any]) -> str:
    """Return what speaks against a verdict."""
    verdict = row["verdict"]
    if not isinstance(verdict, str):
        return ""
    if verdict != "not replicated" and row.get("p_fwer", math.nan) > _LEVEL:
        return "may be chance"
    beats = row.get("beats_baselines")
    if verdict == "anticipates":
        beats = row.get(prediction("beats_baselines"), beats)
    return "the text alone does as well" if verdict in ("anticipates", "behaviour") and beats is False else ""


def verdict_blocks(run: RunFolder, behaviour: str) -> Iterator[Block]:
    """Yield what each verdict that occurs means, with how many neurons have it, and likewise the doubts."""
    neurons = neurons_of(run, behaviour)
    verdicts = neurons[neurons["verdict"].notna()] if "verdict" in neurons else neurons.head(0)
    if len(verdicts):
        counts = verdicts["verdict"].value_counts()
        order = [
            *(name for name in VERDICTS if name in counts),
            *(name for name in counts.index if name not in VERDICTS),
        ]
        doubts = {_doubt(row) for row in verdicts.to_dict("records")}
        yield Facts(
            (
                *((f"{name} ({counts[name]:,})", VERDICTS.get(name, "")) for name in order),
                *((doubt, words) for doubt, words in _DOUBTS.items() if doubt in doubts),
            )
        )


def _material(counts: Mapping[str, int], documents: int) -> str:
    """Return what the ranking of a behaviour is computed from."""
    tested = (
        f", tested on {counts['heldout_present']:,} and {counts['heldout_control']:,} of held-out groups"
        if counts.get("heldout_present")
        else ""
    )
    return (
        f"{plural(counts['spans'], 'span')} in {counts['documents_with']:,} of {plural(documents, 'document')}; ranked "
        f"on {counts['ranking_present']:,} present and {counts['ranking_control']:,} control positions{tested}"
    )
