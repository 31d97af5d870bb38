"""The edits under which a model is measured: of the target neurons, and of control neurons."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from torch import Tensor

from neurosieve.ablation.control_neurons import Firing, Match, draw_controls, firing_of
from neurosieve.ablation.control_positions import ControlPositions
from neurosieve.ablation.edit import Edit
from neurosieve.contracts import Intervention
from neurosieve.data import Neuron
from neurosieve.errors import ConfigError
from neurosieve.runs.results import Result

__all__ = [
    "FIRST_SETS",
    "Condition",
    "best_neurons",
    "columns_of",
    "conditions",
    "control_sets",
    "ranked_neurons",
    "rounds",
]

FIRST_SETS = 3
"""So many sets of controls are measured first: where one of them has as large an effect as the targets, no more are."""
_BEST = 100
"""So many of the best neurons of a ranking are no controls, but at most a tenth of all: they may matter too."""


class Condition(NamedTuple):
    """One edit under which a model is measured."""

    set: str
    """`target`: the neurons that are tested. `control`: neurons like them."""
    control_set: int
    """The number of the set of controls, -1 for the target."""
    k: int
    """How many neurons are edited."""
    edit: Edit


def columns_of(condition: Condition | None, intervention: str = "none") -> dict[str, Any]:
    """Return the columns of a table that say which edit a row is of; None is the unedited model."""
    if condition is None:
        return {"set": "unedited", "control_set": -1, "intervention": "none", "strength": 0.0, "k": 0}
    return {
        "set": condition.set,
        "control_set": condition.control_set,
        "intervention": intervention,
        "strength": condition.edit.strength,
        "k": condition.k,
    }


def ranked_neurons(result: Result, behaviour: str, k: int) -> tuple[Neuron, ...]:
    """Return the best `k` neurons of a ranking.

    Raises:
        ConfigError: the ranking holds fewer.
    """
    ranked = result.neurons[(result.neurons.behaviour == behaviour) & result.neurons[result.run["rank_by"]].notna()]
    if k > len(ranked):
        raise ConfigError(
            f"k is {k:,}, and the ranking of `{behaviour}` in `{result.folder}` holds {len(ranked):,} neurons: give "
            "fewer"
        )
    return tuple(Neuron(layer, neuron) for layer, neuron in ranked[["layer", "neuron"]].head(k).to_numpy().tolist())


def best_neurons(result: Result, behaviour: str) -> frozenset[Neuron]:
    """Return the best neurons of a ranking: they may matter too, and are no controls."""
    ranking = result.neurons[result.neurons.behaviour == behaviour]
    best = ranking[["layer", "neuron"]].head(min(_BEST, len(ranking) // 10)).to_numpy().tolist()
    return frozenset(Neuron(layer, neuron) for layer, neuron in best)


def control_sets(
    targets: Sequence[Neuron],
    at_controls: ControlPositions,
    layers: Sequence[int],
    best: frozenset[Neuron],
    sets: int,
    seed: int,
) -> list[list[Match]]:
    """Return some sets of control neurons, each with one for each target."""

    @cache
    def firing(layer: int) -> Firing:
        return firing_of(at_controls.at(layer))

    return draw_controls(targets, layers, firing, best, sets, seed)


def conditions(
    intervention: Intervention,
    targets: Sequence[Neuron],
    controls: Sequence[Sequence[Match]],
    at_controls: ControlPositions,
    ks: Sequence[int],
    strengths: Sequence[float],
) -> list[Condition]:
    """Return every edit: of the first k targets, and of the first k neurons of each set of controls; each strength."""
    sets = {-1: list(targets)} | {
        number: [match.neuron for match in matches] for number, matches in enumerate(controls)
    }
    activations = _activations({neuron for neurons in sets.values() for neuron in neurons}, at_controls)
    return [
        Condition(
            "control" if number >= 0 else "target",
            number,
            k,
            Edit(intervention, {neuron: activations[neuron] for neuron in neurons[:k]}, strength),
        )
        for k in ks
        for strength in strengths
        for number, neurons in sets.items()
    ]


def rounds(requested: Sequence[Condition]) -> tuple[list[Condition], list[Condition]]:
    """Return the conditions to measure first, and those to measure only if the targets beat all of the first.

    A verdict that neurons matter needs them to beat every set. So to stop at a set that they do not beat does not
    raise the chance of a false verdict.

    Source: Besag and Clifford (1991), Sequential Monte Carlo p-values, Biometrika 78.
    """
    first = [condition for condition in requested if condition.control_set < FIRST_SETS]
    return first, [condition for condition in requested if condition.control_set >= FIRST_SETS]


def _activations(neurons: set[Neuron], at_controls: ControlPositions) -> Mapping[Neuron, Tensor]:
    found: dict[Neuron, Tensor] = {}
    for layer in sorted({neuron.layer for neuron in neurons}):
        activations = at_controls.at(layer)
        width = activations.shape[1]
        if beyond := [neuron for neuron in neurons if neuron.layer == layer and neuron.neuron >= width]:
            raise ConfigError(f"there is no neuron L{layer}N{beyond[0].neuron}: layer {layer} has 0 to {width - 1:,}")
        found |= {neuron: activations[:, neuron.neuron].clone() for neuron in neurons if neuron.layer == layer}
    return found
