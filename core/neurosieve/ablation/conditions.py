"""The edits under which a model is measured: of the target neurons, and of control neurons."""

from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from neurosieve.ablation.control_neurons import Match
from neurosieve.ablation.control_positions import ControlPositions
from neurosieve.ablation.edit import Edit
from neurosieve.contracts import Intervention
from neurosieve.data import Neuron
from neurosieve.errors import ConfigError

__all__ = ["Condition", "columns_of", "conditions", "with_control_activations"]


class Condition(NamedTuple):
    """One edit under which a model is measured."""

    set: str
    """`target`: the neurons that are tested. `control`: neurons like them."""
    control_set: int
    """The number of the set of controls, -1 for the target."""
    k: int
    """How many neurons are edited."""
    edit: Edit


def columns_of(condition: Condition | None) -> dict[str, Any]:
    """Return the columns of a table that say which edit a row is of; None is the unedited model."""
    if condition is None:
        return {"set": "unedited", "control_set": -1, "intervention": "none", "strength": 0.0, "k": 0}
    return {
        "set": condition.set,
        "control_set": condition.control_set,
        "intervention": condition.edit.name,
        "strength": condition.edit.strength,
        "k": condition.k,
    }


def with_control_activations(
    neurons: Set[Neuron], at_controls: ControlPositions
) -> dict[Neuron, Float[Tensor, "controls"]]:
    """Return each neuron with its activations at the control positions, which its edit may use.

    Raises:
        ConfigError: a layer has no such neuron, or was not read by the run.
    """
    by_layer: dict[int, list[Neuron]] = {}
    for neuron in sorted(neurons):
        by_layer.setdefault(neuron.layer, []).append(neuron)
    activations: dict[Neuron, Tensor] = {}
    for layer, of_layer in by_layer.items():
        values, last = at_controls.at(layer), of_layer[-1].neuron
        if last >= values.shape[1]:
            raise ConfigError(f"there is no neuron L{layer}N{last}: layer {layer} has 0 to {values.shape[1] - 1:,}")
        # A copy: the other neurons of the layer may be forgotten.
        held = values[:, [neuron.neuron for neuron in of_layer]].T.contiguous()
        activations |= zip(of_layer, held.unbind(), strict=True)
    return activations


def conditions(
    intervention: Intervention,
    targets: Sequence[Neuron],
    controls: Sequence[Sequence[Match]],
    at_controls: ControlPositions,
    ks: Sequence[int],
    strengths: Sequence[float],
) -> list[Condition]:
    """Return every edit: of the first k targets, and of the first k neurons of each set of controls; each strength.

    Raises:
        ConfigError: a layer has no such neuron, or was not read by the run.
    """
    sets = dict(enumerate([targets, *([match.neuron for match in matches] for matches in controls)], -1))
    activations = with_control_activations({neuron for members in sets.values() for neuron in members}, at_controls)
    return [
        Condition(
            "control" if number >= 0 else "target",
            number,
            k,
            Edit(intervention, {neuron: activations[neuron] for neuron in members[:k]}, strength),
        )
        for k in ks
        for strength in strengths
        for number, members in sets.items()
    ]
