"""Control neurons fire like their targets, and are none of those that may matter."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import ConfigError, Neuron
from neurosieve.ablation.control_neurons import Firing, draw_controls, firing_of


def layers(neurons=60, count=3, seed=0):
    rng = np.random.default_rng(seed)
    held = {layer: Firing(rng.uniform(0.01, 0.5, neurons), rng.lognormal(size=neurons)) for layer in range(count)}
    return held.__getitem__, list(held)


def neurons_of(matches):
    return [match.neuron for match in matches]


def test_firing_is_counted_as_it_is_defined():
    rng = np.random.default_rng(0)
    held = (rng.normal(size=(300, 8)) * np.array([0.1, 1, 1, 2, 3, 0.5, 1, 4])).astype(np.float32)
    found = firing_of(torch.from_numpy(held))
    largest = np.sort(np.abs(held).ravel())[::-1][: held.size // 10]  # The largest tenth of all activations.
    expected = [(np.abs(held[:, neuron]) >= largest.min()).sum() for neuron in range(8)]
    np.testing.assert_allclose(found.frequency * 302 - 1, expected, atol=1.001)
    np.testing.assert_allclose(found.magnitude, np.sqrt((held.astype(float) ** 2).mean(axis=0)), rtol=1e-6)


def test_where_most_activations_are_zero_a_neuron_fires_where_it_is_not():
    held = torch.zeros(100, 50)
    held[:30, 0], held[:2, 1] = 0.001, 5.0
    found = firing_of(held)
    np.testing.assert_allclose(found.frequency[:3] * 102 - 1, [30, 2, 0])


def test_silent_neurons_are_alike_however_small_what_they_hold():
    held = torch.ones(100, 50)
    held[:, 0], held[:, 1] = 0.0, 1e-9
    found = firing_of(held)
    assert found.magnitude[0] == found.magnitude[1] > 0


def test_controls_are_of_the_same_layer_and_near_in_frequency_and_magnitude():
    firing, every = layers(neurons=2000)
    targets = [Neuron(0, 3), Neuron(2, 900), Neuron(0, 44)]
    found = draw_controls(targets, every, firing, frozenset(), 1, seed=0)[0]
    for target, match in zip(targets, found, strict=True):
        assert match.neuron.layer == target.layer
        assert not match.wide
        ratios = [
            firing(target.layer)[kind][match.neuron.neuron] / firing(target.layer)[kind][target.neuron]
            for kind in (0, 1)
        ]
        assert match.ratio == pytest.approx(max(max(one, 1 / one) for one in ratios))
        assert match.ratio < 1.5


@given(st.integers(0, 20), st.integers(1, 15))
def test_no_control_is_a_target_or_among_the_best_or_twice(seed, count):
    firing, every = layers(seed=seed)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(180, 15 + count, replace=False)
    best, targets = ([Neuron(int(n) // 60, int(n) % 60) for n in part] for part in (drawn[:15], drawn[15:]))
    found = neurons_of(draw_controls(targets, every, firing, frozenset(best), 1, seed)[0])
    assert len(set(found)) == count
    assert not set(found) & set(best)
    assert not set(found) & set(targets)


def test_a_seed_draws_the_same_controls_again_and_another_seed_others():
    firing, every = layers(neurons=500)
    targets = [Neuron(layer, neuron) for layer in range(3) for neuron in range(4)]
    first, again, other = (
        neurons_of(draw_controls(targets, every, firing, frozenset(), 1, seed)[0]) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_a_control_is_one_of_the_ten_nearest():
    firing, every = layers(neurons=500)
    target, nearest = Neuron(1, 7), set()
    for seed in range(200):
        nearest |= set(neurons_of(draw_controls([target], every, firing, frozenset(), 1, seed)[0]))
    assert len(nearest) == 10

    def far(neuron):
        held = firing(1)
        return max(abs(np.log(held[kind][neuron] / held[kind][7])) for kind in (0, 1))

    expected = sorted((neuron for neuron in range(500) if neuron != 7), key=far)[:10]
    assert {neuron.neuron for neuron in nearest} == set(expected)


def test_where_a_layer_is_short_one_of_the_best_is_taken_and_then_another_layer():
    firing, every = layers(neurons=3, count=2)
    targets, best = [Neuron(0, 0), Neuron(0, 1)], frozenset({Neuron(0, 2), Neuron(1, 0)})
    [[first, second]] = draw_controls(targets, every, firing, best, 1, seed=0)
    assert first.neuron == Neuron(0, 2)
    assert second.neuron.layer == 1
    assert second.neuron != Neuron(1, 0)
    assert first.wide
    assert second.wide


def test_too_many_targets_are_refused():
    firing, every = layers(neurons=3, count=1)
    with pytest.raises(ConfigError, match=r"left to compare with L0N[01]: with 2 neurons .* edit fewer neurons"):
        draw_controls([Neuron(0, 0), Neuron(0, 1)], every, firing, frozenset(), 1, seed=0)


def test_no_two_sets_have_the_same_control_for_the_same_target_and_all_are_near():
    firing, every = layers(neurons=2000)
    targets = [Neuron(layer, neuron) for layer in range(3) for neuron in range(4)]
    sets = draw_controls(targets, every, firing, frozenset(), 19, seed=0)
    for place in range(len(targets)):
        assert len({one[place].neuron for one in sets}) == 19
    for one in sets:
        assert len(set(neurons_of(one))) == len(targets)
    assert np.median([match.ratio for one in sets for match in one]) < 1.3


def test_more_targets_leave_the_controls_of_the_first_as_they_are():
    firing, every = layers(neurons=500)
    targets = [Neuron(layer, neuron) for neuron in range(3) for layer in range(3)]
    few, many = (draw_controls(targets[:k], every, firing, frozenset(targets), 5, seed=0) for k in (2, 9))
    assert [neurons_of(one) for one in few] == [neurons_of(one)[:2] for one in many]


def test_no_set_is_nearer_to_the_targets_than_another_by_its_number():
    firing, every = layers(neurons=400)
    ratios = np.array(
        [
            [one[0].ratio for one in draw_controls([Neuron(0, 7)], every, firing, frozenset(), 8, seed)]
            for seed in range(150)
        ]
    )
    assert np.ptp(ratios.mean(axis=0)) < 4 * ratios.std() / np.sqrt(150)
