"""How much of a ranking stands up to which test, in numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from neurosieve import Block, Note, Run, interval_title, number, plural
from neurosieve_plugins.reports.blocks import Tiles
from neurosieve_plugins.reports.rankings import Ranked, verdicts

__all__ = [
    "chance_of_replication",
    "confidence",
    "how_many",
    "null_of",
]


def confidence(run: Run) -> float:
    """Return how often the intervals of a run are to hold the truth."""
    return float(run.run.get("config", {}).get("confidence", 0.95))


def null_of(run: Run, behaviour: str) -> Mapping[str, Any]:
    """Return what permuted labels came to; nothing where there is no null."""
    return (run.run.get("null") or {}).get(behaviour) or {}


def how_many(run: Run, behaviour: str, neurons: pd.DataFrame, ranking: Ranked) -> Tiles:
    """Return how much was read, how many neurons were ranked, and how many stand up to what."""
    counts, null = run.run.get("counts", {}).get("behaviours", {}).get(behaviour, {}), null_of(run, behaviour)
    numbers = [(number(len(neurons)), f"{run.site.neurons} ranked")]
    replicate, tested = verdicts(ranking)
    if tested:
        words = f"tested neurons replicate (by chance, about {_by_chance(run) * tested:.3g} would)"
        numbers.append((f"{replicate:,} of {tested:,}", words))
    for key, what in (("p_fwer_05", "p_fwer ≤ 0.05"), ("q_fdr_05", "q_fdr ≤ 0.05")):
        if null.get(key) is not None:
            scope = (len(run.run.get("behaviours", ())) > 1) * ", corrected within this behaviour"
            numbers.append((number(null[key]), f"have a {what}{scope}"))
    given = _verdicts(neurons)
    if len(given):
        if "within_group_low" in neurons:
            detectors, what = int((given == "between groups").sum()), "neurons with a verdict tell groups apart alone"
        else:
            detectors, what = int((given == "token detector").sum()), "neurons with a verdict are token detectors"
        numbers.append((f"{detectors:,} of {len(given):,}", what))
    numbers += [
        (number(counts[key]), what)
        for key, what in (
            ("spans", f"spans of {behaviour}"),
            ("documents_with", "texts that show it"),
            ("ranking_present", f"{run.units} in the ranking"),
            ("heldout_present", f"{run.units} held out"),
        )
        # The label of a whole text is one span, or as many as the model spoke times: it says nothing more.
        if counts.get(key) and not (run.whole_texts and key == "spans")
    ]
    return Tiles(tuple(numbers))


def _by_chance(run: Run) -> float:
    """Return how often a neuron at chance level replicates: an interval misses on either side."""
    return (1 - confidence(run)) / 2


def _verdicts(neurons: pd.DataFrame) -> pd.Series:
    return neurons["verdict"].dropna() if "verdict" in neurons else pd.Series(dtype=object)


def chance_of_replication(run: Run, ranking: Ranked) -> Iterator[Block]:
    """Yield how often a neuron without any effect replicates."""
    _, tested = verdicts(ranking)
    if tested:
        chance = _by_chance(run)
        yield Note(
            f"To replicate, a neuron's held-out {interval_title(run)} must lie wholly on the ranking's side of chance "
            f"level. A neuron at chance level does so in {100 * chance:.3g} % of cases: about {chance * tested:.3g} "
            f"of {plural(tested, 'tested neuron')}, and at times more, since neurons that "
            f"{'fire' if run.cells.fires else 'act'} together replicate together."
        )
