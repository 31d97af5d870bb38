"""A unit of several tokens, and what there is to say where none can be read."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosieve.errors import DataError
from neurosieve.texts.positions import WHOLE_TEXTS, UnitKind
from neurosieve.texts.tokens import LabelledDocument
from neurosieve.wording import plural

__all__ = [
    "Tokens",
    "Unit",
    "left_out_units",
    "no_controls",
    "no_units",
    "reaches_beyond",
    "unit_names",
    "units_in_words",
]

Tokens = npt.NDArray[np.int32]
"""Tokens of one document, in the order of the text."""

_WORDS: dict[UnitKind, tuple[str, str]] = {
    "token": ("position", "positions"),
    "span": ("span", "spans"),
    "sentence": ("sentence", "sentences"),
    "completion": ("completion", "completions"),
    "prompt_end": ("prompt", "prompts"),
}


class Unit(NamedTuple):
    """Some tokens of one document that are read as one."""

    number: int
    """That of the document."""
    tokens: Tokens
    """In the order of the text."""
    label: int
    """1 where it shows the behaviour, 0 where it is compared with such."""

    @property
    def first(self) -> int:
        """The first token."""
        return int(self.tokens[0])


def unit_names(unit: UnitKind) -> tuple[str, str]:
    """Return what a row is called that stands for such a unit: one, and several."""
    return _WORDS[unit]


def units_in_words(unit: UnitKind, number: int, before: str = "") -> str:
    """Return a number of units in words; `before` stands before their name.

    >>> units_in_words("completion", 1_200, "present ")
    '1,200 present completions'
    """
    return plural(number, *(before + word for word in _WORDS[unit]))


def reaches_beyond(document: LabelledDocument, tokens: Sequence[int] | npt.NDArray[np.integer[Any]]) -> bool:
    """Return whether some tokens, in order, go beyond what the model can read."""
    return document.context is not None and len(tokens) > 0 and int(tokens[-1]) >= document.context


def left_out_units(unit: UnitKind, counts: Counter[str], context: int | None) -> list[str]:
    """Return how many units could not be read, and why."""
    said = []
    if beyond := counts["units_beyond_context"]:
        said.append(f"{units_in_words(unit, beyond)} longer than the model's context of {context or 0:,} tokens")
    if empty := counts["units_empty"]:
        said.append(f"{units_in_words(unit, empty)} without a token that can be read")
    return said


def no_units(behaviour: str, unit: UnitKind, counts: Counter[str], documents: Sequence[LabelledDocument]) -> DataError:
    """Return the error of a behaviour that shows, and of which no unit can be read."""
    context = next((document.context for document in documents), None)
    why = " and ".join(left_out_units(unit, counts, context))
    hint = "take a model with a longer context, or shorter texts" if counts["units_beyond_context"] else ""
    if not hint:
        what = "prompts" if unit == "prompt_end" else "completions"
        hint = f"check that the texts hold {what} (`neurosieve detect look=3` shows what was understood of them)"
    return DataError(
        f"`{behaviour}` shows, and no {_WORDS[unit][0]} of it can be read with `selection.unit={unit}` ({why}): {hint}"
    )


def no_controls(
    behaviour: str, unit: UnitKind, present: int, counts: Counter[str], documents: Sequence[LabelledDocument]
) -> DataError:
    """Return the error of a behaviour with nothing to compare it with."""
    context = next((document.context for document in documents), None)
    reasons = left_out_units(unit, counts, context)
    if nearly := sum(bool(each.near_misses.get(behaviour)) and not each.spans[behaviour] for each in documents):
        reasons.append(f"{plural(nearly, 'document')} of which it is not known whether it shows")
    left_out = f" (left out: {' and '.join(reasons)})" if reasons else ""
    if unit in WHOLE_TEXTS:
        hint = "give texts of both kinds, such as right and wrong answers, or harmful and harmless requests"
    else:
        hint = (
            "give texts in which it does not always show, or controls that start with any kind of token "
            "(`control.same_kind=false`)"
        )
    return DataError(
        f"`{behaviour}` shows in all {units_in_words(unit, present)} that can be read, and there is none to compare "
        f"with{left_out}: {hint}"
        if unit in WHOLE_TEXTS
        else f"`{behaviour}` has {units_in_words(unit, present)} where it shows and none to compare with{left_out}: "
        f"{hint}"
    )
