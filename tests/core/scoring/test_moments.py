from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosieve.scoring import moments
from neurosieve.scoring.moments import Moments, MomentsState


def random_data(positions=40, neurons=5, behaviours=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    activations = torch.randn(positions, neurons, generator=rng) * 3 + 1
    return activations, torch.randint(-1, 2, (positions, behaviours), generator=rng)


def summarised(*batches):
    behaviours, neurons = batches[0].labels.shape[1], batches[0].activations.shape[1]
    return reduce(Moments().update, batches, Moments().empty(behaviours, neurons))


def assert_same(left, right):
    assert torch.equal(left.positions, right.positions)
    torch.testing.assert_close(left.mean, right.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(left.m2, right.m2, rtol=1e-10, atol=1e-12)


def assert_is_what_numpy_says(state, activations, labels, rtol=1e-8):
    values = activations.double().numpy()
    for label in (0, 1):
        for behaviour in range(labels.shape[1]):
            chosen = values[(labels[:, behaviour] == label).numpy()]
            assert state.positions[label, behaviour] == len(chosen)
            np.testing.assert_allclose(state.mean[label, behaviour], chosen.mean(axis=0), rtol=1e-10, atol=1e-12)
            m2 = np.square(chosen - chosen.mean(axis=0)).sum(axis=0)
            np.testing.assert_allclose(state.m2[label, behaviour], m2, rtol=rtol, atol=1e-12)


def test_means_and_squares_are_what_numpy_says(batch_of):
    activations, labels = random_data()
    assert_is_what_numpy_says(summarised(batch_of(activations, labels)), activations, labels)


@pytest.mark.parametrize("size", [1, 7, 400])
def test_a_small_spread_far_from_zero_does_not_cancel(batch_of, size):
    rng = torch.Generator().manual_seed(1)
    activations = (1e4 + 1e-2 * torch.randn(400, 20, generator=rng, dtype=torch.float64)).float()
    labels = torch.randint(0, 2, (400, 2), generator=rng)
    parts = zip(activations.split(size), labels.split(size), strict=True)
    assert_is_what_numpy_says(summarised(*(batch_of(*part) for part in parts)), activations, labels)


def test_classes_that_lie_far_apart_keep_their_spread(batch_of):
    rng = torch.Generator().manual_seed(2)
    labels = torch.randint(0, 2, (400, 1), generator=rng)
    activations = 1e4 * labels + torch.randn(400, 20, generator=rng)
    assert_is_what_numpy_says(summarised(batch_of(activations, labels)), activations, labels, rtol=1e-6)


@settings(deadline=None, max_examples=50)
@given(
    cuts=st.lists(st.integers(0, 40), max_size=6),
    order=st.randoms(use_true_random=False),
    seed=st.integers(0, 2**32),
)
def test_shards_merge_in_any_order_to_what_one_pass_gives(batch_of, cuts, order, seed):
    activations, labels = random_data(seed=seed)
    whole = summarised(batch_of(activations, labels))
    edges = [0, *sorted(cuts), 40]
    shards = [summarised(batch_of(activations[start:end], labels[start:end])) for start, end in pairwise(edges)]
    order.shuffle(shards)
    assert_same(reduce(Moments().merge, shards), whole)


def test_nothing_added_changes_nothing(batch_of):
    activations, labels = random_data()
    state = summarised(batch_of(activations, labels))
    expected = MomentsState(*(part.clone() for part in state))
    state = Moments().update(state, batch_of(activations[:0], labels[:0]))
    state = Moments().merge(Moments().empty(3, 5), state)
    state = Moments().merge(state, Moments().empty(3, 5))
    state = Moments().update(state, batch_of(activations[:4], torch.full((4, 3), -1)))
    assert all(map(torch.equal, state, expected))


def test_a_thousand_permuted_behaviours_are_summarised_as_each_alone(batch_of):
    activations, _ = random_data(positions=60)
    rng = torch.Generator().manual_seed(3)
    columns = [(torch.randperm(60, generator=rng) < 10).long() for _ in range(1000)]
    state = summarised(batch_of(activations, torch.stack(columns, dim=1)))
    for behaviour in (0, 1, 500, 999):
        alone = summarised(batch_of(activations, columns[behaviour].unsqueeze(1)))
        assert_same(MomentsState(*(part[:, [behaviour]] for part in state)), alone)


@pytest.mark.parametrize(("at_control", "at_present"), [(0.1, 0.1), (0.0, 0.3), (1e4 / 3, -1e-3), (0.0, 1e-30)])
@pytest.mark.parametrize("size", [1, 3, 11, 33])
def test_a_constant_has_exactly_no_spread(batch_of, at_control, at_present, size):
    labels = (torch.arange(33) % 3 == 0).long().unsqueeze(1)
    noise = torch.randn(33, 1, generator=torch.Generator().manual_seed(0))
    activations = torch.cat([torch.where(labels == 1, at_present, at_control), noise], dim=1)
    parts = zip(activations.split(size), labels.split(size), strict=True)
    state = summarised(*(batch_of(*part) for part in parts))
    assert state.m2[:, 0, 0].tolist() == [0.0, 0.0]
    assert state.mean[:, 0, 0].tolist() == torch.tensor([at_control, at_present]).tolist()
    assert (state.m2[:, 0, 1] > 0).all()


def test_positions_out_of_every_comparison_are_not_looked_at(batch_of):
    activations, labels = random_data()
    labels[:10] = -1
    expected = summarised(batch_of(activations[10:], labels[10:]))
    activations[:10] = torch.nan
    assert_same(summarised(batch_of(activations, labels)), expected)


def test_a_nan_stays_in_its_neuron(batch_of):
    activations, labels = random_data()
    expected = summarised(batch_of(activations, labels))
    activations[3, 2] = torch.nan
    state = summarised(batch_of(activations, labels))
    others = [0, 1, 3, 4]
    torch.testing.assert_close(state.m2[..., others], expected.m2[..., others])
    assert state.mean[..., 2].isnan().any()


def test_how_many_neurons_are_worked_on_at_once_does_not_matter(batch_of, monkeypatch):
    activations, labels = random_data()
    whole = summarised(batch_of(activations, labels))
    monkeypatch.setattr(moments, "_ELEMENTS_AT_ONCE", 80)
    monkeypatch.setattr(moments, "_FEWEST_AT_ONCE", 1)
    assert_same(summarised(batch_of(activations, labels)), whole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_activations_of_any_precision_are_summarised_in_float64(batch_of, dtype):
    activations, labels = random_data()
    state = summarised(batch_of(activations.to(dtype), labels))
    assert_is_what_numpy_says(state, activations.to(dtype), labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_batch_is_left_alone(batch_of, dtype):
    activations, labels = random_data()
    activations = activations.to(dtype)
    batch = batch_of(activations.clone(), labels)
    summarised(batch, batch)
    assert torch.equal(batch.activations, activations)
    assert torch.equal(batch.labels, labels.to(torch.int8))


def test_a_state_survives_storage(batch_of, tmp_path):
    state = summarised(batch_of(*random_data()))
    safetensors.torch.save_file(state._asdict(), tmp_path / "state.safetensors")
    assert_same(MomentsState(**safetensors.torch.load_file(tmp_path / "state.safetensors")), state)


def test_equal_statistics_are_equal():
    assert Moments() == Moments()
    assert hash(Moments()) == hash(Moments())
