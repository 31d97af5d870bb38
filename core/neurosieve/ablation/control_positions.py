"""Activations at the control positions of a run: edits use them, and control neurons are chosen by them."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from neurosieve.activations.capture import Capture, capture, keys_of
from neurosieve.activations.reading import read_complete
from neurosieve.data import Site
from neurosieve.errors import ConfigError
from neurosieve.models.batches import batch_budget
from neurosieve.pipeline.reopening import Reopened

__all__ = ["ControlPositions"]

_POSITIONS = 4096
"""At most so many are used: the mean of so many is within a sixtieth of a standard deviation of that of all."""


class ControlPositions:
    """The control positions of one behaviour in the ranking part of a run; where there are many, some drawn by seed.

    Those of the held-out part are not used, so that an edit is measured on texts that are new to it.
    """

    def __init__(self, opened: Reopened, behaviour: str, seed: int, announce: Callable[..., None]) -> None:
        self._opened, self._announce = opened, announce
        positions = opened.positions
        rows = np.flatnonzero(positions.labels[:, positions.behaviours.index(behaviour)] == 0)
        if len(rows) > _POSITIONS:
            rows = np.sort(np.random.default_rng(seed).choice(rows, size=_POSITIONS, replace=False))
        keys, tokens = keys_of(positions)
        self._keys, self._tokens = keys[rows], tokens[rows]

    def at(self, layer: int) -> Float[Tensor, "controls neurons"]:
        """Return the activations of a layer there, from the store; what it lacks is read again.

        Raises:
            ConfigError: the run did not read this layer.
            StoreError: the store is damaged again and again.
        """
        space = self._opened.space
        site = Site(layer, space.kind)
        if site not in space.sites:
            read = ", ".join(str(site.layer) for site in space.sites)
            raise ConfigError(
                f"layer {layer} was not read by `{self._opened.result.folder}`: take neurons of layers {read}, or run "
                "`neurosieve find` with it"
            )

        def fill() -> Capture:
            if space.has(self._keys, self._tokens).all():
                return Capture()
            opened = self._opened
            budget = batch_budget(opened.result.run["config"]["tokens_per_batch"], opened.lm)
            return capture(opened.reader, space, opened.positions, budget, self._announce)

        return read_complete(space, fill, lambda: space.read(site, self._keys, self._tokens))[0]
