"""What an ablation of neurons one at a time says: the effect of each, and the verdict on it."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import pandas as pd

from neurosieve.runs.blocks import Block, Cell, Facts, Header, Note, Table
from neurosieve.runs.columns import SINGLE_VERDICTS
from neurosieve.runs.foretelling import Foretelling, foretelling_sentence
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.tables import interval, neuron_name, number, word_cell

__all__ = ["SINGLE_NEURONS", "single_neuron_blocks", "verdict_facts"]

_NAMED = 5
"""So many neurons with a verdict bear their names beside it."""

SINGLE_NEURONS = "single_neurons"
"""The table of neurons that were edited one at a time."""


def single_neuron_blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the effect of each neuron with its verdict, what the verdicts mean, and how well effects were foretold."""
    record = run.run
    yield _table(run)
    smallest = f" ({number(record['config']['smallest_effect'])} nats)"
    yield verdict_facts(run.table(SINGLE_NEURONS), smallest)
    if foretelling := record.get("foretelling"):
        yield Note(foretelling_sentence(Foretelling(**foretelling)), finding=bool(foretelling["neurons"]))


def verdict_facts(neurons: pd.DataFrame, smallest: str) -> Facts:
    """Return each verdict with its neurons, those of the largest effects by name, and with what it means.

    Args:
        neurons: layer, neuron, verdict, effect, a row per neuron.
        smallest: the smallest effect worth having, in words, which `reads out only` goes by.
    """
    neurons = neurons.loc[neurons.effect.abs().sort_values(ascending=False, kind="stable").index]
    facts = []
    for verdict, meaning in SINGLE_VERDICTS.items():
        of_verdict = neurons[neurons.verdict == verdict]
        names = [neuron_name(layer, neuron) for layer, neuron in zip(of_verdict.layer, of_verdict.neuron, strict=True)]
        if names:
            more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
            level = smallest if verdict == "reads out only" else ""
            facts.append((f"{verdict} ({len(names):,})", f"{', '.join(names[:_NAMED])}{more}: {meaning}{level}"))
    return Facts(tuple(facts))


def _table(run: RunFolder) -> Table:
    """Return the table of the neurons that were edited one at a time, in the order in which they were tried."""
    neurons, record = run.table(SINGLE_NEURONS), run.run
    columns: dict[Header, Callable[[Mapping[Hashable, Any]], Cell]] = {
        Header("neuron"): lambda row: Cell(neuron_name(row["layer"], row["neuron"])),
        Header("verdict"): lambda row: Cell(row["verdict"], float(list(SINGLE_VERDICTS).index(row["verdict"]))),
        Header("effect", True): lambda row: _change(row["effect"]),
        Header("interval", True): lambda row: _interval(row, "effect"),
        Header("half-width", True, 2): lambda row: Cell(number(row["half_width"]), row["half_width"]),
        Header("control neurons", True, 1): lambda row: Cell(_ends(row), row["controls_lowest"]),
        Header("other tokens", True): lambda row: _change(row["effect_control_tokens"]),
        Header("difference", True, 1): lambda row: _interval(row, "difference"),
        Header("rest of span", True, 2): lambda row: _change(row["effect_rest"]),
        Header("replicates", False, 1): lambda row: word_cell(row["replicates"]),
        Header("firing replicates", False, 1): lambda row: word_cell(row["firing_replicates"]),
        Header("foretold", True): lambda row: _change(row["foretold"]),
    }
    lacking = {
        "foretold": "foretold" not in neurons,
        # Where what fires was ranked, it is the column before.
        "firing replicates": "firing_replicates" not in neurons or neurons.firing_replicates.equals(neurons.replicates),
        "rest of span": neurons.effect_rest.isna().all(),
        "other tokens": neurons.effect_control_tokens.isna().all(),
        "difference": neurons.difference_low.isna().all(),
    }
    headers = [header for header in columns if not lacking.get(header.text, False)]
    rows = [[columns[header](row) for header in headers] for row in neurons.to_dict("records")]
    edit = str(record["intervention"]["_target_"]).rpartition("/")[2]
    [strength] = _strengths(record["config"]["strength"])
    dose = f", strength {strength:g}" if strength != 1 else ""
    few = neurons.effect_low.isna().all()
    corrected = (
        f"95 % intervals, corrected for {len(neurons):,} neurons; a smaller effect than the half-width is not seen"
    )
    within = "" if few else f"; {corrected}"
    caption = (
        f"{record['behaviours'][0]}: each of {len(neurons):,} {run.site.neurons} edited alone (intervention {edit}"
        f"{dose}): the change of the log-probability of the first token, in nats, over "
        f"{int(neurons.n.iloc[0]):,} onsets in {int(neurons.groups.iloc[0]):,} groups{within}"
    )
    return Table(headers, rows, caption)


def _strengths(strength: float | list[float]) -> list[float]:
    return strength if isinstance(strength, list) else [strength]


def _change(value: float) -> Cell:
    return Cell(number(value, signed=True), value)


def _interval(row: Mapping[Hashable, Any], name: str) -> Cell:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return Cell(interval(low, high, signed=True), low)


def _ends(row: Mapping[Hashable, Any]) -> str:
    """Return from where to where the effects of the matched control neurons go."""
    low, high = row["controls_lowest"], row["controls_highest"]
    return number(low, signed=True) if low == high else interval(low, high, signed=True)
