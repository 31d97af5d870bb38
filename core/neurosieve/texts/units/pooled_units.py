"""Units of several tokens: which show a behaviour, and which of the same kind they are compared with."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from neurosieve.contracts import Control
from neurosieve.texts.positions import WHOLE_TEXTS
from neurosieve.texts.seeds import seed_of
from neurosieve.texts.settings import Selection
from neurosieve.texts.tokens import LabelledDocument
from neurosieve.texts.units.sentence_units import control_sentences, sentence_units
from neurosieve.texts.units.single_tokens import matched_anchors, negatives_in_order
from neurosieve.texts.units.span_units import control_stretches, span_units
from neurosieve.texts.units.unit import Tokens, Unit, no_controls, no_units
from neurosieve.texts.units.whole_texts import whole_texts

__all__ = ["units_of"]


def units_of(
    behaviour: str,
    documents: Sequence[LabelledDocument],
    repeats: Collection[int],
    control: Control,
    selection: Selection,
    counts: Counter[str],
) -> list[Unit]:
    """Return the units of a behaviour, present and control; those of one document share no token.

    `repeats` are the numbers of the documents that are not to be read. How many units cannot be read is added to
    `counts`.

    Raises:
        DataError: no unit of the behaviour can be read, or there is none to compare with.
    """
    if selection.unit in WHOLE_TEXTS:
        return whole_texts(behaviour, documents, repeats, selection, counts)
    read = [number for number in range(len(documents)) if number not in repeats]
    positive = [number for number in read if documents[number].ranges[behaviour]]
    negative = [number for number in read if not documents[number].ranges[behaviour]]
    left_out = Counter[str]()
    units_in = span_units if selection.unit == "span" else sentence_units
    tokens_of: list[list[Tokens]] = [[] for _ in documents]
    for number in positive:
        tokens_of[number] = units_in(documents[number], behaviour, left_out)
    present = [Unit(number, tokens, 1) for number in positive for tokens in tokens_of[number]]
    counts.update(left_out)
    if not present:
        raise no_units(behaviour, selection.unit, left_out, documents)
    firsts = [[int(tokens[0]) for tokens in of_document] for of_document in tokens_of]
    anchors = matched_anchors(behaviour, documents, positive, firsts)
    typical = max(1, round(selection.controls_per_position * len(present) / len(positive)))
    wanted = round(selection.negatives_per_positive_document * len(positive))
    controls: list[Unit] = []
    for number in sorted(positive + negatives_in_order(behaviour, documents, negative, selection.seed)[:wanted]):
        document, own = documents[number], tokens_of[number]
        rng = np.random.default_rng(seed_of(selection.seed, document.tokens.id, behaviour))
        covered = [*document.ranges[behaviour], *(range(int(tokens[0]), int(tokens[-1]) + 1) for tokens in own)]
        # A present unit may follow another, so a control must be as free to: neither far from one nor near to one.
        known = anchors._replace(here=(), onsets=(), anchors=firsts[number])
        count = round(selection.controls_per_position * len(own)) if document.ranges[behaviour] else typical
        if selection.unit == "sentence":
            chosen = control_sentences(document, behaviour, control, known, count, rng)
        else:
            lengths = [len(tokens) for tokens in own] or [len(unit.tokens) for unit in present]
            wanted_lengths = _spread(lengths, count, rng)
            chosen = control_stretches(document, behaviour, control, known, covered, wanted_lengths, rng)
        controls += [Unit(number, tokens, 0) for tokens in chosen]
    if not controls:
        raise no_controls(behaviour, selection.unit, len(present), left_out, documents)
    return present + controls


def _spread(lengths: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    """Return `count` lengths in the shares that they have among `lengths`."""
    return [int(length) for length in np.resize(rng.permutation(lengths), count)]
