"""Shares and faithfulness are what their formulas say, with intervals that resample groups, and nan where undefined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve.ablation.circuits.group_effects import GroupEffects, faithfulness, share_of
from neurosieve.ablation.edited_passes import Forced
from neurosieve.ablation.effects import Resamples, chance_among, verdict_of
from neurosieve.ablation.measured_tokens import MeasuredToken
from neurosieve.data import TokenizedDocument

GROUPS = [f"g{number // 2}" for number in range(40)]


def resamples(min_groups=10, draws=500):
    return Resamples(GROUPS, draws, 0, min_groups)


def values(seed, mean, spread=0.3):
    return np.random.default_rng(seed).normal(mean, spread, len(GROUPS))


@given(st.integers(0, 99), st.floats(-3, 3))
def test_faithfulness_is_the_formula_of_the_literature_on_log_probabilities(seed, kept_mean):
    unedited, kept, without_all = values(seed, -1), values(seed + 1, -4 + kept_mean), values(seed + 2, -6)
    expected = (kept.mean() - without_all.mean()) / (unedited.mean() - without_all.mean())
    kept_share = faithfulness(resamples(), kept - unedited, without_all - unedited)
    assert kept_share.value == pytest.approx(expected)
    low, high = kept_share.interval()
    assert low <= kept_share.value <= high


@given(st.integers(0, 99), st.floats(0.01, 100))
def test_neither_the_unit_nor_what_is_common_to_numerator_and_denominator_moves_it(seed, unit):
    kept, without_all = values(seed, -0.5), values(seed + 1, -2)
    once = faithfulness(resamples(), kept, without_all)
    again = faithfulness(resamples(), unit * kept, unit * without_all)
    assert again.value == pytest.approx(once.value)
    assert again.interval() == pytest.approx(once.interval())


def test_to_keep_everything_is_one_and_to_keep_nothing_is_zero_without_any_spread():
    without_all = values(0, -2)
    assert faithfulness(resamples(), np.zeros(40), without_all).value == pytest.approx(1)
    assert faithfulness(resamples(), np.zeros(40), without_all).interval() == pytest.approx((1, 1))
    assert faithfulness(resamples(), without_all, without_all).interval() == pytest.approx((0, 0))


@given(st.integers(0, 99))
def test_part_and_rest_share_the_whole(seed):
    part, rest = values(seed, -1), values(seed + 1, -2)
    shares = [share_of(resamples(), each, part + rest) for each in (part, rest)]
    assert shares[0].value + shares[1].value == pytest.approx(1)
    np.testing.assert_allclose(shares[0].draws + shares[1].draws, 1)


def test_where_the_whole_may_be_nothing_there_is_no_share():
    undefined = share_of(resamples(), values(0, -1), values(1, 0))
    assert np.isnan([undefined.value, *undefined.interval()]).all()


@pytest.mark.parametrize("without_all", [0.0, 0.05, 2.0])
def test_where_the_model_without_any_of_the_neurons_does_no_worse_nothing_is_lost_to_keep_a_share_of(without_all):
    undefined = faithfulness(resamples(), values(0, -1), values(1, without_all))
    assert np.isnan([undefined.value, *undefined.interval()]).all()


def onsets():
    """The token of a document of its own for each unit."""
    start, known = np.zeros(1, dtype=int), np.ones(1, dtype=bool)
    made = (TokenizedDocument("d", group, "a", start, start, start + 1, known, np.zeros(1)) for group in GROUPS)
    return [MeasuredToken(document, 0, 1, range(0)) for document in made]


def group_effects(target, *controls):
    change = np.array([target, *controls])
    nothing = np.full_like(change, np.nan)
    forced = Forced(np.zeros(40), change, nothing, nothing, 0, 0)
    return GroupEffects(forced, onsets(), 500, 0, 10)


@pytest.mark.parametrize(
    ("target", "control", "expected", "verdict"),
    [
        (-1, 0, 0, "an effect"),
        (-1, 0, -2, "an effect"),
        (1, 0, -2, "an effect of the other sign"),
        (0, 0, -2, "no effect that can be told from 0"),
        (-1, -1.2, 0, "no effect beyond that of its control neurons"),
    ],
)
def test_the_verdict_on_a_group_is_an_effect_or_what_it_lacks(target, control, expected, verdict):
    effects = group_effects(values(0, target), values(1, 0), values(2, control), values(3, 0))
    assert effects.verdict(0, [1, 2, 3], float(expected)) == verdict


@given(st.integers(0, 99), st.sampled_from([-1.0, -0.3, -0.1, 0.1]), st.sampled_from([3, 19]))
def test_a_group_has_an_effect_only_where_the_other_modes_say_no_less(seed, mean, sets):
    measured = group_effects(values(seed, mean), *(values(seed + number, 0, 0.6) for number in range(1, sets + 1)))
    target, *controls = [measured.effect(edit) for edit in range(sets + 1)]
    chance = chance_among(np.array([[each.value] for each in (target, *controls)]))[0]
    there = verdict_of(target, controls, chance, 1e-4) != "no effect beyond its controls"
    assert (measured.verdict(0, range(1, sets + 1)) == "an effect") == there


def test_with_few_groups_there_is_no_share():
    assert np.isnan(share_of(resamples(min_groups=21), values(0, -1), values(1, -2)).value)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    truth, covered = 0.5, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        group = np.repeat(rng.normal(0, 0.5, 20), 2)  # What the onsets of one group have in common.
        whole = -2 + group + rng.normal(0, 0.5, 40)
        part = truth * (-2 + group) + rng.normal(0, 0.5, 40)
        low, high = share_of(Resamples(GROUPS, 300, seed, 10), part, whole).interval()
        covered += low <= truth <= high
    assert 0.89 <= covered / 200 <= 0.99
