"""The section of a circuit: the curve over the number of neurons, and what the fewest with half of the effect do."""

import pandas as pd

from neurosieve import Block, Facts, Run, as_table, circuit_blocks, number
from neurosieve_plugins.reports.blocks import Figure, Fold, Section
from neurosieve_plugins.reports.effect_charts import dose
from neurosieve_plugins.reports.text import plain

__all__ = ["circuit_section", "proof_facts"]


def circuit_section(run: Run) -> Section:
    """Return how the effect grows with the number of neurons, and the circuit."""
    caption = (
        "Across: how many neurons are edited together. Up: the change of the log-probability of the first token, in "
        "nats. Orange: the first neurons, with the 95 % interval; blue: each set of control neurons. Dashed: no change."
    )
    curve = dose(_curve(run.table("doses")), "k", of="change by the edit (nats)")
    members = run.table("circuit")
    blocks: list[Block] = [*circuit_blocks(run), Figure("circuit-doses", curve, caption)]
    if len(members):
        titles = {"place": "place", "layer": "layer", "neuron": "neuron", "rank": "rank"}
        named = as_table(members, titles, "The neurons of the circuit", names=["layer", "neuron"])
        blocks.append(Fold("The neurons of the circuit", (named,)))
    for name in ("doses", "sufficiency"):
        if name in run.tables:
            table = run.table(name)
            titles = {str(column): str(column).replace("_", " ") for column in table if column != "behaviour"}
            numbers = as_table(table, titles, "Every set", names=["control_set", "k", "kept"])
            blocks.append(Fold(f"Every number: {name}", (numbers,)))
    blocks.append(Fold("That the edits took place", (proof_facts(run),)))
    lead = (
        "The first neurons of the ranking are edited together, in held-out texts as they stand, beside control neurons "
        "that fire alike. The circuit is the fewest of them that have half of the effect of the most. Half of the "
        "texts chose how many these are; the other half tell what they do, and whether that confirms the choice."
    )
    return Section("How many neurons does it take? (circuit)", lead, tuple(blocks))


def proof_facts(run: Run) -> Facts:
    """Return what the hooks measured of the edits."""
    proof = run.run["proof"]
    return Facts(tuple((plain(name.replace("_", " ")), number(value)) for name, value in proof.items()))


def _curve(doses: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a dose chart."""
    return doses.assign(value=doses.effect, low=doses.effect_low, high=doses.effect_high)
