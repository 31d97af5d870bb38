"""Units that are sentences: those that a span touches, and others to compare them with."""

import dataclasses
from collections import Counter
from typing import NamedTuple

import numpy as np

from neurosieve.contracts import Control
from neurosieve.data import Present, Span
from neurosieve.texts.sentences import sentences
from neurosieve.texts.tokens import LabelledDocument, token_range
from neurosieve.texts.units.unit import Tokens, reaches_beyond

__all__ = ["control_sentences", "sentence_units"]


class _Sentence(NamedTuple):
    start: int
    end: int
    tokens: Tokens

    def touches(self, start: int, end: int) -> bool:
        """Return whether it shares a character with a stretch of the text."""
        return self.start < end and start < self.end


def sentence_units(document: LabelledDocument, behaviour: str, left_out: Counter[str]) -> list[Tokens]:
    """Return the tokens of each sentence that a span touches; `left_out` gains how many sentences cannot be read."""
    return [
        sentence.tokens
        for sentence in _sentences(document, behaviour, left_out)
        if any(sentence.touches(span.start, span.end) for span in document.spans[behaviour])
    ]


def control_sentences(
    document: LabelledDocument,
    behaviour: str,
    control: Control,
    present: Present,
    count: int,
    rng: np.random.Generator,
) -> list[Tokens]:
    """Return at most `count` sentences that a control plugin chooses by their first tokens, in order.

    No span touches them, nor what is nearly one. They may stand next to a sentence that shows the behaviour, before or
    behind: such sentences stand next to each other, too.
    """
    touching = [(span.start, span.end) for span in document.spans[behaviour]]
    touching += [(near.start, near.end) for near in document.near_misses.get(behaviour, ())]
    free = {
        int(sentence.tokens[0]): sentence.tokens
        for sentence in _sentences(document, behaviour, Counter())
        if not any(sentence.touches(*stretch) for stretch in touching)
    }
    view = document.within(behaviour)
    # The plugin sees their first tokens alone: among all tokens, a long sentence would be chosen more often.
    first = np.zeros(len(view.usable), dtype=np.bool_)
    first[list(free)] = True
    chosen = control.choose(dataclasses.replace(view, usable=first), present, count, rng)
    return [free[token] for token in sorted(map(int, chosen))]


def _sentences(document: LabelledDocument, behaviour: str, left_out: Counter[str]) -> list[_Sentence]:
    """Return the sentences of a behaviour's scope that can be read, in order; no token is in two of them."""
    tokens, usable = document.tokens, document.within(behaviour).usable
    units: list[_Sentence] = []
    behind = 0
    for stretch in tokens.stretches(document.scope(behaviour)):
        for start, end in sentences(tokens.text, *stretch):
            covered = token_range(tokens, Span(start, end))
            # A token may hold the end of one sentence and the start of the next: it is of the first.
            own = np.array([token for token in covered if usable[token] and token >= behind], dtype=np.int32)
            behind = max(behind, covered.stop)
            if reaches_beyond(document, covered):
                left_out["units_beyond_context"] += 1
            elif len(own):
                units.append(_Sentence(start, end, own))
            else:
                left_out["units_empty"] += 1
    return units
