"""What edits of groups of neurons do to the measured tokens of some texts, with intervals by groups of texts."""

import math
from collections.abc import Sequence
from itertools import compress
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurosieve.ablation.edited_passes import Forced
from neurosieve.ablation.effects import FEW_SETS, Estimate, Resamples, average, chance_among, verdict_of
from neurosieve.ablation.measured_tokens import MeasuredToken
from neurosieve.ablation.teacher_forcing import NEGLIGIBLE

__all__ = ["GroupEffects", "GroupVerdict", "faithfulness", "share_of"]

GroupVerdict = Literal[
    "an effect",
    "an effect of the other sign",
    "no effect that can be told from 0",
    "no effect beyond that of its control neurons",
]


def share_of(resamples: Resamples, part: Float[ndarray, "units"], whole: Float[ndarray, "units"]) -> Estimate:
    """Return the sum of `part` over that of `whole`; nan where the interval of the mean of `whole` holds 0.

    Numerator and denominator are of the same resamples of the groups. A ratio by a number that may be 0 has no
    interval (Fieller 1954, Some problems in interval estimation, J. R. Stat. Soc. B 16).
    """
    low, high = resamples.ratio(whole).interval()
    if math.isnan(low) or low <= 0 <= high:
        return Estimate(math.nan, np.empty(0), resamples.groups)
    return resamples.ratio(part, whole)


def faithfulness(
    resamples: Resamples, kept: Float[ndarray, "onsets"], without_all: Float[ndarray, "onsets"]
) -> Estimate:
    """Return the share of the behaviour that some neurons keep by themselves: 1 all of it, 0 none.

    With m the mean log-probability of the onsets: (m(kept) - m(all ablated)) / (m(unedited) - m(all ablated)). It is
    nan unless the model without any of the neurons is shown to do worse than the unedited one: otherwise nothing is
    lost of which a share could be kept.

    Source: Marks et al. (2024), Sparse feature circuits, arXiv 2403.19647.

    Args:
        kept: the change of each onset's log-probability where all other neurons are ablated.
        without_all: the same where these are ablated too.
    """
    if not resamples.ratio(-without_all).interval()[0] > 0:
        return Estimate(math.nan, np.empty(0), resamples.groups)
    return resamples.ratio(kept - without_all, -without_all)


class GroupEffects:
    """The changes under some edits, and their means over onsets and control tokens, with intervals by groups."""

    def __init__(self, forced: Forced, tokens: Sequence[MeasuredToken], draws: int, seed: int, fewest: int) -> None:
        self.forced = forced
        self._onset = np.array([token.label == 1 for token in tokens])
        self._groups = [token.document.group for token in tokens]
        self._settings = draws, seed, fewest
        self.resamples = Resamples(list(compress(self._groups, self._onset)), *self._settings)
        """The resamples of the groups of the onsets."""

    def at_onsets(self, edit: int) -> Float[ndarray, "onsets"]:
        """Return the change of the log-probability of each onset."""
        changes: Float[ndarray, "onsets"] = self.forced.change[edit, self._onset]
        return changes

    def effect(self, edit: int) -> Estimate:
        """Return the mean of that."""
        return self.resamples.ratio(self.at_onsets(edit))

    def beyond(self, edit: int, controls: Sequence[int]) -> Estimate:
        """Return the effect less the mean of those of some other edits."""
        return self.effect(edit) - average([self.effect(control) for control in controls])

    def verdict(self, edit: int, controls: Sequence[int], expected: float = 0.0) -> GroupVerdict:
        """Return what the edit has, beside the same edit of each set of controls: an effect, or what it lacks.

        Beyond its controls is what `verdict_of` calls so; with too few sets for its test of chance, without that.

        Args:
            expected: an effect of the sign that it should have; 0 where either will do.
        """
        effect, of_controls = self.effect(edit), [self.effect(control) for control in controls]
        low, high = effect.interval()
        if not (low > 0 or high < 0) or abs(effect.value) <= NEGLIGIBLE:
            return "no effect that can be told from 0"
        if effect.value * expected < 0:
            return "an effect of the other sign"
        chance = chance_among(np.array([[each.value] for each in (effect, *of_controls)]))
        verdict = verdict_of(effect, of_controls, float(chance[0]), NEGLIGIBLE)
        if verdict in ("matters more than its controls", FEW_SETS):
            return "an effect"
        return "no effect beyond that of its control neurons"

    def share(self, edit: int, whole: int) -> Estimate:
        """Return which share of the effect of another edit it has."""
        return share_of(self.resamples, self.at_onsets(edit), self.at_onsets(whole))

    def faithfulness(self, kept: int, without_all: int) -> Estimate:
        """Return the share of the behaviour that is kept under one edit, of what is lost under another."""
        return faithfulness(self.resamples, self.at_onsets(kept), self.at_onsets(without_all))

    def effect_elsewhere(self, edit: int) -> Estimate:
        """Return the mean change of the log-probability of tokens at control positions; nan where there are none."""
        return self._elsewhere(self.forced.change[edit])

    def kl_elsewhere(self, edit: int) -> Estimate:
        """Return the mean divergence of the unedited distribution there; nan where there are none."""
        return self._elsewhere(self.forced.kl[edit])

    def _elsewhere(self, values: Float[ndarray, "tokens"]) -> Estimate:
        if self._onset.all():
            return Estimate(math.nan, np.empty(0), 0)
        return Resamples(list(compress(self._groups, ~self._onset)), *self._settings).ratio(values[~self._onset])
