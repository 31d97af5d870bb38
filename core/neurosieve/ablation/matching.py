"""Control neurons: of the same layer, firing about as often and as strongly as the neurons that they stand beside."""

from collections.abc import Callable, Iterable, Sequence, Set
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from torch import Tensor

from neurosieve.data import Neuron
from neurosieve.errors import ConfigError

__all__ = ["Firing", "Match", "firing_of", "matched"]

_FIRING = 0.1
"""A neuron fires where its activation is among this share of its layer's largest, either sign."""
_SILENT = 0.01
"""Neurons below this share of their layer's root mean square are alike: they hold next to nothing."""
_NEAR = 10
"""A control is drawn among so many of the nearest neurons."""


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


def matched(
    targets: Sequence[Neuron],
    layers: Sequence[int],
    firing: Callable[[int], Firing],
    best: Set[Neuron],
    seed: int,
) -> list[Match]:
    """Return a control neuron for each target: of its layer, near to it in frequency and magnitude, drawn by seed.

    No control is a target, or among the best of the ranking, or twice in the set. Where a layer has no such neuron
    left, one of the best of the ranking is taken, and where it has none at all, one of another layer.

    Args:
        targets: the neurons to stand beside.
        layers: all layers that were read.
        firing: how the neurons of a layer fire.
        best: the best neurons of the ranking: they may be about the behaviour too.
        seed: draws the controls among the nearest. The controls of the first few targets are those of them alone.

    Raises:
        ConfigError: there are fewer neurons than two for each target.
    """
    rng = np.random.default_rng(seed)
    taken = set(targets)
    found: list[Match] = []
    for target in targets:
        others = [layer for layer in layers if layer != target.layer]
        asked = _pool([target.layer], firing, taken | best)
        pool = asked or _pool([target.layer], firing, taken)
        pool = pool or _pool(others, firing, taken | best) or _pool(others, firing, taken)
        if not pool:
            raise ConfigError(
                f"there is no neuron left to stand beside L{target.layer}N{target.neuron}: {len(targets):,} neurons to "
                "edit leave too few; lower `k`"
            )
        ratios = _ratios(target, pool, firing)
        drawn = int(rng.choice(np.argsort(ratios, kind="stable")[:_NEAR]))
        taken.add(pool[drawn])
        found.append(Match(pool[drawn], float(ratios[drawn]), not asked))
    return found


def _pool(layers: Iterable[int], firing: Callable[[int], Firing], without: Set[Neuron]) -> list[Neuron]:
    return [
        neuron
        for layer in layers
        for index in range(len(firing(layer).frequency))
        if (neuron := Neuron(layer, index)) not in without
    ]


def _ratios(target: Neuron, candidates: Sequence[Neuron], firing: Callable[[int], Firing]) -> npt.NDArray[np.float64]:
    """Return how many times as often or as strongly one of the two fires as the other, whichever is more."""
    mine = np.array([column[target.neuron] for column in firing(target.layer)])
    theirs = np.array([[column[neuron] for column in firing(layer)] for layer, neuron in candidates])
    worst: npt.NDArray[np.float64] = np.maximum(theirs / mine, mine / theirs).max(axis=1)
    return worst
