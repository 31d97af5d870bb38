"""What a ranking says: its best neurons, beside what chance and the text alone reach."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from neurosieve.runs.blocks import Block, Cell, Facts, Header, Note, Table
from neurosieve.runs.columns import VERDICTS, VERDICTS_ON_WHOLE_TEXTS
from neurosieve.runs.ranking_comparison import LEVEL, beats_text, comparisons, interval_cell, interval_title, neurons_of
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.real_effects import real_effects, with_real_effects
from neurosieve.runs.real_effects_summary import REAL_COLUMNS, about_edits, real_columns, real_effect_blocks
from neurosieve.runs.tables import number, probability_cell, score_cell, word_cell
from neurosieve.runs.two_rankings import two_rankings_blocks
from neurosieve.texts.units.unit import units_in_words
from neurosieve.wording import plural

__all__ = ["evidence_blocks", "interval_title", "ranking_blocks", "ranking_table", "rescored_blocks"]

_PERMUTED = {
    "within_groups": "labels permuted within groups",
    "between_groups": "the labels of whole groups exchanged",
}
"""How a null that is not that of positions of one text came about."""
_DOUBTS = {
    "may be chance": f"its p_fwer is above {LEVEL}: the best of all neurons often scores as high by chance",
    "the text alone does as well": "on the held-out groups a line of the text alone separates the behaviour as "
    "well, at the position that the verdict is about",
}
_DOUBTS_ON_WHOLE_TEXTS = _DOUBTS | {
    "the text alone does as well": "on the held-out groups a line of the text alone separates the behaviour as well"
}


def ranking_blocks(run: RunFolder, k: int) -> Iterator[Block]:
    """Yield the best `k` neurons of each behaviour, what they are compared with, and what was read."""
    every = run.run["counts"]
    for behaviour in run.run["behaviours"]:
        yield ranking_table(run, behaviour, k)
        yield from evidence_blocks(run, behaviour)
        yield from real_effect_blocks(run, behaviour)
        yield from two_rankings_blocks(run, behaviour, (k + 1) // 2)
        if (counts := every.get("behaviours", {}).get(behaviour)) and "documents" in every:
            text = (
                f"{_shown(run, behaviour, every)}; ranked on {counts['ranking_present']:,} present and "
                f"{units_in_words(run.unit, counts['ranking_control'], 'control ')}"
            )
            if tested := counts.get("heldout_present"):
                text += f", tested on {tested:,} and {counts['heldout_control']:,} of held-out groups"
            yield Note(text)
    if reading := run.run.get("reading"):
        model, passes = run.run["model"], reading["forward_passes"]
        how = f"{plural(passes, 'forward pass', 'forward passes')}, {reading['tokens']:,} tokens"
        if back := reading.get("backward_passes"):
            how += f", and {plural(back, 'backward pass', 'backward passes')}"
        source = how if passes else "no forward pass: all from the store"
        yield Note(f"read with {model['name']} ({model['dtype']}, {model['device']}): {source}")


def rescored_blocks(run: RunFolder, k: int) -> Iterator[Block]:
    """Yield how the best `k` neurons of a ranking score on other texts."""
    counts = run.run["counts"]
    for behaviour in run.run["behaviours"]:
        table = ranking_table(run, behaviour, k)
        headers = [header._replace(text=header.text.replace("held out", "on these texts")) for header in table.headers]
        yield Table(headers, table.rows, f"{behaviour}: the ranking on {run.run['config']['texts']}")
        yield Note(_shown(run, behaviour, counts))


def _shown(run: RunFolder, behaviour: str, counts: Mapping[str, Any]) -> str:
    """Return in how much of the texts a behaviour shows."""
    of_behaviour, documents = counts["behaviours"][behaviour], plural(counts["documents"], "document")
    if run.whole_texts:
        return f"{behaviour} shows in {of_behaviour['documents_with']:,} of {documents}"
    return f"{plural(of_behaviour['spans'], 'span')} in {of_behaviour['documents_with']:,} of {documents}"


def ranking_table(run: RunFolder, behaviour: str, k: int) -> Table:
    """Return the best `k` neurons with all that is known of them; what is known of no neuron has no column."""
    neurons, rank_by, scorers = neurons_of(run, behaviour), run.run["rank_by"], run.run["scorers"]
    known = {*scorers, *neurons.columns[neurons.notna().any()]}
    best = with_real_effects(neurons.head(k), real_effects(run))
    known |= {name for name, *_ in real_columns(best)}
    if per_head := run.run.get("model", {}).get("neurons_per_head"):
        best = best.assign(head=best.neuron // per_head, of_head=best.neuron % per_head)
        known |= {"head", "of_head"}
    low = f"{rank_by}_minus_neutral_heldout_low"
    rows = [
        {
            **row,
            low: interval_cell(row, rank_by),
            "verdict": _verdict_cell(row),
            **{name: cell(row) for name, _, cell, _ in REAL_COLUMNS},
        }
        for row in best.to_dict("records")
    ]
    # The scorer that ranks comes first, with what edits did, and all that is known of its scores.
    columns: list[tuple[str, str, Callable[[Any], Cell], int]] = [
        ("rank", "rank", _name_cell, 0),
        ("layer", "layer", _name_cell, 0),
        ("neuron", "neuron", _name_cell, 0),
        ("head", "head", _name_cell, 0),
        ("of_head", "of head", _name_cell, 0),
        (rank_by, rank_by, score_cell, 0),
        *((name, title, word_cell, detail) for name, title, _, detail in REAL_COLUMNS),
        ("p_fwer", "p_fwer", probability_cell, 0),
        ("q_fdr", "q_fdr", probability_cell, 1),
        (f"{rank_by}_heldout", "held out", score_cell, 0),
        (low, interval_title(run), word_cell, 1),
        ("replicates", "replicates", word_cell, int("verdict" in known)),
        ("verdict", "verdict", word_cell, 0),
        ("stability", "stability", score_cell, 1),
        ("beats_baselines", "beats text", word_cell, 1),
    ]
    for scorer in scorers:
        if scorer != rank_by:
            columns += [(scorer, scorer, score_cell, 2), (f"{scorer}_heldout", "held out", score_cell, 2)]
    columns = [column for column in columns if column[0] in known]
    words = {"replicates", "verdict", "beats_baselines", "real_verdict", "real_intervention"}
    headers = [Header(title, name not in words, detail) for name, title, _, detail in columns]
    cells = [[cell(row[name]) for name, _, cell, _ in columns] for row in rows]
    caption = (
        f"{behaviour}: the best {len(best):,} of {len(neurons):,} {run.site.neurons} by {run.cells.explained(rank_by)}"
    )
    return Table(headers, cells, caption + about_edits(best))


def _name_cell(number: Any) -> Cell:
    return Cell(str(number), int(number))


def evidence_blocks(run: RunFolder, behaviour: str) -> Iterator[Block]:
    """Yield the best neuron beside what chance and the text alone reach, where known, and what each verdict means."""
    neurons, rank_by = neurons_of(run, behaviour), run.run["rank_by"]
    null = run.run.get("null", {}).get(behaviour)
    neutral = run.run.get("neutral", {}).get(rank_by, {}).get(behaviour)
    neutral = None if neutral is None or math.isnan(neutral) else neutral
    yield from comparisons(run, behaviour, neutral)
    if null:
        within = ", corrected over the neurons of this behaviour, not over the behaviours"
        how = _PERMUTED.get(str(null.get("exchanged")), "permuted labels")
        yield Note(
            f"chance: with {how} the best of all neurons is {number(null['null_max_q95'])} or more from "
            f"{'its chance level' if neutral is None else number(neutral)} in 5 % of {null['permutations']:,} "
            f"permutations, and {number(null['null_max_median'])} or more in half of them; "
            f"{plural(null['p_fwer_05'], 'neuron has', 'neurons have')} a p_fwer of at most 0.05, "
            f"{null['q_fdr_05']:,} a q_fdr of at most 0.05"
            f"{within if len(run.run['behaviours']) > 1 else ''}"
        )
    yield from beats_text(neurons)
    verdicts = neurons[neurons["verdict"].notna()] if "verdict" in neurons else neurons.head(0)
    if len(verdicts):
        counts = verdicts["verdict"].value_counts()
        order = dict.fromkeys([*(name for name in VERDICTS if name in counts), *counts.index])
        doubts = {_doubt(row) for row in verdicts.to_dict("records")}
        meanings = VERDICTS_ON_WHOLE_TEXTS if run.whole_texts else VERDICTS
        facts = [(f"{name} ({counts[name]:,})", meanings.get(name, "")) for name in order]
        possible = _DOUBTS_ON_WHOLE_TEXTS if run.whole_texts else _DOUBTS
        facts += [(doubt, words) for doubt, words in possible.items() if doubt in doubts]
        yield Facts(tuple(facts))


def _verdict_cell(row: Mapping[Any, Any]) -> Cell:
    doubt = _doubt(row)
    return Cell(f"{row['verdict']} ({doubt})") if doubt else word_cell(row.get("verdict"))


def _doubt(row: Mapping[Any, Any]) -> str:
    """Return what speaks against a verdict."""
    verdict, beats = row.get("verdict"), row.get("beats_baselines")
    if not isinstance(verdict, str):
        return ""
    if verdict != "not replicated" and row.get("p_fwer", math.nan) > LEVEL:
        return "may be chance"
    if verdict == "anticipates":
        beats = row.get("beats_baselines_prediction", beats)
    return (
        "the text alone does as well"
        if verdict in ("anticipates", "behaviour", "within groups") and beats is False
        else ""
    )
