"""Draws by seed of some documents, of as many groups as there are."""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from neurosieve.texts.seeds import seed_of

__all__ = ["generator_of", "spread"]


@runtime_checkable
class _Grouped(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def group(self) -> str: ...


T = TypeVar("T", bound=_Grouped)


def spread(items: Iterable[T], at_most: int, seed: int) -> list[T]:
    """Return some documents or tasks by seed: one of each group first, then a second, so that most groups have some."""
    seen: Counter[str] = Counter()
    rounds: list[tuple[int, T]] = []
    for item in sorted(items, key=lambda item: generator_of(seed, item.id).random()):
        rounds.append((seen[item.group], item))
        seen[item.group] += 1
    return [item for _, item in sorted(rounds, key=lambda pair: pair[0])[:at_most]]


def generator_of(seed: int, name: str) -> np.random.Generator:
    """Return a generator that depends on a seed and a name alone."""
    return np.random.default_rng(seed_of(seed, name))
