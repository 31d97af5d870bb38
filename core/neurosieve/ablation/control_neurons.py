"""Control neurons: of the same layer as their targets, and firing about as often and as strongly."""

from collections.abc import Callable, Iterable, Sequence, Set
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from torch import Tensor

from neurosieve.data import Neuron
from neurosieve.errors import ConfigError

__all__ = ["Firing", "Match", "draw_controls", "firing_of"]

_FIRING = 0.1
"""A neuron fires where its activation is among this share of its layer's largest, either sign."""
_SILENT = 0.01
"""Neurons below this share of their layer's root mean square count as alike: they are next to silent."""
_NEAR = 10
"""A control is drawn among so many of the nearest neurons, or twice as many as there are sets, if that is more."""


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
        targets: the neurons to compare with.
        layers: all layers that were read.
        firing: how the neurons of a layer fire.
        best: the best neurons of the ranking: they may be about the behaviour too.
        sets: how many sets to draw.
        seed: draws the controls among the nearest.

    Raises:
        ConfigError: there are too few neurons.
    """
    drawn: list[list[Match]] = [[] for _ in range(sets)]
    taken = [set[Neuron]() for _ in range(sets)]
    for place, target in enumerate(targets):
        queue = _Queue(target, layers, firing, set(targets), best, max(_NEAR, 2 * sets), [seed, place])
        for controls, neurons in zip(drawn, taken, strict=True):
            match = queue.next_without(neurons)
            if match is None:
                raise ConfigError(
                    f"there is no neuron left to compare with L{target.layer}N{target.neuron}: with {len(targets):,} "
                    f"neurons to edit, {sets:,} sets of controls leave too few; lower `k` or `controls`"
                )
            neurons.add(match.neuron)
            controls.append(match)
    return drawn


class _Queue:
    """The candidates for the controls of one target, the first to take in front: the nearest ones, shuffled."""

    def __init__(
        self,
        target: Neuron,
        layers: Sequence[int],
        firing: Callable[[int], Firing],
        targets: Set[Neuron],
        best: Set[Neuron],
        near: int,
        seed: Sequence[int],
    ) -> None:
        self._target, self._firing, self._near = target, firing, near
        self._rng = np.random.default_rng(seed)
        others = [layer for layer in layers if layer != target.layer]
        # Each: whether it is a last resort, the layers, the neurons to leave out, and, if any, the only ones to take.
        self._pools = iter(
            [
                (False, [target.layer], targets | best, set[Neuron]()),
                (True, [target.layer], targets, best),
                (True, others, targets | best, set[Neuron]()),
                (True, others, targets, best),
            ]
        )
        self._waiting: list[Match] = []

    def next_without(self, taken: Set[Neuron]) -> Match | None:
        """Return the first neuron that is not taken already and remove it; None where there is none."""
        while True:
            for number, match in enumerate(self._waiting):
                if match.neuron not in taken:
                    return self._waiting.pop(number)
            pool = next(self._pools, None)
            if pool is None:
                return None
            wide, layers, without, only = pool
            candidates = [neuron for neuron in _pool(layers, self._firing, without) if not only or neuron in only]
            if candidates:
                ratios = _ratios(self._target, candidates, self._firing)
                order = np.argsort(ratios, kind="stable")
                self._rng.shuffle(order[: self._near])
                self._waiting += [Match(candidates[place], float(ratios[place]), wide) for place in order.tolist()]


def _pool(layers: Iterable[int], firing: Callable[[int], Firing], without: Set[Neuron]) -> list[Neuron]:
    return [
        neuron
        for layer in layers
        for index in range(len(firing(layer).frequency))
        if (neuron := Neuron(layer, index)) not in without
    ]


def _ratios(target: Neuron, candidates: Sequence[Neuron], firing: Callable[[int], Firing]) -> npt.NDArray[np.float64]:
    """Return how many times as often or as strongly one of the two fires as the other, whichever is more."""
    of_target = np.array([column[target.neuron] for column in firing(target.layer)])
    of_each = np.array([[column[neuron] for column in firing(layer)] for layer, neuron in candidates])
    worst: npt.NDArray[np.float64] = np.maximum(of_each / of_target, of_target / of_each).max(axis=1)
    return worst
