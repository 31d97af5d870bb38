"""Units of whole texts: what the model wrote, or the end of its prompt. Each text shows a behaviour or it does not."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from neurosieve.data import Span
from neurosieve.texts.settings import Selection
from neurosieve.texts.tokens import LabelledDocument, token_range
from neurosieve.texts.units.unit import Unit, no_controls, no_units, reaches_beyond

__all__ = ["whole_texts"]


def whole_texts(
    behaviour: str,
    documents: Sequence[LabelledDocument],
    repeats: Collection[int],
    selection: Selection,
    counts: Counter[str],
) -> list[Unit]:
    """Return a unit of each text that shows a behaviour, and of each that does not.

    How many of these are read is decided once it is known which are compared (`drawn_controls`). A text in which
    something is nearly the behaviour is neither, and so is one of which the scope cannot be read. `repeats` are the
    numbers of the documents that are not to be read. How many units cannot be read is added to `counts`.

    Raises:
        DataError: no text that shows the behaviour can be read, or there is none to compare with.
    """
    left_out = Counter[str]()
    units = [
        unit
        for number, document in enumerate(documents)
        if number not in repeats and (unit := _unit(number, document, behaviour, selection, left_out)) is not None
    ]
    counts.update(left_out)
    present = sum(unit.label for unit in units)
    if not present:
        raise no_units(behaviour, selection.unit, left_out, documents)
    if present == len(units):
        raise no_controls(behaviour, selection.unit, present, left_out, documents)
    return units


def _unit(
    number: int, document: LabelledDocument, behaviour: str, selection: Selection, left_out: Counter[str]
) -> Unit | None:
    """Return the unit of a text, or None where it has none, or where it is not known whether it shows a behaviour."""
    shows = bool(document.spans[behaviour])
    if not shows and document.near_misses.get(behaviour):
        return None
    scope = document.scope(behaviour)
    stretches = [token_range(document.tokens, Span(*stretch)) for stretch in document.tokens.stretches(scope)]
    cut = any(reaches_beyond(document, stretch) for stretch in stretches)
    if selection.unit == "completion":
        tokens = np.flatnonzero(document.within(behaviour).usable)
    else:
        tokens = _end_of_prompt(document, selection.prompt_tokens)
        # Of a text without the scope, or with one that is cut, it is not known whether it shows the behaviour.
        cut = (cut and not shows) or reaches_beyond(document, tokens)
        tokens = tokens if stretches else tokens[:0]
    if cut or not len(tokens):
        left_out["units_beyond_context" if cut else "units_empty"] += 1
        return None
    return Unit(number, tokens.astype(np.int32), int(shows))


def _end_of_prompt(document: LabelledDocument, count: int) -> npt.NDArray[np.int64]:
    """Return the last tokens that end where the first completion starts, or before."""
    tokens = document.tokens
    before = (tokens.starts < tokens.prompt_end) & (tokens.ends <= tokens.prompt_end)
    if tokens.first_editable:  # The token that begins a text says nothing of it, and its activations are extreme.
        before[:1] = False
    return np.flatnonzero(before)[-count:]
