from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurosieve import ConfigError
from neurosieve.scoring import histogram
from neurosieve.scoring.histogram import Histogram

ANY = st.one_of(st.floats(width=32, allow_nan=False), st.floats(-4, 4, width=32), st.sampled_from([0.0, -0.0]))


def random_data(positions=40, neurons=5, behaviours=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    activations = torch.randn(positions, neurons, generator=rng) * 3 + 1
    return activations, torch.randint(-1, 2, (positions, behaviours), generator=rng)


def summarised(statistic, *batches):
    return reduce(
        statistic.update, batches, statistic.empty(batches[0].labels.shape[1], batches[0].activations.shape[1])
    )


@settings(max_examples=200)
@given(values=hnp.arrays(np.float32, st.integers(1, 30), elements=ANY, fill=ANY), steps=st.sampled_from([1, 16, 256]))
def test_the_higher_of_two_activations_never_has_the_lower_bin(values, steps):
    values = torch.from_numpy(np.sort(values))
    bins = Histogram(steps).bin_of(values)
    assert (bins.diff() >= 0).all()
    assert (bins >= 0).all()
    assert (bins < Histogram(steps).bins - 1).all()


@given(value=st.floats(2**-22, 500, width=32), steps=st.sampled_from([2, 16, 256]))
def test_what_shares_a_bin_is_nearly_equal(value, steps):
    near, far = value * (1 + 0.01 / steps), value * (1 + 1.01 / steps)
    bins = Histogram(steps).bin_of(torch.tensor([value, near, far, -value, -far], dtype=torch.float64))
    assert bins[1] - bins[0] <= 1
    assert bins[2] > bins[0]
    assert bins[3] > bins[4]


@given(values=hnp.arrays(np.float32, 8, elements=ANY, fill=ANY))
def test_bins_lie_the_same_on_either_side_of_0(values):
    statistic = Histogram()
    values = torch.from_numpy(values)
    assert torch.equal(statistic.bin_of(values) + statistic.bin_of(-values), torch.full((8,), 2 * statistic.zero))


def test_0_the_smallest_and_no_number_have_bins_of_their_own():
    values = torch.tensor([-1e-30, -0.0, 0.0, 1e-30, 2.0**-22, torch.nan])
    bins = (Histogram().bin_of(values) - Histogram().zero).tolist()
    assert bins[:5] == [-1, 0, 0, 1, 2]
    assert Histogram().bin_of(values)[5] == Histogram().bins - 1


def test_the_outermost_bins_hold_all_that_is_farther_out():
    values = torch.tensor([1023.0, 1024.0, 1e30, torch.inf])
    assert (Histogram().bin_of(values) == Histogram().bins - 2).all()
    assert (Histogram().bin_of(-values) == 0).all()


def test_counts_are_numpys(batch_of):
    activations, labels = random_data()
    statistic = Histogram(4)
    counts = summarised(statistic, batch_of(activations, labels)).counts
    bins = statistic.bin_of(activations).numpy()
    for label in (0, 1):
        for behaviour in range(3):
            for neuron in range(5):
                chosen = bins[labels[:, behaviour] == label, neuron]
                np.testing.assert_array_equal(
                    counts[label, behaviour, neuron], np.bincount(chosen, minlength=statistic.bins)
                )


@settings(max_examples=50)
@given(
    cuts=st.lists(st.integers(0, 40), max_size=6), order=st.randoms(use_true_random=False), seed=st.integers(0, 2**32)
)
def test_shards_merge_in_any_order_to_what_one_pass_gives(batch_of, cuts, order, seed):
    activations, labels = random_data(seed=seed)
    whole = summarised(Histogram(), batch_of(activations, labels))
    edges = [0, *sorted(cuts), 40]
    shards = [
        summarised(Histogram(), batch_of(activations[start:end], labels[start:end])) for start, end in pairwise(edges)
    ]
    order.shuffle(shards)
    assert torch.equal(reduce(Histogram().merge, shards).counts, whole.counts)


def test_how_many_neurons_are_worked_on_at_once_does_not_matter(batch_of, monkeypatch):
    batch = batch_of(*random_data(neurons=23))
    whole = summarised(Histogram(), batch)
    monkeypatch.setattr(histogram, "_ELEMENTS_AT_ONCE", 200)
    assert torch.equal(summarised(Histogram(), batch).counts, whole.counts)


def test_memory_does_not_grow_with_positions(batch_of):
    few, many = (summarised(Histogram(), batch_of(*random_data(positions=count))) for count in (1, 5000))
    assert few.counts.shape == many.counts.shape
    assert many.counts.nbytes == 2 * 3 * 5 * Histogram().bins * 8


def test_the_batch_is_left_alone(batch_of):
    activations, labels = random_data()
    summarised(Histogram(), batch_of(kept := activations.clone(), labels))
    assert torch.equal(activations, kept)


def test_half_precision_is_counted_as_its_float32(batch_of):
    activations, labels = random_data()
    half = summarised(Histogram(), batch_of(activations.bfloat16(), labels))
    assert torch.equal(half.counts, summarised(Histogram(), batch_of(activations.bfloat16().float(), labels)).counts)


def test_steps_that_are_no_power_of_2_are_refused():
    with pytest.raises(ConfigError, match="`steps` of `histogram` is 12"):
        Histogram(12)
