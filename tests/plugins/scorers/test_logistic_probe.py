from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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


def gated(rng, positions, shown):
    """What a gated MLP of a model in bfloat16 holds: a product with heavy tails and ties."""
    gate, up = (torch.randn(positions, generator=rng) for _ in range(2))
    return (torch.nn.functional.silu(2 * gate + shown) * (up + shown)).bfloat16().float()


SHAPES = {
    "heavy-tailed": gated,
    "far heavier": lambda rng, positions, shown: (
        (torch.randn(positions, generator=rng) + shown) / torch.rand(positions, generator=rng).add(1e-3)
    ).bfloat16(),
    "mostly silent": lambda rng, positions, shown: (torch.randn(positions, generator=rng) + shown - 2).relu(),
    "nearly told apart": lambda rng, positions, shown: shown + 0.3 * torch.randn(positions, generator=rng),
    "told apart": lambda rng, positions, shown: shown + 0.1 * torch.rand(positions, generator=rng),
    "two values": lambda rng, positions, shown: (torch.rand(positions, generator=rng) < 0.2 + 0.2 * shown).float(),
}


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    positions=st.sampled_from([12, 100, 700]),
    share=st.sampled_from([0.03, 0.1, 0.5, 0.9]),
    effect=st.sampled_from([0.0, 0.5, 2.0, -2.0]),
    strength=st.sampled_from([1e-4, 1e-2, 1.0, 1e2, 1e4]),
)
def test_the_probe_is_sklearns_whatever_the_shape_of_the_activations(score, seed, positions, share, effect, strength):
    rng = torch.Generator().manual_seed(seed)
    labels = (torch.rand(positions, generator=rng) < share).long()
    labels[0], labels[1] = 1, 0
    columns = [draw(rng, positions, effect * labels).float() for draw in SHAPES.values()]
    activations = torch.stack([column for column in columns if column.std() > 0], dim=1)
    scores = score(LogisticProbe(C=strength), activations, labels)
    coefficients, gains = by_sklearn(activations, labels, strength)
    np.testing.assert_allclose(scores.value[0], coefficients, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(scores.details["log_loss_gain"][0], gains, rtol=1e-4, atol=1e-6)


def test_more_positions_than_are_worked_on_at_once_are_sklearns_too(score):
    rng = torch.Generator().manual_seed(0)
    labels = (torch.arange(150_000) % 30 == 0).long()
    activations = torch.stack([gated(rng, len(labels), shown * labels) for shown in (0.0, 0.1, 1.0)], dim=1)
    assert_is_sklearns(score, activations, labels)


def test_threads_that_torch_had_are_left_as_they_were(score, data):
    before = torch.get_num_threads()
    score(LogisticProbe(), *data())
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(torch.get_num_threads).result() == before == torch.get_num_threads()


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
