"""Two halves of the measured texts: one chooses, the other tells the effect, so that no text does both."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from neurosieve.ablation.measured_tokens import MeasuredToken
from neurosieve.errors import DataError
from neurosieve.texts.draws import generator_of

__all__ = ["Halves", "halves_of", "halves_table"]


class Halves(NamedTuple):
    """Measured tokens in two parts that share no group."""

    choosing: list[MeasuredToken]
    """Where the neurons are chosen."""
    estimating: list[MeasuredToken]
    """Where the effects of the chosen ones are told."""


def halves_of(tokens: Sequence[MeasuredToken], seed: int, min_groups: int) -> Halves:
    """Return the tokens in two halves by groups, drawn by seed; each has as many groups with an onset as the other.

    Raises:
        DataError: a half has fewer groups with an onset than `min_groups`.
    """
    with_onset = {token.document.group for token in tokens if token.label == 1}
    if len(with_onset) < 2 * min_groups:
        raise DataError(
            f"the held-out texts with an onset are of {len(with_onset)} groups, and `mode=circuit` needs "
            f"{2 * min_groups}: half of them choose the neurons, the other half tell their effect, and each needs "
            f"{min_groups} (`min_groups`); give `neurosieve find` more texts, or take more of them with `documents`"
        )
    choosing = set[str]()
    for groups in (with_onset, {token.document.group for token in tokens} - with_onset):
        shuffled = generator_of(seed, "halves").permutation(sorted(groups))
        choosing |= set(shuffled[: len(groups) // 2].tolist())
    return Halves(
        [token for token in tokens if token.document.group in choosing],
        [token for token in tokens if token.document.group not in choosing],
    )


def halves_table(behaviour: str, halves: Halves) -> pd.DataFrame:
    """Return a row for each measured token, with the half that it is in; `label` is 1 at an onset."""
    rows = [
        (behaviour, half, token.document.id, token.document.group, token.token, token.label)
        for half, tokens in halves._asdict().items()
        for token in tokens
    ]
    return pd.DataFrame(rows, columns=["behaviour", "half", "document", "group", "token", "label"])
