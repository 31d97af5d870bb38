"""Controls from far away."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurosieve import ConfigError, Control, Present, TokenizedDocument, token_kinds
from neurosieve_plugins.controls.shares import draw_in_shares
from neurosieve_plugins.controls.spacing import tokens_from

__all__ = ["Distant"]


@dataclass(frozen=True)
class Distant(Control):
    """Tokens that are far from the behaviour, of the kinds of token at which it starts.

    They are at least `tokens` tokens from each of its spans. Of each kind (the start of a sentence or a word, a piece
    of one, a number, punctuation, a line break) there are as many as among the onsets: else any neuron that tells
    words from punctuation would seem to tell the behaviour. A kind that is too rare in a document is not replaced by
    others: there are fewer controls then.

    >>> document = TokenizedDocument(
    ...     id="a", group="a", text="x" * 9, token_ids=np.arange(9), starts=np.arange(9), ends=np.arange(9) + 1,
    ...     usable=np.arange(9) > 0, relative=np.linspace(0, 1, 9),
    ... )
    >>> present = Present([range(4, 6)], [4], anchor_token_ids=np.array([4]), anchor_relative=np.array([0.5]))
    >>> Distant(tokens=3).choose(document, present, count=10, rng=np.random.default_rng(0))
    [1, 8]
    """

    tokens: int = 10
    """How many tokens each is away from a span at least. Units of several tokens keep no distance from each other."""
    same_kind: bool = True
    """Whether controls are of the onsets' own kinds of token; false for any tokens, each as likely as any other."""

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ConfigError(f"`tokens` of the control `distant` is {self.tokens}: it must be at least 1")

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        """Return at most `count` far tokens; all are far where there is no span."""
        far = document.usable & (tokens_from(present.here, len(document.token_ids)) >= self.tokens)
        if self.same_kind and len(present.anchor_kinds):
            kinds = token_kinds(document)
            wanted = kinds[list(present.anchors)] if len(present.anchors) else present.anchor_kinds
            return draw_in_shares(kinds, wanted, far, count, rng)
        candidates = np.flatnonzero(far)
        drawn = rng.choice(candidates, size=min(count, len(candidates)), replace=False)
        return sorted(int(token) for token in drawn)
