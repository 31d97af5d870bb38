"""Control neurons: of the same layer as their targets, and firing about as often and as strongly."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from torch import Tensor

from neurosieve.data import Neuron
from neurosieve.errors import ConfigError

__all__ = ["Firing", "Match", "draw_controls", "firing_of", "matching_of", "matching_warnings"]

_FIRING = 0.1
"""A neuron fires where its activation is among this share of its layer's largest, either sign."""
_SILENT = 0.01
"""Neurons below this share of their layer's root mean square count as alike: they are next to silent."""
_NEAR = 10
"""A control is drawn among so many of the nearest neurons, or twice as many as there are sets, if that is more."""
_FAR = 2.0
"""Control neurons that fire more than so many times as often or as strongly as their targets are warned of."""
_OTHER, _BEST, _TARGET = range(3)
"""What a neuron is: any, one of the best of the ranking, or a target."""


class Firing(NamedTuple):
    """How often and how strongly each neuron of a layer fires."""

    frequency: npt.NDArray[np.float64]
    """The share of control positions at which the neuron's activation, whatever its sign, is among the largest tenth
    of all activations of its layer."""
    magnitude: npt.NDArray[np.float64]
    """The root mean square of its activation over control positions."""


class Match(NamedTuple):
    """A control neuron, and how like its target it is."""

    neuron: Neuron
    ratio: float
    """How many times as often or as strongly one of the two fires as the other, whichever is more; 1 is alike."""
    wide: bool
    """Whether the layer was short, and the control is of another layer or of the best of the ranking."""


def firing_of(activations: Float[Tensor, "controls neurons"]) -> Firing:
    """Return how the neurons of a layer fire, by their activations at control positions."""
    size = activations.abs().double().numpy()
    place = int((1 - _FIRING) * size.size)
    threshold = np.partition(size.ravel(), place)[place] if size.size else 0.0
    # Strictly above: where more than nine in ten activations are 0, a neuron fires where it is not 0.
    fires = (size > threshold).sum(axis=0)
    magnitude = np.sqrt((size**2).mean(axis=0))
    return Firing((fires + 1) / (len(size) + 2), np.maximum(magnitude, _SILENT * np.sqrt((size**2).mean())))


def draw_controls(
    targets: Sequence[Neuron],
    layers: Sequence[int],
    firing: Callable[[int], Firing],
    best: Set[Neuron],
    sets: int,
    seed: int,
) -> list[list[Match]]:
    """Return sets of control neurons, in each one for each target: of its layer, near to it in frequency and magnitude.

    No control is a target, or among the best of the ranking, or twice in a set; and no two sets have the same control
    for the same target. Where a layer has no such neuron left, one of the best of the ranking is taken, and where it
    has none at all, one of another layer.

    Args:
        layers: all layers that were read.
        firing: how the neurons of a layer fire.
        best: the best neurons of the ranking: they may be about the behaviour too.

    Raises:
        ConfigError: there are too few neurons.
    """
    drawn: list[list[Match]] = [[] for _ in range(sets)]
    taken: list[set[Neuron]] = [set() for _ in range(sets)]
    standing = _standing(targets, layers, firing, best)
    for place, target in enumerate(targets):
        candidates = _candidates(target, standing, firing, max(_NEAR, 2 * sets), [seed, place])
        waiting: list[Match] = []  # Candidates that one set has already: the others may take them.
        for controls, members in zip(drawn, taken, strict=True):
            match = next((match for match in waiting if match.neuron not in members), None)
            if match is not None:
                waiting.remove(match)
            else:
                for match in candidates:
                    if match.neuron not in members:
                        break
                    waiting.append(match)
                else:
                    raise ConfigError(
                        f"there is no neuron left to compare with L{target.layer}N{target.neuron}: with "
                        f"{len(targets):,} neurons to edit, {sets:,} sets of controls leave too few; edit "
                        "fewer neurons, or lower `controls`"
                    )
            controls.append(match)
            members.add(match.neuron)
    return drawn


def _standing(
    targets: Sequence[Neuron], layers: Sequence[int], firing: Callable[[int], Firing], best: Set[Neuron]
) -> dict[int, npt.NDArray[np.int8]]:
    """Return, by layer, what each of its neurons is."""
    read = dict.fromkeys([*layers, *(target.layer for target in targets)])
    standing = {layer: np.full(len(firing(layer).frequency), _OTHER, dtype=np.int8) for layer in read}
    for neurons, what in ((best, _BEST), (targets, _TARGET)):
        for layer, index in neurons:
            if layer in standing and index < len(standing[layer]):
                standing[layer][index] = what
    return standing


def _candidates(
    target: Neuron,
    standing: Mapping[int, npt.NDArray[np.int8]],
    firing: Callable[[int], Firing],
    near: int,
    seed: Sequence[int],
) -> Iterator[Match]:
    """Yield candidates for the controls of a target, pool by pool: the nearest ones of each in front, shuffled."""
    rng = np.random.default_rng(seed)
    others = [layer for layer in standing if layer != target.layer]
    for wide, of_layers, what in (
        (False, [target.layer], _OTHER),
        (True, [target.layer], _BEST),
        (True, others, _OTHER),
        (True, others, _BEST),
    ):
        indices = {layer: np.flatnonzero(standing[layer] == what) for layer in of_layers}
        if not any(map(len, indices.values())):
            continue
        neurons = [(layer, index) for layer, of_layer in indices.items() for index in of_layer.tolist()]
        ratios = np.concatenate([_ratios(target, layer, firing)[of_layer] for layer, of_layer in indices.items()])
        order = np.argsort(ratios, kind="stable")
        rng.shuffle(order[:near])
        for place in order.tolist():
            yield Match(Neuron(*neurons[place]), float(ratios[place]), wide)


def _ratios(target: Neuron, layer: int, firing: Callable[[int], Firing]) -> npt.NDArray[np.float64]:
    """Return, for each neuron of a layer, how many times as often or as strongly it or the target fires, whichever is
    more."""
    of_target = np.array([column[target.neuron] for column in firing(target.layer)])
    of_each = np.array(firing(layer)).T
    worst: npt.NDArray[np.float64] = np.maximum(of_each / of_target, of_target / of_each).max(axis=1)
    return worst


def matching_of(sets: Sequence[Sequence[Match]]) -> dict[str, Any]:
    """Return how close the matches of all sets are, for `run.json`."""
    ratios = [match.ratio for matches in sets for match in matches]
    wide = sum(match.wide for matches in sets for match in matches)
    return {"sets": len(sets), "worst_ratio": max(ratios), "median_ratio": float(np.median(ratios)), "wide": wide}


def matching_warnings(sets: Sequence[Sequence[Match]]) -> list[str]:
    """Return what a reader must know of control neurons that are unlike their targets."""
    matching, warnings = matching_of(sets), []
    if matching["worst_ratio"] > _FAR:
        far = sum(match.ratio > _FAR for matches in sets for match in matches)
        warnings.append(
            f"{far:,} of {sum(map(len, sets)):,} control neurons are not a close match: the worst fires "
            f"{matching['worst_ratio']:.3g} times as often or as strongly as its target, or its target as it"
        )
    if matching["wide"]:
        warnings.append(
            f"{matching['wide']:,} control neurons are of another layer than their target, or among the best of the "
            "ranking, as its layer has no other left: editing fewer neurons leaves more"
        )
    return warnings
