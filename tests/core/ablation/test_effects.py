"""Intervals hold the truth as often as they say; verdicts keep to their words; both agree with outside references."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neurosieve.ablation.effects import Estimate, Resamples, average, sign_test, verdict_of

MORE, LESS = "matters more than its controls", "matters less than its controls"
NONE, FEW = "no effect beyond its controls", "too few groups to tell"


def clustered(rng, groups=12, effect=0.3, spread=0.5):
    """Units of some groups, each group with an effect of its own around the true one."""
    sizes = rng.integers(1, 9, groups)
    of_group = effect + spread * rng.normal(size=groups)
    names = np.repeat([f"g{number}" for number in range(groups)], sizes).tolist()
    return names, np.repeat(of_group, sizes) + rng.normal(size=sizes.sum())


@pytest.mark.parametrize("groups", [10, 30])
def test_an_interval_of_clustered_units_holds_the_truth_nineteen_times_in_twenty(groups):
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        names, values = clustered(rng, groups)
        low, high = Resamples(names, 1000, trial, 10).ratio(values).interval()
        held += low <= 0.3 <= high
    assert 0.91 <= held / 200 <= 0.985


def test_the_interval_of_single_units_is_that_of_student():
    rng = np.random.default_rng(1)
    values = rng.normal(size=40)
    estimate = Resamples([f"g{n}" for n in range(40)], 20_000, 0, 10).ratio(values)
    expected = stats.t.interval(0.95, 39, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose(estimate.interval(), expected, atol=0.02)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.error == pytest.approx(stats.sem(values), rel=0.03)


def test_a_rate_is_a_sum_by_a_sum_not_a_mean_of_rates():
    estimate = Resamples(list("aabb"), 100, 0, 2).ratio([1, 0, 3, 0], [10, 10, 70, 10])
    assert estimate.value == pytest.approx(4 / 100)
    assert set(np.round(estimate.draws, 6)) == {round(1 / 20, 6), round(4 / 100, 6), round(3 / 80, 6)}


def test_conditions_stay_paired_as_groups_are_resampled():
    rng = np.random.default_rng(2)
    names, values = clustered(rng, 20, spread=5.0)
    resamples = Resamples(names, 500, 0, 10)
    before, after = resamples.ratio(values), resamples.ratio(values + 0.25)
    low, high = (after - before).interval()
    assert low == pytest.approx(0.25)
    assert high == pytest.approx(0.25)
    assert after.interval()[1] - after.interval()[0] > 1


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_sign_test_of_single_units_is_the_exact_test_of_mcnemar(up, down):
    change = [1] * up + [-1] * down + [0] * 7
    found = sign_test(change, [f"g{number}" for number in range(len(change))])
    fewer, both = min(up, down), up + down  # The formula of McNemar's exact test, by hand.
    expected = min(1.0, 2 * sum(math.comb(both, k) for k in range(fewer + 1)) / 2**both) if both else 1.0
    assert found == pytest.approx(expected)


def test_the_sign_test_counts_a_group_once_however_many_samples_it_has():
    assert sign_test([1, 1, 1, 1, -1], ["a", "a", "a", "b", "c"]) == sign_test([1, 1, -1], ["a", "b", "c"])
    assert sign_test([1, -1], ["a", "a"]) == 1


def test_the_smallest_detectable_effect_is_found_four_times_in_five():
    rng = np.random.default_rng(3)
    groups, found = [f"g{n}" for n in range(60)], 0
    detectable = 2.8016 / math.sqrt(60)  # (z of 0.975 + z of 0.8) times the standard error of unit noise.
    for trial in range(200):
        low, _ = Resamples(groups, 500, trial, 10).ratio(detectable + rng.normal(size=60)).interval()
        found += low > 0
    assert 0.74 <= found / 200 <= 0.86
    estimate = Resamples(groups, 5000, 0, 10).ratio(rng.normal(size=60))
    assert estimate.detectable == pytest.approx(2.8016 * estimate.error, rel=1e-3)


def test_fewer_groups_than_are_enough_get_no_interval():
    names, values = clustered(np.random.default_rng(4), 9)
    estimate = Resamples(names, 500, 0, 10).ratio(values)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.groups == 9
    assert np.isnan([*estimate.interval(), estimate.error, estimate.detectable]).all()


def test_what_is_undefined_is_nan():
    resamples = Resamples([f"g{n}" for n in range(12)], 200, 0, 10)
    nothing = resamples.ratio(np.zeros(12), np.zeros(12))
    assert math.isnan(nothing.value)
    assert np.isnan(nothing.interval()).all()
    rare = resamples.ratio(np.eye(12)[0], np.eye(12)[0])  # Undefined in each draw that lacks the one group.
    assert rare.value == 1
    assert np.isnan(rare.interval()).all()
    assert math.isnan(rare.error)


def test_estimates_can_be_averaged_and_raised():
    resamples = Resamples([f"g{n}" for n in range(12)], 200, 0, 10)
    one, other = resamples.ratio(np.arange(12)), resamples.ratio(np.ones(12))
    both = average([one, other])
    assert both.value == pytest.approx((5.5 + 1) / 2)
    np.testing.assert_allclose(both.draws, (one.draws + 1) / 2)
    assert other.exp().value == pytest.approx(math.e)
    np.testing.assert_allclose(one.exp().draws, np.exp(one.draws))


def estimates(*means, noise=0.1, groups=40, seed=0):
    """Estimates of some true means, by the same resamples of the same groups."""
    rng = np.random.default_rng(seed)
    resamples = Resamples([f"g{n}" for n in range(groups)], 1000, 0, 10)
    return [resamples.ratio(mean + noise * rng.normal(size=groups)) for mean in means]


@pytest.mark.parametrize(
    ("target", "controls", "verdict"),
    [
        (-1.0, (0.0, 0.02, -0.02), MORE),
        (1.0, (0.0, 0.02, -0.02), MORE),
        (-1.0, (-0.5, -0.6, -0.4), MORE),
        (-0.5, (-0.5, -0.5, -0.5), NONE),
        (0.0, (0.0, 0.0, 0.0), NONE),
        (-0.1, (-1.0, -0.9, -1.1), LESS),
        (0.0, (-1.0, -0.9, -1.1), LESS),
        (-1.0, (0.0, 0.0, -1.5), NONE),  # One set of controls does more: that is no effect beyond them.
        (-0.5, (0.5, 0.5, 0.6), NONE),  # As large, the other way.
    ],
)
def test_a_verdict_says_what_the_changes_say(target, controls, verdict):
    mine, *others = estimates(target, *controls)
    assert verdict_of(mine, others) == verdict


def test_no_verdict_is_given_on_too_few_groups():
    mine, *others = estimates(-1.0, 0.0, groups=9)
    assert verdict_of(mine, others) == FEW


def test_what_the_arithmetic_rounds_is_no_effect():
    mine, *others = estimates(1e-7, 0.0, noise=1e-9)
    assert verdict_of(mine, others) == MORE
    assert verdict_of(mine, others, negligible=1e-6) == NONE


def test_pure_noise_seldom_matters():
    verdicts = [verdict_of(*(lambda e: (e[0], e[1:]))(estimates(0, 0, 0, 0, seed=seed))) for seed in range(200)]
    assert verdicts.count(MORE) <= 10


def test_an_estimate_of_constant_units_has_no_width():
    estimate = Estimate(0.5, np.full(100, 0.5), 12)
    assert estimate.interval() == (0.5, 0.5)
    assert math.isnan(estimate.detectable), "what would be seen if it were not cannot be told"
