"""Where in the held-out texts an effect is measured: at the onsets of a behaviour, and elsewhere for its cost."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from neurosieve.data import TokenizedDocument
from neurosieve.errors import DataError
from neurosieve.texts.copies import repeats_of
from neurosieve.texts.draws import generator_of, spread
from neurosieve.texts.tokens import LabelledDocument

__all__ = ["MeasuredToken", "measured_tokens"]

_FURTHER = 15
"""At most so many tokens of a span are measured after its onset."""


class MeasuredToken(NamedTuple):
    """A token whose log-probability, given the text before it, is measured."""

    document: TokenizedDocument
    token: int
    label: int
    """1 the onset of a span, 0 a control position."""
    further: range
    """The tokens of the span after its onset."""


def measured_tokens(
    labelled: Sequence[LabelledDocument],
    table: pd.DataFrame,
    behaviour: str,
    documents: int,
    positions: int,
    seed: int,
    counts: Counter[str],
) -> tuple[list[MeasuredToken], list[str]]:
    """Return the tokens to measure, document by document, and what a reader must know of them first.

    The onsets are the first tokens of all spans in at most `documents` held-out documents, drawn by seed, of as many
    groups as there are. With them are at most `positions` of the run's own control positions in each document.

    Args:
        table: the positions of the run.
        counts: gains what there is, and what was left out.

    Raises:
        DataError: no held-out document has an onset with a token before it.
    """
    warnings = list[str]()
    rows = table[table.behaviour == behaviour]
    part = "heldout"
    if not (rows.part == part).any():
        part = "ranking"
        warnings.append(
            "the run held out nothing: the effect is measured on the texts that the neurons were chosen on, and looks "
            "larger than it is; run `neurosieve find` with `selection.held_out_fraction=0.5`"
        )
    groups = set(rows.group[rows.part == part])
    control_rows = rows[(rows.label == 0) & (rows.part == part)]
    controls = {document: tokens.tolist() for document, tokens in control_rows.groupby("document").token}
    repeats = repeats_of(behaviour, labelled)
    held_out = [
        document
        for number, document in enumerate(labelled)
        if document.tokens.group in groups and number not in repeats
    ]
    showing = [document.within(behaviour) for document in held_out if document.ranges[behaviour]]
    counts["documents_held_out"], counts["documents_with"] = len(held_out), len(showing)
    chosen = spread(showing, documents, seed)
    if not any(document.id in controls for document in chosen):
        without = [
            each.within(behaviour) for each in held_out if each.tokens.id in controls and not each.ranges[behaviour]
        ]
        chosen += spread(without, documents, seed)
    ranges = {document.tokens.id: document.ranges[behaviour] for document in held_out}
    measured: list[MeasuredToken] = []
    for document in chosen:
        measured += _onsets(document, ranges[document.id], counts)
        usable = [token for token in controls.get(document.id, ()) if token > 0]
        drawn = generator_of(seed, document.id).permutation(usable)[:positions]
        measured += [MeasuredToken(document, int(token), 0, range(0)) for token in sorted(drawn)]
    counts["documents"] = len(chosen)
    counts["onsets"] = sum(token.label for token in measured)
    counts["controls"] = len(measured) - counts["onsets"]
    if not counts["onsets"]:
        raise DataError(
            f"no held-out document has an onset of `{behaviour}` with a token before it: give `neurosieve find` more "
            "texts"
        )
    if not counts["controls"]:
        warnings.append(f"no held-out document has a control position of `{behaviour}`: nothing is known of the cost")
    return measured, warnings


def _onsets(document: TokenizedDocument, spans: Sequence[range], counts: Counter[str]) -> Iterator[MeasuredToken]:
    """Yield the onsets that have a token before them and that the model can read; `counts` gains those left out."""
    end = int(np.flatnonzero(document.usable)[-1]) + 1  # The model's context may end before the text does.
    onsets = {span.start: span for span in reversed(spans)}
    readable = {token: span for token, span in sorted(onsets.items()) if 0 < token < end and document.usable[token]}
    counts["onsets_left_out"] += len(onsets) - len(readable)
    for token, span in readable.items():
        yield MeasuredToken(document, token, 1, range(token + 1, min(span.stop, token + 1 + _FURTHER, end)))
