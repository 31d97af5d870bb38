"""Under which edits a model is looked at: of the neurons in question, and of the control neurons beside them."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from torch import Tensor

from neurosieve.ablation.edit import Edit
from neurosieve.ablation.control_neurons import Firing, Match, firing_of, matched
from neurosieve.ablation.control_positions import ControlPositions
from neurosieve.contracts import Intervention
from neurosieve.data import Neuron
from neurosieve.errors import ConfigError
from neurosieve.runs.results import Result

__all__ = [
    "FIRST_SETS",
    "Condition",
    "best_neurons",
    "conditions",
    "control_sets",
    "ranked_neurons",
    "rounds",
]

FIRST_SETS = 3
"""So many sets of controls are looked at first: where one goes as far as the targets, the others are not."""
_BEST = 100
"""So many of the best neurons of a ranking are no controls, but at most a tenth of all: they may matter too."""


class Condition(NamedTuple):
    """One edit that a model is looked at under."""

    set: str
    """`target`: the neurons in question. `control`: neurons like them."""
    control_set: int
    """The number of the set of controls, -1 for the target."""
    k: int
    """How many neurons are edited."""
    edit: Edit


def ranked_neurons(result: Result, behaviour: str, k: int) -> tuple[Neuron, ...]:
    """Return the best `k` neurons of a ranking.

    Raises:
        ConfigError: the ranking holds fewer.
    """
    mine = result.neurons[(result.neurons.behaviour == behaviour) & result.neurons[result.run["rank_by"]].notna()]
    if k > len(mine):
        raise ConfigError(
            f"k is {k:,}, and the ranking of `{behaviour}` in `{result.folder}` holds {len(mine):,} neurons: give fewer"
        )
    return tuple(Neuron(layer, neuron) for layer, neuron in mine[["layer", "neuron"]].head(k).to_numpy().tolist())


def best_neurons(result: Result, behaviour: str) -> frozenset[Neuron]:
    """Return the best neurons of a ranking: too likely to be about the behaviour to be controls."""
    mine = result.neurons[result.neurons.behaviour == behaviour]
    few = mine[["layer", "neuron"]].head(min(_BEST, len(mine) // 10)).to_numpy().tolist()
    return frozenset(Neuron(layer, neuron) for layer, neuron in few)


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

    return matched(targets, layers, firing, best, sets, seed)


def conditions(
    intervention: Intervention,
    targets: Sequence[Neuron],
    controls: Sequence[Sequence[Match]],
    at_controls: ControlPositions,
    ks: Sequence[int],
    strengths: Sequence[float],
) -> list[Condition]:
    """Return every edit: of the first k targets, and of the first k neurons of each set of controls; each strength."""
    sets = {-1: list(targets)} | {number: [match.neuron for match in one] for number, one in enumerate(controls)}
    held = _held_by({neuron for neurons in sets.values() for neuron in neurons}, at_controls)
    return [
        Condition(
            "control" if number >= 0 else "target",
            number,
            k,
            Edit(intervention, {neuron: held[neuron] for neuron in neurons[:k]}, strength),
        )
        for k in ks
        for strength in strengths
        for number, neurons in sets.items()
    ]


def rounds(asked: Sequence[Condition]) -> tuple[list[Condition], list[Condition]]:
    """Return the conditions to look at first, and those that are worth it where the targets beat all of the first.

    That neurons matter is said where they beat every set, so that stopping at one that they do not beat makes no
    chance of saying it in error larger.

    Source: Besag and Clifford (1991), Sequential Monte Carlo p-values, Biometrika 78.
    """
    first = [one for one in asked if one.control_set < FIRST_SETS]
    return first, [one for one in asked if one.control_set >= FIRST_SETS]


def _held_by(neurons: set[Neuron], at_controls: ControlPositions) -> Mapping[Neuron, Tensor]:
    held: dict[Neuron, Tensor] = {}
    for layer in sorted({neuron.layer for neuron in neurons}):
        activations = at_controls.at(layer)
        there = activations.shape[1]
        if beyond := [neuron for neuron in neurons if neuron.layer == layer and neuron.neuron >= there]:
            raise ConfigError(f"there is no neuron L{layer}N{beyond[0].neuron}: layer {layer} has 0 to {there - 1:,}")
        held |= {neuron: activations[:, neuron.neuron].clone() for neuron in neurons if neuron.layer == layer}
    return held
