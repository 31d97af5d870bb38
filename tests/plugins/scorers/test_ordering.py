import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import rankdata

from neurosieve_plugins.scorers import ordering
from neurosieve_plugins.scorers.ordering import midranks

TIED = st.sampled_from([0.0, -0.0, 1.0, -1.0, np.float32(1e-45), -np.float32(1e-45), np.inf, -np.inf])
ANY = st.floats(width=32, allow_nan=False)


def ranked(values):
    return midranks(torch.from_numpy(values)).numpy()


@settings(max_examples=150)
@given(
    values=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 20), st.integers(1, 4)), elements=st.one_of(TIED, TIED, ANY), fill=TIED
    )
)
def test_midranks_are_scipys(values):
    np.testing.assert_array_equal(ranked(values), rankdata(values, axis=0))


@given(
    values=hnp.arrays(np.float32, (9, 3), elements=st.one_of(TIED, st.just(np.float32(np.nan))), fill=TIED),
)
def test_a_neuron_with_a_nan_has_no_ranks_and_the_others_have_theirs(values):
    np.testing.assert_array_equal(ranked(values), rankdata(values, axis=0, nan_policy="propagate"))


def test_a_nan_with_a_sign_is_a_nan_too():
    values = np.array([[1.0, 2.0], [np.nan, 3.0]], dtype=np.float32)
    np.testing.assert_array_equal(ranked(np.copysign(values, -1)), [[np.nan, 2.0], [np.nan, 1.0]])


@settings(max_examples=50)
@given(
    values=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 20), st.integers(1, 4)), elements=st.one_of(TIED, st.just(np.nan), ANY)
    )
)
def test_a_gpu_would_give_the_same_ranks(values):
    np.testing.assert_array_equal(ordering._midranks_on_a_gpu(torch.from_numpy(values)).numpy(), ranked(values))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (1, 1)])
def test_nothing_has_no_ranks(shape):
    assert midranks(torch.zeros(shape)).shape == shape


@pytest.mark.parametrize("at_once", [1, 50, 1 << 17])
@pytest.mark.parametrize("threads", [1, 3])
def test_chunks_and_threads_do_not_matter(at_once, threads, monkeypatch):
    monkeypatch.setattr(ordering, "_RANKED_AT_ONCE", at_once)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    values = np.random.default_rng(0).standard_normal((40, 30)).astype(np.float32).round(1)
    np.testing.assert_array_equal(ranked(values), rankdata(values, axis=0))


def test_a_view_is_ranked_as_its_copy_and_left_alone():
    values = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    before = values.clone()
    np.testing.assert_array_equal(midranks(values[:, 10:20]), rankdata(before[:, 10:20], axis=0))
    assert torch.equal(values, before)
