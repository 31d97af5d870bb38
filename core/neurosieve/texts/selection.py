"""Which positions are read: decided before any activation is."""

import dataclasses
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Le, Lt

from neurosieve.contracts import Control
from neurosieve.data import Present, Span, TokenizedDocument
from neurosieve.errors import ConfigError, DataError, NeurosieveError
from neurosieve.fields import check_fields
from neurosieve.texts.absence import looked_in
from neurosieve.texts.copies import repeated_readings, repeats_of
from neurosieve.texts.positions import Positions, assemble
from neurosieve.texts.seeds import seed_of
from neurosieve.texts.split import split_groups
from neurosieve.texts.token_kinds import token_kinds
from neurosieve.texts.tokens import LabelledDocument, token_range
from neurosieve.wording import plural

__all__ = ["Selection", "choose_positions", "read_at"]


@dataclass(frozen=True)
class Selection:
    """How positions are chosen, and how groups are split."""

    at: Literal["onset", "prediction", "window", "span", "context"] = "onset"
    """Where to read. `onset`: the first token of each span. `prediction`: the token before it, from which the model
    predicts it. `window`: the tokens at `offsets` from it. `span`: all of its tokens. `context`: every token within
    `characters` of the span."""
    offsets: tuple[int, ...] = (-13, -12, -11, -10, -9, -8)
    """The window, in tokens from the onset."""
    characters: Annotated[int, Ge(0)] = 50
    """How far the context reaches."""
    controls_per_position: Annotated[float, Gt(0), Lt(math.inf)] = 10.0
    """Control positions for each present one, in each document."""
    negatives_per_positive_document: Annotated[float, Ge(0), Lt(math.inf)] = 1.0
    """Documents without the behaviour that give controls, for each document with it."""
    held_out_fraction: Annotated[float, Ge(0), Lt(1)] = 0.5
    """The share of groups that is held out of the ranking; 0 ranks on all and replicates on none."""
    near_duplicates: Annotated[float, Gt(0), Le(1)] | None = 0.8
    """How much two texts have in common to be kept in one part, with their groups: the share of their runs of five
    words that both have (the Jaccard index), of what the model wrote. Of texts alike, a behaviour is read in one that
    shows it and in one that does not. 1 finds copies alone; null looks for none, and counts each as new evidence."""
    extra_positions: tuple[Literal["onset", "prediction", "window", "span"], ...] = ("prediction",)
    """Additional places to read, whose scores are reported beside the ranking: `prediction`, `window`."""
    seed: Annotated[int, Ge(0)] = 0
    """Draws the controls. It is not the run's own seed: runs over many seeds read the model once."""

    @property
    def neighbours(self) -> bool:
        """Whether several tokens of one span are read, which are alike."""
        return self.at in ("span", "context") or (self.at == "window" and len(self.offsets) > 1)

    def __post_init__(self) -> None:
        check_fields(self, "selection.")
        if "window" in (self.at, *self.extra_positions) and not self.offsets:
            raise ConfigError(
                "selection.offsets is empty: give the tokens to read, counted from the onset, such as [-3,-2,-1]"
            )


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
        raise DataError(
            f"no span of {' or '.join(f'`{name}`' for name in behaviours)} was found in "
            f"{plural(len(documents), 'document')}: {_narrower(behaviours, documents)}check what the detector looks "
            "for, and that the texts hold completions"
        )
    lines: list[tuple[str, str, int, int, int]] = []
    counts["texts_repeated"] += len(set[int]().union(*(repeats_of(behaviour, ordered) for behaviour in shown)))
    for behaviour in shown:
        of_behaviour = _positions_of(behaviour, ordered, control, selection, counts)
        present = ((ordered[number].tokens, token) for _, number, token, label in of_behaviour if label)
        counts["positions_repeated"] += repeated_readings(present)
        lines += [("", *line) for line in of_behaviour]
    places = tuple(place for place in dict.fromkeys(selection.extra_positions) if place != selection.at)
    columns = ["place", "behaviour", "number", "token", "label"]
    part = split_groups(pd.DataFrame(lines, columns=columns), ordered, shown, selection.held_out_fraction, seed, counts)
    # The ranking's own positions alone decide the split: documents that only another place would add are left out.
    for place in places:
        elsewhere, ignored = dataclasses.replace(selection, at=cast(Any, place)), Counter[str]()
        for behaviour in shown:
            try:
                extra = _positions_of(behaviour, ordered, control, elsewhere, ignored)
            except NeurosieveError:  # There is nothing to read, or nothing to compare with: its scores are nan.
                counts[f"{place}_unread"] += 1
                continue
            lines += [(place, *line) for line in extra if ordered[line[1]].tokens.group in part]
    chosen = pd.DataFrame(lines, columns=columns)
    scopes = {name: ordered[0].scopes.get(name, "completion") for name in shown}
    return assemble(chosen, ordered, part, tuple(shown), ("", *places), scopes)


def _positions_of(
    behaviour: str, documents: Sequence[LabelledDocument], control: Control, selection: Selection, counts: Counter[str]
) -> list[tuple[str, int, int, int]]:
    """Return a line per present and per control position: behaviour, number of the document, token, label."""
    repeats = repeats_of(behaviour, documents)
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
    anchors = _anchors(behaviour, documents, positive, anchors_of)
    lines = [(behaviour, number, token, 1) for number in positive for token in sorted(present[number])]
    wanted = round(selection.negatives_per_positive_document * len(positive))
    for number in sorted(positive + _negatives(behaviour, documents, negative, selection.seed)[:wanted]):
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


def _anchors(
    behaviour: str, documents: Sequence[LabelledDocument], positive: Sequence[int], tokens: Sequence[Collection[int]]
) -> Present:
    """Return the words, places and kinds that controls are matched on: those of the whole span or of its onset."""
    anchors = [(documents[number].within(behaviour), token) for number in positive for token in sorted(tokens[number])]
    kinds = [token_kinds(documents[number].tokens)[sorted(tokens[number])] for number in positive]
    token_ids = np.array([document.token_ids[token] for document, token in anchors])
    relative = np.array([document.relative[token] for document, token in anchors])
    return Present((), (), token_ids, relative, anchor_kinds=np.concatenate(kinds))


def _negatives(behaviour: str, documents: Sequence[LabelledDocument], numbers: Sequence[int], seed: int) -> list[int]:
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


def _narrower(behaviours: Sequence[str], documents: Sequence[LabelledDocument]) -> str:
    """Return in which scopes behaviours are looked for that are not looked for in all that the model wrote."""
    scopes = {name: documents[0].scopes.get(name, "completion") for name in behaviours} if documents else {}
    said = looked_in(scopes)
    return f"{said}; " if said else ""
