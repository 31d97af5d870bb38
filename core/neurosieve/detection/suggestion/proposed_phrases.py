"""Phrases for a list that misses a behaviour: proposed by half of the groups, measured on the other half."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Le

from neurosieve.detection.agreement.annotated_sentences import Annotations, Marks, agreement_table
from neurosieve.detection.suggestion.ngrams import NGram, differing_ngrams
from neurosieve.fields import check_fields
from neurosieve.texts.seeds import seed_of

__all__ = ["Proposal", "Suggest", "choose_phrases", "measure_phrases", "proposing_groups"]

_HIGHER = 1.96
"""An n-gram with a z below this is not proposed."""

_COLUMNS = ["detector", "label", "place", "phrase", "z", "in_missed", "in_others", "groups"]
_COLUMNS += ["heldout_sentences", "heldout_precision", "heldout_recall_gained"]


@dataclass(frozen=True)
class Suggest:
    """Settings of `suggest`: phrases that sentences with the behaviour hold, and that a detector misses."""

    detector: str
    """The registered detector that finds phrases; it takes them by its field `phrases`."""
    against: str | None = None
    """The behaviour whose detector, such as a judge, says where the behaviour shows; by default the annotators do, with
    `labels`."""
    first: Annotated[int, Ge(1)] = 20
    """At most so many phrases are proposed for each detector."""
    words: Annotated[int, Ge(1), Le(5)] = 5
    """The longest phrase, in words."""
    min_groups: Annotated[int, Ge(1)] = 3
    """In so many groups a phrase finds sentences that were missed, so that words of one problem are not proposed."""
    precision: Annotated[float, Gt(0), Le(1)] = 0.5
    """Of the sentences that a phrase adds, at least this share shows the behaviour, in the half that proposes."""

    def __post_init__(self) -> None:
        check_fields(self)


class Proposal(NamedTuple):
    """Phrases that were chosen, with what was looked at."""

    phrases: tuple[NGram, ...]
    tried: int
    """How many n-grams occur in missed sentences of enough groups."""
    higher: int
    """How many of them have a z that is high enough."""


def proposing_groups(groups: Iterable[str], seed: int) -> set[str]:
    """Return the half of some groups that proposes; their names and the seed alone decide."""
    ordered = sorted(set(groups), key=lambda group: seed_of(seed, "proposes", group))
    return set(ordered[: (len(ordered) + 1) // 2])


def choose_phrases(
    sentences: pd.DataFrame,
    shows: Marks,
    marked: Marks,
    find: Callable[[str], Marks],
    settings: Suggest,
    progress: Callable[[int, int], None],
) -> Proposal:
    """Return phrases that add sentences with the behaviour to those that are marked.

    N-grams are taken by their z, the highest first. One is chosen where it adds sentences of `settings.min_groups`
    groups that show the behaviour, which neither the list nor an n-gram chosen before marks, and where these are a
    share of `settings.precision` of all that it adds. So what is longer than a chosen phrase and says no more is left
    out.

    Args:
        sentences: their `text` and `group`, of the groups that propose.
        shows: which of them show the behaviour.
        marked: which of them the list marks.
        find: returns which of them a phrase marks.
        progress: is told how many n-grams of how many are done with; at the end all are.
    """
    missed, others = shows & ~marked, ~shows
    groups = sentences["group"].to_numpy()
    rows_of_missed = np.flatnonzero(missed)
    texts = sentences["text"]
    ngrams = differing_ngrams(
        texts[missed].tolist(), texts[others].tolist(), groups[missed].tolist(), settings.words, settings.min_groups
    )
    # Of n-grams that occur in the same sentences the shortest comes first.
    higher = sorted((ngram for ngram in ngrams if ngram.z >= _HIGHER), key=lambda ngram: (-ngram.z, len(ngram.text)))
    covered, chosen = marked.copy(), list[NGram]()
    for number, ngram in enumerate(higher, 1):
        if len(chosen) == settings.first:
            break
        progress(number - 1, len(higher))
        rows = rows_of_missed[list(ngram.sentences)]
        # An n-gram that adds too little is not looked for: most are part of a longer one, or hold a shorter one.
        if len(set(groups[rows[~covered[rows]]])) < settings.min_groups:
            continue
        found = find(ngram.text)
        added = found & ~covered
        right = added & shows
        if len(set(groups[right])) >= settings.min_groups and right.sum() >= settings.precision * added.sum():
            chosen.append(ngram)
            covered |= found
    if higher:
        progress(len(higher), len(higher))
    return Proposal(tuple(chosen), len(ngrams), len(higher))


def measure_phrases(
    truth: Annotations,
    name: str,
    marked: Marks,
    not_known: Marks,
    phrases: Sequence[NGram],
    found: Sequence[Marks],
    draws: int,
    seed: int,
    min_groups: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what phrases are worth on sentences of groups that had no part in proposing them.

    Args:
        truth: the sentences, with one label.
        name: the detector with the list.
        marked: which sentences the list marks.
        not_known: of which others its detector does not know whether the behaviour shows there. A phrase gains nothing
            where it marks them.
        found: which sentences each phrase marks.
        draws: resamples of the groups behind each interval.
        min_groups: with fewer groups there is no interval.

    Returns:
        A row per phrase: `detector, label, place, phrase, z, in_missed, in_others, groups, heldout_sentences`, how many
        it marks, `heldout_precision`, and `heldout_recall_gained`, what it alone adds to the list's recall. And a row
        per number of phrases from 0 on, `phrases`, with the columns of `agreement_table` for the list and so many
        phrases together. Precision and recall are of sums of weights.
    """
    [label] = truth.labels
    shows, weights, rows = truth.any_of([label]), truth.weights, []
    to_find = weights[shows & ~not_known].sum()
    for place, (phrase, marks) in enumerate(zip(phrases, found, strict=True), 1):
        right, total = weights[marks & shows].sum(), weights[marks].sum()
        gained = weights[marks & shows & ~marked & ~not_known].sum()
        rows.append(
            {
                "detector": name,
                "label": label,
                "place": place,
                "phrase": phrase.text,
                "z": phrase.z,
                "in_missed": phrase.first,
                "in_others": phrase.second,
                "groups": phrase.groups,
                "heldout_sentences": int(marks.sum()),
                "heldout_precision": right / total if total else np.nan,
                "heldout_recall_gained": gained / to_find if to_find else np.nan,
            }
        )
    together = {"0": marked}
    for place, marks in enumerate(found, 1):
        together[str(place)] = together[str(place - 1)] | marks
    curve = agreement_table(
        truth, {label: (label,)}, together, draws, seed, min_groups, dict.fromkeys(together, not_known)
    )
    numbers = curve["detector"].astype(int)
    return pd.DataFrame(rows, columns=_COLUMNS), curve.assign(detector=name, phrases=numbers)
