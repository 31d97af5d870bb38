"""Shares and faithfulness are what their formulas say, with intervals that resample groups, and nan where undefined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve.ablation.effects import Resamples
from neurosieve.ablation.group_effects import faithfulness, share_of

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
