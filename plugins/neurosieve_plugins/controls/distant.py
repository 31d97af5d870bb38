"""Controls from far away."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurosieve import ConfigError, Control, Present, TokenizedDocument
from neurosieve_plugins.controls.spacing import tokens_from

__all__ = ["Distant"]


@dataclass(frozen=True)
class Distant(Control):
    """Any tokens that are far from the behaviour: at least `tokens` tokens from each of its spans.

    >>> document = TokenizedDocument(
    ...     id="a", group="a", text="x" * 9, token_ids=np.arange(9), starts=np.arange(9), ends=np.arange(9) + 1,
    ...     usable=np.arange(9) > 0, relative=np.linspace(0, 1, 9),
    ... )
    >>> present = Present([range(4, 6)], [4], anchor_token_ids=np.array([4]), anchor_relative=np.array([0.5]))
    >>> Distant(tokens=3).choose(document, present, count=10, rng=np.random.default_rng(0))
    [1, 8]
    """

    tokens: int = 10

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ConfigError(f"`tokens` of the control `distant` is {self.tokens}: it must be at least 1")

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        """Return at most `count` far tokens, each as likely as any other; all are far where there is no span."""
        far = document.usable & (tokens_from(present.here, len(document.token_ids)) >= self.tokens)
        candidates = np.flatnonzero(far)
        drawn = rng.choice(candidates, size=min(count, len(candidates)), replace=False)
        return sorted(int(token) for token in drawn)
