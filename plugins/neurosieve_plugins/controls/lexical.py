"""Controls that hold the same words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from neurosieve import Control, Present, TokenizedDocument
from neurosieve_plugins.controls.shares import draw_in_shares
from neurosieve_plugins.controls.spacing import tokens_from

__all__ = ["Lexical"]


@dataclass(frozen=True)
class Lexical(Control):
    """The behaviour's own tokens, where it does not show, each as often as the behaviour uses it or less.

    A word that is too rare in a document is not replaced by others: there are fewer controls then.

    >>> words = "wait I wait I wait I was I was".split()
    >>> document = TokenizedDocument(
    ...     id="a", group="a", text=" ".join(words), token_ids=np.array([len(word) for word in words]),
    ...     starts=np.arange(9), ends=np.arange(9) + 1, usable=np.ones(9, dtype=bool), relative=np.linspace(0, 1, 9),
    ... )
    >>> present = Present(
    ...     here=[range(0, 2)], onsets=[0], anchor_token_ids=np.array([4, 1]), anchor_relative=np.array([0.0, 0.5])
    ... )
    >>> chosen = Lexical().choose(document, present, count=4, rng=np.random.default_rng(0))
    >>> sorted(words[token] for token in chosen)
    ['I', 'I', 'wait', 'wait']
    """

    needs_other_documents: ClassVar[bool] = True

    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        """Return at most `count` such tokens, each word's share of them or as many as there are."""
        outside = document.usable & (tokens_from(present.here, len(document.token_ids)) > 0)
        return draw_in_shares(document.token_ids, present.anchor_token_ids, outside, count, rng)
