import math

import numpy as np
import pytest
import torch
from scipy import stats

from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.hedges_g import HedgesG


@pytest.mark.parametrize("present", [2, 5, 20])
def test_it_is_students_t_over_the_root_of_the_sample_sizes_less_its_bias(score, data, present):
    activations, labels = data(positions=30, present=present, out=0)
    values = activations.double().numpy()
    t = stats.ttest_ind(values[labels == 1], values[labels == 0], equal_var=True).statistic
    expected = t * math.sqrt(1 / present + 1 / (30 - present)) * (1 - 3 / (4 * 28 - 1))
    np.testing.assert_allclose(score(HedgesG(), activations, labels).value[0], expected, rtol=1e-9)


def test_it_is_what_cohens_d_says_with_hedges(score, data):
    activations, labels = data()
    for one, other in zip(
        score(HedgesG(), activations, labels).value,
        score(CohensD(hedges=True), activations, labels).value,
        strict=True,
    ):
        assert torch.equal(one, other)


def test_on_small_samples_it_is_right_on_average_and_d_is_not(score):
    rng = torch.Generator().manual_seed(0)
    activations = torch.randn(8, 20_000, generator=rng)
    labels = torch.arange(8) % 2
    activations[labels == 1] += 1.0
    g, d = (score(scorer, activations, labels).value.mean().item() for scorer in (HedgesG(), CohensD()))
    assert g == pytest.approx(1.0, abs=0.02)
    assert d > 1.1
