"""Intervals hold the truth as often as they say; verdicts keep to their words; both agree with outside references."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neurosieve.ablation.effects import Estimate, Resamples, average, chance_among, sign_test, verdict_of

MORE, NONE = "matters more than its controls", "no effect beyond its controls"
FEW_SETS, FEW = "too few control sets to tell", "too few groups to tell"


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


def estimates(*means, noise=0.1, groups=40, seed=0, draws=1000):
    """Estimates of some true means, by the same resamples of the same groups."""
    rng = np.random.default_rng(seed)
    resamples = Resamples([f"g{n}" for n in range(groups)], draws, 0, 10)
    return [resamples.ratio(mean + noise * rng.normal(size=groups)) for mean in means]


def verdict(mine, others, negligible=0.0):
    [chance] = chance_among(np.array([[one.value] for one in (mine, *others)]))
    return verdict_of(mine, others, chance, negligible)


SPREAD = tuple(np.linspace(-0.02, 0.02, 19))


@pytest.mark.parametrize(
    ("target", "controls", "said"),
    [
        (-1.0, SPREAD, MORE),
        (1.0, SPREAD, MORE),
        (-1.0, (-0.5,) * 19, MORE),
        (-0.5, (-0.5,) * 19, NONE),
        (0.0, (0.0,) * 19, NONE),
        (-0.1, (-1.0,) * 19, NONE),  # Less than other neurons is no effect of its own.
        (-1.0, (*SPREAD, -1.5), NONE),  # One set of controls does more: that is no effect beyond them.
        (-0.5, (0.6,) * 19, NONE),  # As large, the other way.
        (-1.0, SPREAD[:18], FEW_SETS),
        (-1.0, (0.0, 0.02, -0.02), FEW_SETS),
        (-0.5, (-0.5, -0.5, -0.6), NONE),
    ],
)
def test_a_verdict_says_what_the_changes_say(target, controls, said):
    mine, *others = estimates(target, *controls)
    assert verdict(mine, others) == said


def test_no_verdict_is_given_on_too_few_groups():
    mine, *others = estimates(-1.0, *SPREAD, groups=9)
    assert verdict(mine, others) == FEW


def test_what_the_arithmetic_rounds_is_no_effect():
    mine, *others = estimates(1e-7, *[0.0] * 19, noise=1e-9)
    assert verdict(mine, others) == MORE
    assert verdict(mine, others, negligible=1e-6) == NONE


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3, 1.0, "heavy"])
def test_neurons_that_were_drawn_as_their_controls_seldom_matter(spread):
    rng, said = np.random.default_rng(0), []
    for seed in range(300):
        effects = rng.standard_t(1.5, 20) if spread == "heavy" else spread * rng.normal(size=20)
        mine, *others = estimates(*effects, noise=0.5, seed=seed, draws=400)
        said.append(verdict(mine, others))
    assert said.count(MORE) <= 24  # At most 5 % of the times: 24 of 300 are more with a chance of 2 %.


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_chance_among_control_sets_is_the_share_of_them_that_is_as_far(sets, seed):
    changes = np.round(np.random.default_rng(seed).normal(size=sets + 1), 1)
    as_far = sum(abs(one) >= abs(changes[0]) for one in changes[1:])
    assert chance_among(changes[:, None]) == pytest.approx([(1 + as_far) / (1 + sets)])


def test_many_doses_are_no_more_looks():
    rng = np.random.default_rng(0)
    found = [chance_among(rng.normal(size=(20, 8)) * 10.0 ** np.arange(8)).min() for _ in range(600)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.02)


def test_one_dose_that_stands_out_is_told_from_its_controls_among_others_that_do_not():
    changes = np.random.default_rng(1).normal(size=(20, 4))
    changes[0, 2] = 100
    chance = chance_among(changes)
    assert chance[2] == 1 / 20
    assert (np.delete(chance, 2) > 0.05).all()


def test_a_change_that_is_undefined_has_no_chance():
    chance = chance_among(np.array([[1.0, np.nan], [0.5, 2.0], [0.1, 1.0]]))
    np.testing.assert_allclose(chance, [1 / 3, np.nan])


def test_an_estimate_of_constant_units_has_no_width():
    estimate = Estimate(0.5, np.full(100, 0.5), 12)
    assert estimate.interval() == (0.5, 0.5)
    assert math.isnan(estimate.detectable), "what would be seen if it were not cannot be told"
