"""The smallest dose is the one that a search of every dose finds, wherever effects grow with the dose."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve.ablation.circuits.smallest_dose import dose_grid, smallest_dose


@given(st.integers(1, 5000))
def test_a_grid_starts_at_one_ends_at_the_largest_and_never_more_than_leaps_by_half_a_decade(largest):
    doses = dose_grid(largest)
    assert doses[0] == 1
    assert doses[-1] == largest
    assert all(1 < after / before <= 2.5 for before, after in pairwise(doses))


@given(
    st.lists(st.floats(0.001, 10), min_size=1, max_size=300),
    st.sampled_from([-1, 1]),
    st.floats(0.05, 1),
)
def test_of_effects_that_grow_it_is_the_first_with_the_share(steps, sign, share):
    effects = {k: sign * sum(steps[:k]) for k in range(1, len(steps) + 1)}
    smallest = smallest_dose({k: effects[k] for k in dose_grid(len(steps))}, effects.__getitem__, share)
    whole = effects[len(steps)]
    assert smallest.k == min(k for k, effect in effects.items() if effect / whole >= share)
    assert list(smallest.effects) == sorted(smallest.effects)
    assert len(smallest.effects) <= len(dose_grid(len(steps))) + 9
    assert all(smallest.effects[k] == effects[k] for k in smallest.effects)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=300), st.floats(0.05, 1))
def test_whatever_the_effects_it_has_the_share_and_the_one_below_it_has_not(values, share):
    effects = dict(enumerate([*values, 5.0], 1))
    smallest = smallest_dose({k: effects[k] for k in dose_grid(len(effects))}, effects.__getitem__, share)
    assert effects[smallest.k] / 5 >= share
    assert smallest.k == 1 or smallest.effects[smallest.k - 1] / 5 < share


def test_a_dose_of_the_wrong_sign_is_not_enough():
    assert smallest_dose({1: 9.0, 2: -9.0, 5: -10.0}, {3: -9.5, 4: -9.8}.__getitem__, 0.5).k == 2


def test_a_single_dose_is_the_smallest():
    assert smallest_dose({1: -0.2}, pytest.fail, 0.5).k == 1
