"""Units that are spans, and stretches of the same lengths to compare them with."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from neurosieve.contracts import Control
from neurosieve.data import Present
from neurosieve.texts.tokens import LabelledDocument
from neurosieve.texts.units.unit import Tokens, reaches_beyond

__all__ = ["control_stretches", "span_units"]

_ROUNDS = 5
"""So often is a control plugin asked for starts in place of those that lie too near to each other."""


def span_units(document: LabelledDocument, behaviour: str, left_out: Counter[str]) -> list[Tokens]:
    """Return the tokens of each span, those of spans that share a token together; `left_out` gains what is not read."""
    usable, units = document.within(behaviour).usable, list[Tokens]()
    for covered in _apart(document.ranges[behaviour]):
        tokens = np.array([token for token in covered if usable[token]], dtype=np.int32)
        if reaches_beyond(document, covered):
            left_out["units_beyond_context"] += 1
        elif len(tokens):
            units.append(tokens)
        else:
            left_out["units_empty"] += 1
    return units


def control_stretches(
    document: LabelledDocument,
    behaviour: str,
    control: Control,
    present: Present,
    taken: Sequence[range],
    lengths: Sequence[int],
    rng: np.random.Generator,
) -> list[Tokens]:
    """Return stretches of at most the wanted `lengths` that start where a control plugin chooses, in order.

    They share no token with each other, with those that are `taken`, or with what is nearly a span. A length that fits
    nowhere is left out.
    """
    view = document.within(behaviour)
    free = view.usable.copy()
    free[[token for covered in taken for token in covered]] = False
    free[list(document.nearly(behaviour))] = False
    stretches: list[Tokens] = []
    # Longest first: where the short ones are in place, a long one may not fit any more.
    for length, wanted in sorted(Counter(lengths).items(), reverse=True):
        for _ in range(_ROUNDS):
            starts = dataclasses.replace(view, usable=_fits(free, length))
            chosen = np.array(control.choose(starts, present, wanted, rng), dtype=np.int64)
            # What it does not choose for want of tokens of a kind is not to be made up for by those of another.
            wanted = 0
            for start in rng.permutation(chosen):
                tokens = np.arange(start, start + length, dtype=np.int32)
                if free[tokens].all():
                    free[tokens] = False
                    stretches.append(tokens)
                else:
                    wanted += 1
            if not wanted:
                break
    return sorted(stretches, key=lambda tokens: int(tokens[0]))


def _apart(ranges: Sequence[range]) -> list[range]:
    """Return ranges in order, as one where they share a token."""
    apart: list[range] = []
    for covered in sorted(ranges, key=lambda covered: (covered.start, covered.stop)):
        if apart and covered.start < apart[-1].stop:
            apart[-1] = range(apart[-1].start, max(apart[-1].stop, covered.stop))
        else:
            apart.append(covered)
    return apart


def _fits(free: npt.NDArray[np.bool_], length: int) -> npt.NDArray[np.bool_]:
    """Return whether so many free tokens begin at each token."""
    passed = np.concatenate([[0], np.cumsum(free)])
    fits = np.zeros(len(free), dtype=np.bool_)
    starts = max(0, len(free) - length + 1)
    fits[:starts] = passed[length : length + starts] - passed[:starts] == length
    return fits
