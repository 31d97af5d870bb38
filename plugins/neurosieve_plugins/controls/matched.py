"""Controls at similar places."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from neurosieve import ConfigError, Control, Present, TokenizedDocument, token_kinds
from neurosieve_plugins.controls.spacing import tokens_from

__all__ = ["Matched"]


@dataclass(frozen=True)
class Matched(Control):
    """Tokens as far into their completion as the behaviour's onsets are, and of their kind, but far from its spans.

    `tolerance` is how much further or less far, as a share of the completion, and `tokens` how many tokens each span is
    away at least. A document without the behaviour is matched to the onsets of the other documents.

    >>> document = TokenizedDocument(
    ...     id="a", group="a", text="x" * 101, token_ids=np.arange(101), starts=np.arange(101), ends=np.arange(101) + 1,
    ...     usable=np.ones(101, dtype=bool), relative=np.linspace(0, 1, 101),
    ... )
    >>> present = Present(here=[], onsets=[], anchor_token_ids=np.array([4, 4]), anchor_relative=np.array([0.2, 0.9]))
    >>> Matched(tolerance=0.015).choose(document, present, count=10, rng=np.random.default_rng(0))
    [19, 20, 21, 89, 90, 91]
    """

    needs_other_documents: ClassVar[bool] = True

    tolerance: float = 0.1
    tokens: int = 10
    """How many tokens each is away from a span at least. Units of several tokens keep no distance from each other."""
    same_kind: bool = True
    """Whether each is of the same kind of token as the onset that it matches, such as the start of a word."""

    def __post_init__(self) -> None:
        if not 0 < self.tolerance <= 1:
            raise ConfigError(
                f"`tolerance` of the control `matched` is {self.tolerance}: it must be over 0 and at most 1"
            )
        if self.tokens < 1:
            raise ConfigError(f"`tokens` of the control `matched` is {self.tokens}: it must be at least 1")

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        """Return at most `count` tokens, spread evenly over the onsets that they match."""
        kinds, onsets = token_kinds(document), list(present.onsets)
        places, wanted = present.anchor_relative, present.anchor_kinds
        if onsets:
            places, wanted = document.relative[onsets], kinds[onsets]
        matched = self.same_kind and len(wanted) == len(places)
        far = document.usable & (tokens_from(present.here, len(document.token_ids)) >= self.tokens)
        free = np.flatnonzero(far)
        waiting = rng.permutation(len(places)).tolist()
        drawn: list[int] = []
        # In turns, one for each onset: an onset with many tokens near it gets no more controls than another.
        while len(drawn) < count and waiting:
            served = []
            for onset in waiting:
                like = np.abs(document.relative[free] - places[onset]) <= self.tolerance
                if matched:
                    like &= kinds[free] == wanted[onset]
                near = np.flatnonzero(like)
                if len(near):
                    chosen = rng.choice(near)
                    drawn.append(int(free[chosen]))
                    free = np.delete(free, chosen)
                    served.append(onset)
                if len(drawn) == count:
                    break
            waiting = served
        return sorted(drawn)
