"""Scores of means and variances, beside numpy and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from neurosieve import ConfigError
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.mean_difference import MeanDifference
from neurosieve_plugins.scorers.welch_t import WelchT


def classes(activations, labels):
    values = activations.double().numpy()
    return values[(labels == 1).numpy()], values[(labels == 0).numpy()]


def test_mean_difference_is_numpys(score, data):
    activations, labels = data()
    present, control = classes(activations, labels)
    value = score(MeanDifference(), activations, labels).value[0]
    np.testing.assert_allclose(value, present.mean(axis=0) - control.mean(axis=0), rtol=1e-9, atol=1e-12)


def test_a_constant_neuron_has_no_mean_difference_but_a_defined_one(score):
    assert score(MeanDifference(), torch.full((4, 1), 0.1), torch.tensor([1, 0, 0, 1])).value.item() == 0.0


def test_pooled_d_is_students_t_over_the_root_of_the_sample_sizes(score, data):
    activations, labels = data()
    present, control = classes(activations, labels)
    t = stats.ttest_ind(present, control, equal_var=True).statistic
    value = score(CohensD(), activations, labels).value[0]
    np.testing.assert_allclose(value, t * np.sqrt(1 / len(present) + 1 / len(control)), rtol=1e-9)


def test_average_d_is_the_founding_notebooks(score, data):
    activations, labels = data()
    present, control = classes(activations, labels)
    d = (present.mean(axis=0) - control.mean(axis=0)) / np.sqrt((present.var(axis=0) + control.var(axis=0)) / 2)
    np.testing.assert_allclose(score(CohensD(pooling="average"), activations, labels).value[0], d, rtol=1e-9)


@pytest.mark.parametrize("pooling", ["pooled", "average"])
def test_hedges_takes_off_the_bias_of_small_samples(score, data, pooling):
    activations, labels = data(positions=12, present=5, out=0)
    plain = score(CohensD(pooling), activations, labels).value
    corrected = score(CohensD(pooling, hedges=True), activations, labels).value
    np.testing.assert_allclose(corrected, plain * (1 - 3 / (4 * 10 - 1)), rtol=1e-12)
    # Which is near the exact factor, a ratio of gamma functions.
    exact = math.gamma(5) / (math.sqrt(5) * math.gamma(4.5))
    assert corrected[0, 0] / plain[0, 0] == pytest.approx(exact, abs=1e-3)


def test_d_survives_a_small_spread_far_from_zero(score):
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3 == 0
    activations = (1e4 + 1e-2 * torch.randn(300, 10, generator=rng, dtype=torch.float64)).float()
    present, control = classes(activations, labels)
    t = stats.ttest_ind(present - 1e4, control - 1e4, equal_var=True).statistic
    value = score(CohensD(), activations, labels.long(), parts=[100, 100, 100]).value[0]
    np.testing.assert_allclose(value, t * np.sqrt(1 / 100 + 1 / 200), rtol=1e-6)


@pytest.mark.parametrize("scorer", [CohensD(), CohensD("average"), CohensD(hedges=True), WelchT()])
@pytest.mark.parametrize("parts", [[40], [1] * 40, [13, 27]])
def test_where_nothing_varies_within_the_classes_the_score_is_nan(score, scorer, parts):
    labels = (torch.arange(40) % 4 == 0).long()
    activations = torch.stack([torch.full((40,), 0.1), torch.where(labels == 1, 0.3, 0.1), labels.float()], dim=1)
    for column in (scores := score(scorer, activations, labels, parts=parts)).value, *scores.details.values():
        assert column.isnan().all()


@pytest.mark.parametrize("labels", [[1, 0, 0, 0], [1, 1, 1, 0], [1, 0]])
@pytest.mark.parametrize("scorer", [CohensD(), CohensD(hedges=True), WelchT()])
def test_a_class_of_one_position_has_no_variance(score, scorer, labels):
    activations = torch.arange(float(len(labels))).unsqueeze(1)
    assert score(scorer, activations, torch.tensor(labels)).value.isnan().all()


def test_welch_is_scipys(score, data):
    activations, labels = data()
    present, control = classes(activations, labels)
    expected = stats.ttest_ind(present, control, equal_var=False)
    scores = score(WelchT(), activations, labels)
    np.testing.assert_allclose(scores.value[0], expected.statistic, rtol=1e-9)
    np.testing.assert_allclose(scores.details["df"][0], expected.df, rtol=1e-9)
    np.testing.assert_allclose(scores.details["p"][0], expected.pvalue, rtol=1e-7)


def test_welch_is_scipys_where_one_class_is_constant(score):
    activations = torch.tensor([[5.0], [7.0], [6.0], [0.1], [0.1], [0.1], [0.1]])
    scores = score(WelchT(), activations, torch.tensor([1, 1, 1, 0, 0, 0, 0]))
    expected = stats.ttest_ind([5, 7, 6], [0.0, 0, 0, 0], equal_var=False)
    assert scores.details["df"].item() == pytest.approx(expected.df)
    assert scores.value.item() == pytest.approx(5.9 / (1 / math.sqrt(3)))


def test_an_unknown_pooling_is_refused():
    scorer = CohensD()
    # As a config sets it; here the type checker would refuse it first.
    object.__setattr__(scorer, "pooling", "median")
    with pytest.raises(ConfigError, match="`pooling` of `cohens_d`"):
        scorer.__post_init__()
