"""Positions of one token: those near a behaviour's spans, and those that a control plugin chooses."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from neurosieve.contracts import Control
from neurosieve.data import Present, Span, TokenizedDocument
from neurosieve.errors import ConfigError, DataError
from neurosieve.texts.seeds import seed_of
from neurosieve.texts.settings import Selection
from neurosieve.texts.token_kinds import token_kinds
from neurosieve.texts.tokens import LabelledDocument, token_range
from neurosieve.wording import plural

__all__ = ["matched_anchors", "negatives_in_order", "read_at", "single_tokens"]


def single_tokens(
    behaviour: str,
    documents: Sequence[LabelledDocument],
    repeats: Collection[int],
    control: Control,
    selection: Selection,
    counts: Counter[str],
) -> list[tuple[str, int, int, int]]:
    """Return a line per present and per control position: behaviour, number of the document, token, label.

    `repeats` are the numbers of the documents that are not to be read. How many tokens cannot be read is added to
    `counts`.

    Raises:
        ConfigError: no position is inside the texts.
        DataError: there is nothing to compare with.
    """
    onsets = [[span.start for span in document.ranges[behaviour]] for document in documents]
    positive = [number for number, starts in enumerate(onsets) if starts and number not in repeats]
    negative = [number for number, starts in enumerate(onsets) if not starts and number not in repeats]
    present = [set[int]() for _ in documents]
    for number in positive:
        present[number] = read_at(documents[number], behaviour, selection, counts)
    total = sum(map(len, present))
    if not total:
        spans_shown = sum(len(onsets[number]) for number in positive)
        raise ConfigError(
            f"no position is left for `{behaviour}`: with selection.at={selection.at}"
            + (f" and offsets {list(selection.offsets)}" if selection.at == "window" else "")
            + f", every place to read near its {spans_shown:,} spans is outside the texts: "
            "read nearer to the onset"
        )
    ratio = selection.controls_per_position / len(set(_offsets(selection)))  # An anchor gives one for each offset.
    typical = max(1, round(ratio * total / len(positive)))
    anchors_of = present if selection.at in ("span", "context") else onsets
    anchors = matched_anchors(behaviour, documents, positive, anchors_of)
    lines = [(behaviour, number, token, 1) for number in positive for token in sorted(present[number])]
    wanted = round(selection.negatives_per_positive_document * len(positive))
    for number in sorted(positive + negatives_in_order(behaviour, documents, negative, selection.seed)[:wanted]):
        tokens, spans = documents[number].within(behaviour), documents[number].ranges[behaviour]
        chosen = control.choose(
            tokens,
            anchors._replace(here=spans, onsets=onsets[number], anchors=sorted(anchors_of[number])),
            round(ratio * len(present[number])) if onsets[number] else typical,
            np.random.default_rng(seed_of(selection.seed, tokens.id, behaviour)),
        )
        covered = {token for span in spans for token in span} | present[number] | documents[number].nearly(behaviour)
        places = {int(anchor) + offset for anchor in chosen for offset in _offsets(selection)}
        lines += [(behaviour, number, token, 0) for token in sorted(places - covered) if _usable(tokens, token)]
    if len(lines) == total:
        raise DataError(
            f"`{behaviour}` has {plural(total, 'position')} where it shows and none to compare with: "
            "give texts in which it does not always show, or other controls: nearer (`control.tokens=2`), or of "
            "any kind of token (`control.same_kind=false`)"
        )
    return lines


def matched_anchors(
    behaviour: str, documents: Sequence[LabelledDocument], positive: Sequence[int], tokens: Sequence[Collection[int]]
) -> Present:
    """Return the words, places and kinds that controls are matched on: those at some `tokens` of each document."""
    anchors = [(documents[number].within(behaviour), token) for number in positive for token in sorted(tokens[number])]
    kinds = [token_kinds(documents[number].tokens)[sorted(tokens[number])] for number in positive]
    token_ids = np.array([document.token_ids[token] for document, token in anchors])
    relative = np.array([document.relative[token] for document, token in anchors])
    return Present((), (), token_ids, relative, anchor_kinds=np.concatenate(kinds))


def negatives_in_order(
    behaviour: str, documents: Sequence[LabelledDocument], numbers: Sequence[int], seed: int
) -> list[int]:
    """Return those of some documents without the behaviour that can give controls, in an order drawn by the seed."""
    usable = [number for number in numbers if documents[number].within(behaviour).usable.any()]
    return sorted(usable, key=lambda number: seed_of(seed, documents[number].tokens.id))


def _offsets(selection: Selection) -> tuple[int, ...]:
    return {"prediction": (-1,), "window": selection.offsets}.get(selection.at, (0,))


def read_at(document: LabelledDocument, behaviour: str, selection: Selection, counts: Counter[str]) -> set[int]:
    """Return the tokens to read for the spans of a behaviour; how many cannot be read is added to `counts`."""
    tokens = document.within(behaviour)
    wanted: list[int] = []
    for span, covered in zip(document.spans[behaviour], document.ranges[behaviour], strict=True):
        if selection.at == "span":
            wanted += covered
        elif selection.at == "context":
            wanted += token_range(tokens, Span(span.start - selection.characters, span.end + selection.characters))
        else:
            wanted += [covered.start + offset for offset in _offsets(selection)]
    readable = {token for token in wanted if _usable(tokens, token)}
    counts["positions_outside"] += len(set(wanted) - readable)
    return readable


def _usable(tokens: TokenizedDocument, token: int) -> bool:
    return 0 <= token < len(tokens.usable) and bool(tokens.usable[token])
