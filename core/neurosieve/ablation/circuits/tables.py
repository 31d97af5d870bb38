"""The tables of a circuit: the curve over the number of neurons, who is in it, and what it keeps by itself."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from neurosieve.ablation.circuits.group_effects import GroupEffects
from neurosieve.ablation.effects import Estimate
from neurosieve.data import Neuron

__all__ = ["circuit_table", "doses_table", "effect_record", "sufficiency_table"]


def doses_table(
    what: Mapping[str, Any],
    ks: Sequence[int],
    sets: Sequence[int],
    measured: GroupEffects,
    choosing: Mapping[int, float],
) -> pd.DataFrame:
    """Return a row for each number of neurons and set: what ablating them does.

    Args:
        what: the columns that all rows share.
        ks: the numbers of neurons.
        sets: the numbers of the sets, -1 for the neurons that are tested.
        measured: the effects, dose by dose, and set by set in each.
        choosing: the effects in the half that chose, by dose.
    """
    number_of = {group: number for number, group in enumerate(product(ks, sets))}
    largest = number_of[ks[-1], -1]
    rows = []
    for (k, name), number in number_of.items():
        is_target = name == -1
        beyond = share = None
        if is_target:
            beyond = measured.beyond(number, [number_of[k, control] for control in sets if control >= 0])
            share = measured.share(number, largest)
        rows.append(
            {
                **what,
                "k": k,
                "set": "target" if is_target else "control",
                "control_set": name,
                **_columns("effect", measured.effect(number)),
                **_columns("effect_control_tokens", measured.effect_elsewhere(number)),
                "kl_control_tokens": measured.kl_elsewhere(number).value,
                **_columns("beyond_controls", beyond),
                **_columns("share", share),
                "effect_choosing": choosing.get(k, math.nan) if is_target else math.nan,
                "n": measured.resamples.units,
                "groups": measured.resamples.groups,
            }
        )
    return pd.DataFrame(rows)


def circuit_table(behaviour: str, neurons: Sequence[Neuron], ranking: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each neuron of the circuit, with its rank in the ranking; none where there is no circuit."""
    members = pd.DataFrame(neurons, columns=["layer", "neuron"]).astype("int64")
    members.insert(0, "behaviour", behaviour)
    members.insert(1, "place", range(1, len(members) + 1))
    return members.merge(ranking[["layer", "neuron", "rank"]], on=["layer", "neuron"], how="left")


def sufficiency_table(what: Mapping[str, Any], k: int, sets: Sequence[int], measured: GroupEffects) -> pd.DataFrame:
    """Return a row for the circuit and each control set: what is left where only these neurons of their layers are.

    Args:
        what: the columns that all rows share.
        k: how many neurons are kept.
        sets: the numbers of the sets, -1 for the circuit.
        measured: the effects of ablating all neurons of the layers; then all but the neurons of each set.
    """
    rows = [
        {
            **what,
            "kept": k,
            "set": "target" if name == -1 else "control",
            "control_set": name,
            **_columns("faithfulness", measured.faithfulness(number, 0)),
            **_columns("effect", measured.effect(number)),
            **_columns("effect_all_ablated", measured.effect(0)),
            **_columns("effect_control_tokens", measured.effect_elsewhere(number)),
            "kl_control_tokens": measured.kl_elsewhere(number).value,
            "n": measured.resamples.units,
            "groups": measured.resamples.groups,
        }
        for number, name in enumerate(sets, 1)
    ]
    return pd.DataFrame(rows)


def effect_record(measured: GroupEffects, edit: int, controls: Sequence[int], expected: float = 0.0) -> dict[str, Any]:
    """Return the effect of an edit, alone and beyond its controls, and the verdict on it, for `run.json`."""
    beyond = measured.beyond(edit, controls)
    numbers = _columns("effect", measured.effect(edit)) | _columns("beyond_controls", beyond)
    known = {name: None if math.isnan(value) else value for name, value in numbers.items()}
    return {**known, "verdict": measured.verdict(edit, controls, expected)}


def _columns(name: str, estimate: Estimate | None) -> dict[str, float]:
    """Return a number with the ends of its interval; nan where there is none."""
    if estimate is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), math.nan)
    low, high = estimate.interval()
    return {name: estimate.value, f"{name}_low": low, f"{name}_high": high}
