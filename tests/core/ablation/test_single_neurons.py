"""Verdicts on single neurons keep to their words, and intervals of noise hold 0 for all neurons together."""

import math

import numpy as np
import pytest
from scipy import stats

from neurosieve.ablation.single_neurons import Change, MeasuredChanges, SingleEffect, verdict_on
from neurosieve.runs.columns import SINGLE_VERDICTS

NOTHING, ZERO = Change(math.nan, math.nan, math.nan), Change(0.0, -0.01, 0.01)
LOW, HIGH, WIDE = Change(-0.5, -0.6, -0.4), Change(0.5, 0.4, 0.6), Change(-0.5, -1.2, 0.2)


def verdict(effect, elsewhere=ZERO, difference=None, rest=NOTHING, controls=(0.0, 0.1), fires=True):
    difference = effect if difference is None else difference
    return verdict_on(SingleEffect(effect, elsewhere, difference, rest, controls), fires, 0.05, 1e-4)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        ("drives", {"effect": LOW}),
        ("opposes", {"effect": HIGH}),
        ("not settled", {"effect": LOW, "controls": (0.0, -0.55)}),
        ("not settled", {"effect": HIGH, "controls": (0.0, 0.55)}),
        ("general", {"effect": LOW, "elsewhere": LOW, "difference": ZERO}),
        ("general", {"effect": HIGH, "elsewhere": HIGH, "difference": LOW}),
        ("drives", {"effect": LOW, "elsewhere": Change(-0.1, -0.2, -0.05), "difference": Change(-0.4, -0.5, -0.3)}),
        ("not settled", {"effect": LOW, "elsewhere": WIDE, "difference": WIDE}),
        ("not settled", {"effect": LOW, "elsewhere": NOTHING, "difference": NOTHING}),
        ("not settled", {"effect": WIDE}),
        ("reads out only", {"effect": ZERO}),
        ("reads out only", {"effect": ZERO, "rest": ZERO}),
        ("not settled", {"effect": ZERO, "rest": LOW}),
        ("not settled", {"effect": ZERO, "rest": Change(0.0, math.nan, math.nan)}),
        ("not settled", {"effect": ZERO, "fires": False}),
        ("not settled", {"effect": ZERO, "difference": Change(-0.062, -0.111, -0.016)}),
        ("not settled", {"effect": ZERO, "difference": WIDE}),
        ("not settled", {"effect": ZERO, "difference": NOTHING}),
        ("not settled", {"effect": Change(0.0, -0.06, 0.01)}),
        ("reads out only", {"effect": Change(-5e-5, -6e-5, -4e-5)}),
        ("not settled", {"effect": NOTHING}),
    ],
)
def test_a_verdict_is_given_where_all_that_it_says_is_shown(expected, given):
    assert verdict(**given) == expected
    assert expected in SINGLE_VERDICTS


def noise(rng, edits, groups, skewed):
    """Changes at three onsets and six other tokens of each group, with an effect of each group on either, of mean 0."""
    names = np.repeat([f"g{number}" for number in range(groups)], 9).tolist()
    onset = np.tile(np.arange(9) < 3, groups)
    size = (2, edits, groups)
    of_groups = 1 - rng.exponential(size=size) if skewed else rng.normal(size=size)
    at_onsets, elsewhere = np.repeat(of_groups, 9, axis=2)
    change = 0.2 * np.where(onset, at_onsets, elsewhere) + 0.1 * rng.normal(size=(edits, 9 * groups))
    return change, np.full_like(change, np.nan), onset, names


@pytest.mark.parametrize("skewed", [False, True])
def test_noise_names_a_driving_neuron_in_no_more_than_one_experiment_of_twenty(skewed):
    rng, tried, experiments, wrong, covered = np.random.default_rng(0), 10, 60, 0, 0
    for number in range(experiments):
        changes = MeasuredChanges.of(*noise(rng, 4 * tried, 20, skewed), 500, number, 10, tried)
        singles = [changes.single(edit, range(tried + 3 * edit, tried + 3 * edit + 3)) for edit in range(tried)]
        named = [verdict_on(single, True, 0.05, 1e-4) for single in singles]
        wrong += bool({"drives", "opposes"} & set(named))
        covered += all(single.effect.low <= 0 <= single.effect.high for single in singles)
    assert wrong / experiments <= 0.05
    if not skewed:
        assert covered / experiments >= 0.9


def test_the_interval_of_single_onsets_is_at_least_that_of_student_corrected_for_all_neurons():
    rng = np.random.default_rng(1)
    change = rng.normal(size=(1, 40))
    names = [f"g{number}" for number in range(40)]
    changes = MeasuredChanges.of(change, np.full((1, 40), np.nan), np.ones(40, bool), names, 20_000, 0, 10, 20)
    single = changes.single(0, [0])
    low, high = stats.t.interval(1 - 0.05 / 20, 39, loc=change.mean(), scale=stats.sem(change[0]))
    assert single.effect.low == pytest.approx(low, abs=0.04)
    assert single.effect.high == pytest.approx(high, abs=0.04)
    assert single.half_width == pytest.approx((high - low) / 2, abs=0.04)
    assert math.isnan(single.effect_control_tokens.value)
    assert math.isnan(single.difference.low)


def test_a_difference_is_paired_by_the_groups():
    rng = np.random.default_rng(2)
    of_group = np.repeat(rng.normal(size=20), 2)
    onset = np.tile([True, False], 20)
    names = np.repeat([f"g{number}" for number in range(20)], 2).tolist()
    change = (of_group - 0.1 * onset)[None]
    single = MeasuredChanges.of(change, np.full_like(change, np.nan), onset, names, 500, 0, 10, 1).single(0, [0])
    assert single.difference.low == pytest.approx(-0.1)
    assert single.difference.high == pytest.approx(-0.1)
    assert single.effect.high - single.effect.low > 0.5


def test_groups_are_counted_where_they_have_such_tokens():
    onset = np.arange(20) < 8
    names = [f"g{number}" for number in range(20)]
    change = np.random.default_rng(3).normal(size=(1, 20))
    single = MeasuredChanges.of(change, np.full_like(change, np.nan), onset, names, 200, 0, 10, 1).single(0, [0])
    assert math.isnan(single.effect.low)
    assert math.isfinite(single.effect_control_tokens.low)
    assert math.isnan(single.difference.low)
