import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from neurosieve import ConfigError
from neurosieve_plugins.scorers.logistic_probe import LogisticProbe


def by_sklearn(activations, labels, strength):
    kept = labels >= 0
    truth, values = labels[kept].numpy(), activations[kept].double().numpy()
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    coefficients, gains = [], []
    alone = log_loss(truth, np.full(len(truth), truth.mean()))
    for column in values.T[:, :, None]:
        fit = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000, solver="newton-cholesky").fit(column, truth)
        coefficients.append(fit.coef_.item())
        gains.append(alone - log_loss(truth, fit.predict_proba(column)[:, 1]))
    return coefficients, gains


def assert_is_sklearns(score, activations, labels, strength=1.0, atol=1e-6):
    scores = score(LogisticProbe(C=strength), activations, labels)
    coefficients, gains = by_sklearn(activations, labels, strength)
    np.testing.assert_allclose(scores.value[0], coefficients, atol=atol)
    np.testing.assert_allclose(scores.details["log_loss_gain"][0], gains, atol=atol)


@pytest.mark.parametrize("strength", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("present", [1, 15, 50])
def test_the_probe_is_sklearns(score, data, strength, present):
    assert_is_sklearns(score, *data(present=present), strength, atol=1e-4)


@pytest.mark.parametrize("strength", [1.0, 1e4])
@pytest.mark.parametrize("positions", [4, 40, 2000])
def test_the_probe_is_sklearns_where_the_classes_are_told_apart(score, strength, positions):
    labels = (torch.arange(positions) % 4 == 0).long()
    noise = torch.rand(positions, generator=torch.Generator().manual_seed(0))
    activations = torch.stack([labels.float(), -100 * labels + noise, 1.001 * labels + noise], dim=1)
    assert_is_sklearns(score, activations, labels, strength, atol=1e-4)


def test_the_probe_is_sklearns_on_one_wild_activation(score):
    rng = torch.Generator().manual_seed(0)
    activations, labels = torch.randn(500, 2, generator=rng), (torch.arange(500) % 50 == 0).long()
    activations[0, 0], activations[1, 1] = 1e4, -1e4
    for strength in (1.0, 100.0):
        assert_is_sklearns(score, activations, labels, strength, atol=1e-4)


def test_the_unit_of_the_activation_does_not_matter(score, data):
    activations, labels = data(ties=False)
    scores = score(LogisticProbe(), activations, labels)
    scaled = score(LogisticProbe(), 1e-6 * activations, labels)
    torch.testing.assert_close(scaled.value, scores.value, rtol=1e-4, atol=1e-6)


def test_no_penalty_is_so_weak_that_the_probe_diverges(score, data):
    labels = (torch.arange(200) % 8 == 0).long()
    activations = torch.stack([labels.float(), torch.arange(200.0)], dim=1)
    scores = score(LogisticProbe(C=1e8), activations, labels)
    assert scores.value.isfinite().all()
    assert scores.details["log_loss_gain"][0, 0].item() == pytest.approx(
        -(0.125 * np.log(0.125) + 0.875 * np.log(0.875)), abs=1e-6
    )


def test_a_constant_neuron_has_no_coefficient(score, data):
    activations, labels = data()
    activations[:, 2] = 0.1
    activations[:, 3] = torch.where(labels >= 0, 1 / 3, torch.randn(60))
    scores = score(LogisticProbe(), activations, labels)
    for column in scores.value, scores.details["log_loss_gain"]:
        assert column[0, [2, 3]].isnan().all()
        assert column[0, [0, 1, 4, 5, 6, 7]].isfinite().all()


def test_the_fit_is_never_worse_than_the_intercept_alone(score, data):
    activations, labels = data(neurons=200)
    assert (score(LogisticProbe(), activations, labels).details["log_loss_gain"] >= -1e-12).all()


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan"), float("inf")])
def test_a_penalty_that_is_none_is_refused(strength):
    with pytest.raises(ConfigError, match="`C` of `logistic_probe`"):
        LogisticProbe(C=strength)
