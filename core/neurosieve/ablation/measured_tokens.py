"""Where in the held-out texts an effect is measured: at the onsets of a behaviour, and elsewhere for its cost."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from neurosieve.data import TokenizedDocument
from neurosieve.errors import DataError
from neurosieve.texts.copies import repeated_readings, repeated_readings_warning, repeats_of
from neurosieve.texts.draws import generator_of, spread
from neurosieve.texts.tokens import LabelledDocument
from neurosieve.wording import plural

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
    groups as there are. With them are at most `positions` of the run's own control positions in each document. Tokens
    that no edit reaches are left out: before them stand special tokens alone, which are never edited, or nothing.

    Args:
        table: the positions of the run.
        counts: gains what there is, and what was left out.

    Raises:
        DataError: no held-out document has an onset that an edit can reach.
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
    ranges = {document.tokens.id: document.ranges[behaviour] for document in held_out}
    onsets = {document.id: list(_onsets(document, ranges[document.id], counts)) for document in showing}
    chosen = spread([document for document in showing if onsets[document.id]], documents, seed)
    if not chosen:
        raise DataError(
            f"no held-out document has an onset of `{behaviour}` with a token before it that can be edited (special "
            "tokens never are): give `neurosieve find` texts with what stands before the behaviour, such as their "
            "prompts, or more texts"
        )
    warnings += _unreached_warning(behaviour, counts["onsets_no_edit_reaches"], sum(map(len, onsets.values())))
    if not any(document.id in controls for document in chosen):
        without = [
            each.within(behaviour) for each in held_out if each.tokens.id in controls and not each.ranges[behaviour]
        ]
        chosen += spread(without, documents, seed)
    measured: list[MeasuredToken] = []
    for document in chosen:
        measured += onsets.get(document.id, ())
        of_document = controls.get(document.id, ())
        usable = [token for token in of_document if token > document.first_editable]
        counts["controls_no_edit_reaches"] += len(of_document) - len(usable)
        drawn = generator_of(seed, document.id).permutation(usable)[:positions]
        measured += [MeasuredToken(document, int(token), 0, range(0)) for token in sorted(drawn)]
    counts["documents"] = len(chosen)
    counts["onsets"] = sum(token.label for token in measured)
    counts["controls"] = len(measured) - counts["onsets"]
    if not counts["controls"]:
        warnings.append(f"no held-out document has a control position of `{behaviour}`: nothing is known of the cost")
    repeated = repeated_readings((token.document, token.token) for token in measured if token.label)
    warnings += repeated_readings_warning(
        repeated, "measured onset", "each counts as new evidence, and intervals come out too narrow"
    )
    return measured, warnings


def _onsets(document: TokenizedDocument, spans: Sequence[range], counts: Counter[str]) -> Iterator[MeasuredToken]:
    """Yield the onsets that an edit reaches and that the model can read; `counts` gains those left out."""
    end = int(np.flatnonzero(document.usable)[-1]) + 1  # The model's context may end before the text does.
    onsets = {span.start: span for span in reversed(spans)}
    readable = {token: span for token, span in sorted(onsets.items()) if token < end and document.usable[token]}
    reached = {token: span for token, span in readable.items() if token > document.first_editable}
    counts["onsets_no_edit_reaches"] += len(readable) - len(reached)
    counts["onsets_left_out"] += len(onsets) - len(reached)
    for token, span in reached.items():
        yield MeasuredToken(document, token, 1, range(token + 1, min(span.stop, token + 1 + _FURTHER, end)))


def _unreached_warning(behaviour: str, unreached: int, reached: int) -> list[str]:
    """Return a warning where onsets were left out because no edit reaches them."""
    if not unreached:
        return []
    return [
        f"{unreached:,} of {plural(unreached + reached, 'onset')} of `{behaviour}` in the held-out texts have no token "
        "before them that can be edited (special tokens never are): no edit reaches them, and they were left out; give "
        "texts with what stands before the behaviour, such as their prompts"
    ]
