import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurosieve import Batch, ConfigError, Site
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_binned import AucBinned

VALUES = st.one_of(
    st.sampled_from([0.0, 0.0, -0.0, 1.0, 1.01, -1.01, 1e-5, 5000.0, 6000.0, 1e-8, 2e-8]),
    st.floats(width=32, allow_nan=False),
    st.floats(-0.25, 3, width=32),
)


@settings(max_examples=200)
@given(
    values=hnp.arrays(np.float32, st.integers(2, 30), elements=VALUES, fill=VALUES),
    present=st.integers(1, 29),
    steps=st.sampled_from([1, 16, 256]),
)
def test_it_is_within_its_own_bound_of_the_exact_area(score, values, present, steps):
    activations = torch.from_numpy(values).unsqueeze(1)
    labels = (torch.arange(len(values)) < min(present, len(values) - 1)).long()
    scores = score(AucBinned(steps), activations, labels)
    exact = score(Auc(), activations, labels).value
    off = (scores.value - exact).abs()
    assert (off <= scores.details["error_bound"] + 1e-12).all()
    assert (scores.details["error_bound"] <= 0.5).all()


def test_the_bound_is_half_the_chance_that_a_pair_shares_a_bin(score, data):
    activations, labels = data(neurons=5, ties=False)
    scorer = AucBinned(2)
    bins = scorer.statistic.bin_of(activations).numpy()
    present, control = bins[labels == 1], bins[labels == 0]
    shared = (present[:, None] == control[None]).mean(axis=(0, 1))
    np.testing.assert_allclose(score(scorer, activations, labels).details["error_bound"][0], shared / 2, atol=1e-12)


@pytest.mark.parametrize(("steps", "bound"), [(4, 0.03), (16, 0.008), (64, 0.002)])
def test_on_activations_like_those_of_models_it_is_near(score, steps, bound):
    rng = torch.Generator().manual_seed(0)
    activations = torch.nn.functional.gelu(torch.randn(3000, 30, generator=rng) * torch.logspace(-1, 1, 30))
    labels = (torch.arange(3000) % 10 == 0).long()
    activations[labels == 1] *= 1.3
    scores = score(AucBinned(steps), activations, labels)
    off = (scores.value - score(Auc(), activations, labels).value).abs()
    assert scores.details["error_bound"].mean() < bound
    # Within a bin both classes are spread much alike: it is nearer than it can promise.
    assert off.mean() < bound / 10


def test_a_neuron_that_is_often_silent_has_a_bound_as_good_as_any(score):
    # 0 and 0 are a tie, exactly: it takes nothing from what is known.
    rng = torch.Generator().manual_seed(0)
    activations = (torch.randn(2000, 10, generator=rng) - 1).relu()
    labels = (torch.arange(2000) % 3 == 0).long()
    scores = score(AucBinned(), activations, labels)
    assert ((scores.value - score(Auc(), activations, labels).value).abs() <= scores.details["error_bound"]).all()
    assert (scores.details["error_bound"] < 0.002).all()


@pytest.mark.parametrize("steps", [1, 16])
def test_its_interval_is_that_of_the_binned_activations(steps):
    rng = torch.Generator().manual_seed(0)
    activations, labels = torch.randn(60, 4, generator=rng), (torch.arange(60) % 3 == 0).to(torch.int8)[:, None]
    groups = torch.arange(60) // 4
    scorer = AucBinned(steps)
    bins = scorer.statistic.bin_of(activations).float()
    raw, binned = (Batch(Site(0), values, labels, groups, groups, groups) for values in (activations, bins))
    for one, other in zip(scorer.interval(raw, 0.9), Auc().interval(binned, 0.9), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("steps", [0, 3, 512, -1])
def test_steps_that_are_no_power_of_2_are_refused(steps):
    with pytest.raises(ConfigError, match=f"`steps` of `auc_binned` is {steps}: it must be a power of 2"):
        AucBinned(steps)
