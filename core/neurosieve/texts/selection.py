"""Which positions are read: decided before any activation is."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from neurosieve.contracts import Control
from neurosieve.errors import DataError, NeurosieveError
from neurosieve.texts.absence import looked_in
from neurosieve.texts.copies import repeated_readings, repeats_of
from neurosieve.texts.positions import WHOLE_TEXTS, Positions, assemble
from neurosieve.texts.settings import Selection
from neurosieve.texts.split import split_groups
from neurosieve.texts.tokens import LabelledDocument
from neurosieve.texts.units.pooled_units import units_of
from neurosieve.texts.units.single_tokens import single_tokens
from neurosieve.wording import plural

__all__ = ["Selection", "choose_positions"]


def choose_positions(
    documents: Sequence[LabelledDocument],
    behaviours: Sequence[str],
    control: Control,
    selection: Selection,
    seed: int,
    counts: Counter[str],
) -> Positions:
    """Choose where to read, what to compare with, and what to hold out: `seed` draws the split.

    The groups of the documents are kept together: `join_groups` comes before. A behaviour that shows nowhere is left
    out, and so are texts that are no new evidence of one. How many positions and texts were left out, and why, is added
    to `counts`.

    Raises:
        DataError: no behaviour shows anywhere, or one has no control, or shows in too few groups to split.
        ConfigError: no position is inside the texts.
    """
    ordered = sorted(documents, key=lambda document: document.tokens.id)  # The source's order must not matter.
    shown = [name for name in behaviours if any(document.ranges[name] for document in ordered)]
    if not shown:
        raise _shows_nowhere(behaviours, ordered, selection)
    repeats = {behaviour: repeats_of(behaviour, ordered, selection.unit) for behaviour in shown}
    counts["texts_repeated"] += len(set[int]().union(*repeats.values()))
    lines: list[tuple[str, str, int, int, int]] = []
    unit_tokens: dict[tuple[str, int, int], npt.NDArray[np.int32]] = {}
    for behaviour in shown:
        if selection.unit == "token":
            of_behaviour = single_tokens(behaviour, ordered, repeats[behaviour], control, selection, counts)
        else:
            units = units_of(behaviour, ordered, repeats[behaviour], control, selection, counts)
            of_behaviour = [(behaviour, unit.number, unit.first, unit.label) for unit in units]
            unit_tokens |= {(behaviour, unit.number, unit.first): unit.tokens for unit in units}
        # What a model computes depends on the tokens up to the last that is read.
        counts["positions_repeated"] += repeated_readings(
            (ordered[number].tokens, int(unit_tokens.get((behaviour, number, token), (token,))[-1]))
            for _, number, token, label in of_behaviour
            if label
        )
        lines += [("", *line) for line in of_behaviour]
    additional = selection.extra_positions if selection.unit == "token" else ()
    places = tuple(place for place in dict.fromkeys(additional) if place != selection.at)
    columns = ["place", "behaviour", "number", "token", "label"]
    part = split_groups(pd.DataFrame(lines, columns=columns), ordered, shown, selection.held_out_fraction, seed, counts)
    # The ranking's own positions alone decide the split: documents that only another place would add are left out.
    for place in places:
        elsewhere, ignored = dataclasses.replace(selection, at=cast(Any, place)), Counter[str]()
        for behaviour in shown:
            try:
                extra = single_tokens(behaviour, ordered, repeats[behaviour], control, elsewhere, ignored)
            except NeurosieveError:  # There is nothing to read, or nothing to compare with: its scores are nan.
                counts[f"{place}_unread"] += 1
                continue
            lines += [(place, *line) for line in extra if ordered[line[1]].tokens.group in part]
    chosen = pd.DataFrame(lines, columns=columns)
    scopes = {name: ordered[0].scopes.get(name, "completion") for name in shown}
    unit, pool = selection.unit, selection.pool
    return assemble(chosen, ordered, part, tuple(shown), ("", *places), scopes, unit, pool, unit_tokens)


def _shows_nowhere(behaviours: Sequence[str], documents: Sequence[LabelledDocument], selection: Selection) -> DataError:
    """Return the error of texts in which no behaviour shows."""
    names, number = " or ".join(f"`{name}`" for name in behaviours), plural(len(documents), "document")
    narrower = _narrower(behaviours, documents)
    if selection.unit not in WHOLE_TEXTS:
        return DataError(
            f"no span of {names} was found in {number}: {narrower}check what the detector looks for, and that the "
            "texts hold completions"
        )
    unknown = sum(any(map(bool, document.near_misses.values())) for document in documents)
    return DataError(
        f"{names} shows in none of {number}{f', and it is not known of {unknown:,} of them' * bool(unknown)}: "
        f"{narrower}check what the detector looks for, or give texts of both kinds, such as right and wrong answers"
    )


def _narrower(behaviours: Sequence[str], documents: Sequence[LabelledDocument]) -> str:
    """Return in which scopes behaviours are looked for that are not looked for in all that the model wrote."""
    scopes = {name: documents[0].scopes.get(name, "completion") for name in behaviours} if documents else {}
    said = looked_in(scopes)
    return f"{said}; " if said else ""
