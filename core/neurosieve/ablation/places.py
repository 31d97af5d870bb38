"""Where in the held-out texts an effect is looked at: at the onsets of a behaviour, and elsewhere for its cost."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import pandas as pd

from neurosieve.data import TokenizedDocument
from neurosieve.errors import DataError
from neurosieve.texts.labelling import LabelledDocument
from neurosieve.texts.seeds import seed_of

__all__ = ["Place", "generator_of", "places_of", "spread"]

_FURTHER = 15
"""At most so many tokens of a span are looked at behind its onset."""


@runtime_checkable
class _Grouped(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def group(self) -> str: ...


T = TypeVar("T", bound=_Grouped)


class Place(NamedTuple):
    """A token whose log-probability, given the text before it, is looked at."""

    document: TokenizedDocument
    token: int
    label: int
    """1 the onset of a span, 0 a control position."""
    further: range
    """The tokens of the span behind its onset."""


def places_of(
    labelled: Sequence[LabelledDocument],
    table: pd.DataFrame,
    behaviour: str,
    documents: int,
    positions: int,
    seed: int,
    counts: Counter[str],
) -> tuple[list[Place], list[str]]:
    """Return where to look, document by document, and what a reader must know of it first.

    The onsets are the first tokens of all spans in at most `documents` held-out documents, drawn by seed, of as many
    groups as there are. Beside them stand at most `positions` of the run's own control positions in each document.

    Args:
        labelled: the documents of the run.
        table: its positions.
        behaviour: whose onsets.
        documents: how many documents, at most.
        positions: how many control positions of each, at most.
        seed: draws both.
        counts: gains what there is, and what was left out.

    Raises:
        DataError: no held-out document has an onset with a token before it.
    """
    warnings = list[str]()
    mine = table[table.behaviour == behaviour]
    part = "heldout"
    if not (mine.part == part).any():
        part = "ranking"
        warnings.append(
            "the run held out nothing: the effect is measured on the texts that the neurons were chosen on, and looks "
            "larger than it is; run `neurosieve find` with `selection.held_out_fraction=0.5`"
        )
    groups = set(mine.group[mine.part == part])
    usual = mine[(mine.label == 0) & (mine.part == part)]
    controls = {document: tokens.tolist() for document, tokens in usual.groupby("document").token}
    held_out = [one for one in labelled if one.tokens.group in groups]
    having = [one for one in held_out if one.ranges[behaviour]]
    counts["documents_held_out"], counts["documents_with"] = len(held_out), len(having)
    chosen = spread([one.tokens for one in having], documents, seed)
    if not any(document.id in controls for document in chosen):
        others = [one.tokens for one in held_out if one.tokens.id in controls and not one.ranges[behaviour]]
        chosen += spread(others, documents, seed)
    ranges = {one.tokens.id: one.ranges[behaviour] for one in held_out}
    places: list[Place] = []
    for document in chosen:
        behind = int(np.flatnonzero(document.usable)[-1]) + 1  # The model's context may end before the text does.
        onsets = {span.start: span for span in reversed(ranges[document.id])}
        readable = {token: span for token, span in sorted(onsets.items()) if 0 < token < behind}
        counts["onsets_left_out"] += len(onsets) - len(readable)
        for token, span in readable.items():
            places.append(Place(document, token, 1, range(token + 1, min(span.stop, token + 1 + _FURTHER, behind))))
        usable = [token for token in controls.get(document.id, ()) if token > 0]
        drawn = generator_of(seed, document.id).permutation(usable)[:positions]
        places += [Place(document, int(token), 0, range(0)) for token in sorted(drawn)]
    counts["documents"] = len(chosen)
    counts["onsets"] = sum(place.label for place in places)
    counts["controls"] = len(places) - counts["onsets"]
    if not counts["onsets"]:
        raise DataError(
            f"no held-out document has an onset of `{behaviour}` with a token before it: give `neurosieve find` more "
            "texts"
        )
    if not counts["controls"]:
        warnings.append(f"no held-out document has a control position of `{behaviour}`: nothing is known of the cost")
    return places, warnings


def spread(ones: Iterable[T], at_most: int, seed: int) -> list[T]:
    """Return some documents by seed: one of each group first, then a second, for it is groups that count."""
    seen: Counter[str] = Counter()
    rounds: list[tuple[int, T]] = []
    for one in sorted(ones, key=lambda one: generator_of(seed, one.id).random()):
        rounds.append((seen[one.group], one))
        seen[one.group] += 1
    return [one for _, one in sorted(rounds, key=lambda pair: pair[0])[:at_most]]


def generator_of(seed: int, name: str) -> np.random.Generator:
    """Return a generator that depends on a seed and a name alone."""
    return np.random.default_rng(seed_of(seed, name))
