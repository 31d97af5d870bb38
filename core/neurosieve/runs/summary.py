"""What stands beside the best neurons, in words: what chance comes to, and what the text alone tells."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from neurosieve.runs.results import Result
from neurosieve.wording import plural

__all__ = ["chance_lines", "number", "probability", "text_alone", "text_lines"]


def chance_lines(run: Mapping[str, Any], behaviour: str) -> Iterator[str]:
    """Yield what the permuted labels came to, if there is a null."""
    if null := run.get("null", {}).get(behaviour):
        neutral = run["neutral"][run["rank_by"]][behaviour]
        yield (
            f"chance: with permuted labels the best of all neurons is {number(null['null_max_q95'])} or more "
            f"from {'its neutral score' if neutral is None else f'{neutral:.3g}'} in 5 % of {null['permutations']:,} "
            f"permutations, and {number(null['null_max_median'])} or more in half of them; "
            f"{null['p_fwer_05']:,} neurons have a p_fwer of at most 0.05, {null['q_fdr_05']:,} a q_fdr of at most 0.05"
            + (len(run["behaviours"]) > 1)
            * ", corrected over the neurons of this behaviour, not over the behaviours"
        )


def text_alone(result: Result, behaviour: str) -> pd.DataFrame:
    """Return how well the text alone tells a behaviour, a line per baseline that has a score."""
    if "baselines" not in result.tables:
        return pd.DataFrame({"behaviour": [], "baseline": []})
    table = result.table("baselines")
    by = result.run["rank_by"]
    scored = table[[name for name in (by, f"{by}_heldout") if name in table]].notna().any(axis=1)
    return table[(table.behaviour == behaviour) & scored]


def text_lines(result: Result, behaviour: str) -> Iterator[str]:
    """Yield what the baselines go by, and how many neurons beat them, if there are any."""
    names = list(text_alone(result, behaviour)["baseline"])
    if not names:
        return
    from neurosieve.runs.columns import BASELINES

    told = ", ".join(f"{name} ({BASELINES[name]})" if name in BASELINES else str(name) for name in names)
    mine = result.neurons[result.neurons.behaviour == behaviour]
    beats = mine["beats_baselines"].dropna() if "beats_baselines" in mine else ()
    count = f"; {sum(beats):,} of {plural(len(beats), 'neuron')} beat them all, held out" if len(beats) else ""
    yield f"text alone: the lines below the neurons need no model: {told}{count}"


def probability(value: float) -> str:
    """Return a p with three digits behind the point; one that rounds to 0 is below 0.001."""
    return "<0.001" if value < 0.0005 else number(value)


def number(value: float) -> str:
    """Return a score with three digits behind the point; undefined is a dash."""
    return "–" if math.isnan(value) else f"{value:.3f}"
