"""Which groups are held out of the ranking: decided before any activation is read."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from neurosieve.errors import DataError
from neurosieve.texts.sameness import canonical
from neurosieve.texts.seeds import seed_of
from neurosieve.texts.tokens import LabelledDocument
from neurosieve.wording import plural

__all__ = ["split_by_hash", "split_groups"]

_FEW_GROUPS = 5
"""If all documents are in so few groups, several in each, `group_field` may hold something else than the problem."""


def split_groups(
    chosen: pd.DataFrame,
    documents: Sequence[LabelledDocument],
    behaviours: Sequence[str],
    share: float,
    seed: int,
    counts: Counter[str],
) -> dict[str, int]:
    """Return the part of each group, 0 or 1: the same share of every combination of behaviours is held out.

    Raises:
        DataError: a behaviour shows, or has controls, in too few groups to be in both parts.
    """
    present = chosen[chosen.label == 1]
    shown: dict[str, set[str]] = {documents[number].tokens.group: set() for number in chosen.number.unique()}
    for behaviour, number in present[["behaviour", "number"]].drop_duplicates().itertuples(index=False):
        shown[documents[number].tokens.group].add(behaviour)
    ordered = sorted(shown, key=lambda group: (sorted(shown[group]), seed_of(seed, group)))
    # Every 1/share-th group in this order: each stratum gives its share, to within one.
    part = {group: int((place + 1) * share + 0.5) - int(place * share + 0.5) for place, group in enumerate(ordered)}
    if share:
        for behaviour in behaviours:
            for label, has in ((1, "shows"), (0, "has controls")):
                numbers = chosen[(chosen.behaviour == behaviour) & (chosen.label == label)].number.unique()
                groups = {documents[number].tokens.group for number in numbers}
                if not 0 < sum(part[group] for group in groups) < len(groups):
                    raise DataError(
                        f"`{behaviour}` {has} in {plural(len(groups), 'group')}, too few to hold out {100 * share:g}% "
                        f"of them for the replication{_joined(counts)}: {_more_groups(documents, counts)}, or "
                        "`selection.held_out_fraction=0` to rank on all and replicate on none"
                    )
    return part


def _more_groups(documents: Sequence[LabelledDocument], counts: Counter[str]) -> str:
    """Return what gives more groups: where all documents are in few of them, it is mostly the wrong field."""
    if counts["groups_with_texts_alike"]:
        return (
            "copies are one piece of evidence, a long answer also after different prompts: give texts that differ, or "
            "count each (`selection.near_duplicates=null`; noise then has a small p)"
        )
    groups = {document.tokens.group for document in documents}
    if len(groups) > _FEW_GROUPS or 2 * len(groups) > len(documents):
        return "give more texts"
    return (
        f"all {plural(len(documents), 'document')} are in {plural(len(groups), 'group')}; set `source.group_field` to "
        "the field that tells their problems apart, give texts of more problems"
    )


def _joined(counts: Counter[str]) -> str:
    """Return how many groups were joined, and why, and how many texts were left out, where some were."""
    names, texts = counts["groups_spelled_differently"], counts["groups_with_texts_alike"]
    reasons = [f"{plural(names, 'group')} had the name of another"] if names else []
    reasons += [f"{plural(texts, 'group')} had the same text as another, or nearly"] if texts else []
    joined = f" ({' and '.join(reasons)}, and joined it)" if reasons else ""
    repeated = counts["texts_repeated"]
    return joined + (f" ({plural(repeated, 'copy', 'copies')} of a text left out)" if repeated else "")


def split_by_hash(group: str, seed: int, share: float) -> int:
    """Return the part of a group by chance alone, 0 or 1: for groups that are not known beforehand.

    Groups whose names are the same are in one part.
    """
    # The word is part of the hash: another word would give another split.
    return int(seed_of(seed, "dealt", canonical(group)) < share * 2**64)
