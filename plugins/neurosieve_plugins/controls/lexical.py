"""Controls that hold the same words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from neurosieve import Control, Present, TokenizedDocument
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
        ids, wanted = np.unique(present.anchor_token_ids, return_counts=True)
        outside = document.usable & (tokens_from(present.here, len(document.token_ids)) > 0)
        candidates = [np.flatnonzero(outside & (document.token_ids == token_id)) for token_id in ids]
        available = np.array([len(tokens) for tokens in candidates], dtype=np.int64)
        quotas = _round(np.minimum(count * wanted / max(1, wanted.sum()), available), rng)
        drawn = [
            int(token)
            for tokens, quota in zip(candidates, quotas, strict=True)
            for token in rng.choice(tokens, size=quota, replace=False)
        ]
        return sorted(drawn)


def _round(shares: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Round each share up or down by chance, so that it is right on average and the sum is what it was.

    Rounding to the nearest would never draw a rare token in documents that have few controls each.
    """
    whole = np.floor(shares + 1e-9)
    parts = np.maximum(shares - whole, 0.0)
    ups = round(float(shares.sum() - whole.sum()))
    quotas = whole.astype(np.int64)
    if ups > 0:
        order = rng.permutation(len(shares))
        reached = np.cumsum(parts[order])
        ticks = np.floor(reached / reached[-1] * ups + rng.random())
        quotas[order] += np.diff(ticks, prepend=0.0).astype(np.int64)
    return quotas
