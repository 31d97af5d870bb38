"""What an ablation of neurons one at a time says: the effect of each, and the verdict on it."""

from collections.abc import Iterator

import pandas as pd

from neurosieve.runs.blocks import Block, Cell, Facts, Header, Note, Table
from neurosieve.runs.columns import SINGLE_VERDICTS
from neurosieve.runs.reader import RunFolder
from neurosieve.runs.tables import interval, neuron_name, number, word_cell

__all__ = ["SINGLE_NEURONS", "single_neuron_blocks"]

SINGLE_NEURONS = "single_neurons"
"""The table of neurons that were edited one at a time."""


def single_neuron_blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the effect of each neuron with its verdict, what the verdicts mean, and how well effects were foretold."""
    record = run.run
    yield _table(run)
    smallest = f" ({number(record['config']['smallest_effect'])} nats)"
    yield Facts(
        tuple(
            (f"{name} ({count:,})", SINGLE_VERDICTS.get(name, "") + (smallest if name == "reads out only" else ""))
            for name, count in record["neuron_verdicts"].items()
            if count
        )
    )
    if (foretelling := record.get("foretelling")) and foretelling["neurons"]:
        rank = foretelling["spearman"]
        correlation = "" if rank is None else f"; rank correlation over neurons {number(rank)} (Spearman)"
        yield Note(
            f"foretold and real: the ranking foretold {number(foretelling['mean_foretold'], signed=True)} nats on "
            f"average, and the edit gave {number(foretelling['mean_effect'], signed=True)}{correlation}",
            finding=True,
        )


def _table(run: RunFolder) -> Table:
    """Return the table of the neurons that were edited one at a time, in the order in which they were tried."""
    neurons, record = run.table(SINGLE_NEURONS), run.run
    titles = [
        Header("neuron"),
        Header("verdict"),
        Header("effect", True),
        Header("interval", True),
        Header("control neurons", True, 1),
        Header("other tokens", True),
        Header("beyond them", True, 1),
        Header("rest of span", True, 2),
        Header("replicates", False, 1),
    ]
    foretold = "foretold" in neurons
    if foretold:
        titles.append(Header("foretold", True))
    rows = []
    for row in neurons.to_dict("records"):
        cells = [
            Cell(neuron_name(row["layer"], row["neuron"])),
            Cell(row["verdict"], float(list(SINGLE_VERDICTS).index(row["verdict"]))),
            _change(row["effect"]),
            Cell(interval(row["effect_low"], row["effect_high"], signed=True), row["effect_low"]),
            Cell(_ends(row["controls_lowest"], row["controls_highest"]), row["controls_lowest"]),
            _change(row["effect_control_tokens"]),
            Cell(interval(row["difference_low"], row["difference_high"], signed=True), row["difference_low"]),
            _change(row["effect_rest"]),
            word_cell(row["replicates"]),
        ]
        rows.append([*cells, _change(row["foretold"])] if foretold else cells)
    edit = str(record["intervention"]["_target_"]).rpartition("/")[2]
    [strength] = _strengths(record["config"]["strength"])
    dose = f", strength {strength:g}" if strength != 1 else ""
    few = neurons.effect_low.isna().all()
    within = "" if few else f"; intervals hold for all {len(neurons):,} together in 95 % of cases"
    caption = (
        f"{record['behaviours'][0]}: each of {len(neurons):,} {run.site.neurons} edited alone (intervention {edit}"
        f"{dose}): the change of the log-probability of the first token, in nats, over "
        f"{int(neurons.n.iloc[0]):,} onsets in {int(neurons.groups.iloc[0]):,} groups{within}"
    )
    return Table(titles, rows, caption)


def _strengths(strength: float | list[float]) -> list[float]:
    return strength if isinstance(strength, list) else [strength]


def _change(value: float) -> Cell:
    return Cell(number(value, signed=True), value)


def _ends(low: float, high: float) -> str:
    return "" if pd.isna(low) else number(low, signed=True) if low == high else interval(low, high, signed=True)
