import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neurosieve import ConfigError
from neurosieve_plugins.scorers.k_sparse import KSparse


@pytest.fixture
def layer():
    """A layer of 30 neurons, over 40 groups: 4 and 20 fire with the behaviour, and 5 is nearly a copy of 4."""
    rng = torch.Generator().manual_seed(0)
    labels = (torch.rand(240, generator=rng) < 0.3).long()
    activations = torch.randn(240, 30, generator=rng)
    activations[:, 4] += 2.0 * labels
    activations[:, 20] -= 1.2 * labels
    activations[:, 5] = activations[:, 4] + 0.3 * torch.randn(240, generator=rng)
    return activations * torch.logspace(-2, 2, 30) + 3, labels, torch.arange(240) // 6


def curve(scores, ks):
    return np.array([scores.details[f"heldout_auc_{k}"][0, 0].item() for k in ks])


def by_sklearn(x, y, ks, screen):
    """The probes from the largest k, each a fit on the best of the one before, as sets of neurons and pipelines."""
    correlation = np.abs([np.corrcoef(column, y)[0, 1] for column in x.T])
    kept = np.argsort(-correlation)[:screen]
    probes = {}
    for k in (None, *reversed(ks)):
        if k is not None:
            kept = kept[np.argsort(-np.abs(probe[-1].coef_[0]))[:k]]
        probe = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10, max_iter=10_000)).fit(x[:, kept], y)
        probes[k] = kept, probe
    return probes


@pytest.mark.parametrize("screen", [8, 30])
def test_the_curve_is_sklearns_over_the_same_folds(score, layer, screen):
    activations, labels, groups = layer
    x, y = activations.double().numpy(), labels.numpy()
    ks = (1, 2, 4, 8)
    won, pairs = np.zeros(4), 0
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(labels, labels, groups):
        probes = by_sklearn(x[train], y[train], ks, screen)
        weight = y[test].sum() * (1 - y[test]).sum()
        pairs += weight
        for index, k in enumerate(ks):
            kept, probe = probes[k]
            won[index] += weight * roc_auc_score(y[test], probe.decision_function(x[test][:, kept]))
    scores = score(KSparse(ks=ks, screen=screen), activations, labels, groups)
    np.testing.assert_allclose(curve(scores, ks), won / pairs, atol=1e-3)
    assert curve(scores, ks)[0] > 0.85


def test_the_score_is_sklearns_coefficient_in_the_probe_of_the_largest_k(score, layer):
    activations, labels, groups = layer
    ks = (1, 2, 4, 8)
    kept, probe = by_sklearn(activations.double().numpy(), labels.numpy(), ks, 30)[8]
    expected = np.zeros(30)
    expected[kept] = probe[-1].coef_[0]
    scores = score(KSparse(ks=ks), activations, labels, groups)
    np.testing.assert_allclose(scores.value[0], expected, rtol=1e-4, atol=1e-5)


def test_the_best_neuron_is_in_all_probes_and_a_second_kind_comes_before_a_copy(score, layer):
    probes = score(KSparse(ks=(1, 2, 4)), *layer).details["probes"][0]
    assert probes.argmax() in (4, 5)
    assert probes.max() == 3
    assert probes[20] == 2
    assert (probes >= 1).sum() == 4


def test_more_neurons_tell_more_until_they_are_noise(score, layer):
    ks = (1, 2, 16)
    one, two, many = curve(score(KSparse(ks=ks), *layer), ks)
    assert two > one + 0.01
    assert many < two


def test_on_pure_noise_the_curve_shows_that_there_is_nothing(score):
    # The best of 600 noise neurons, chosen on all groups, would reach about 0.75 alone and 0.95 together.
    curves = []
    for seed in range(4):
        rng = torch.Generator().manual_seed(seed)
        activations, labels = torch.randn(80, 600, generator=rng), torch.arange(80) % 2
        scores = score(KSparse(ks=(1, 8), folds=4), activations, labels, torch.arange(80) // 4)
        curves.append(curve(scores, (1, 8)))
    assert (np.abs(np.mean(curves, axis=0) - 0.5) < 0.15).all()


def test_what_only_marks_a_group_does_not_help(score):
    rng = torch.Generator().manual_seed(0)
    groups = torch.arange(240) // 10
    share = torch.tensor([0.1, 0.9])[torch.randint(0, 2, (24,), generator=rng)][groups]
    labels = (torch.rand(240, generator=rng) < share).long()
    activations = torch.randn(24, 40, generator=rng)[groups] + 0.1 * torch.randn(240, 40, generator=rng)
    ks = (1, 4, 16)
    assert (curve(score(KSparse(ks=ks), activations, labels, groups), ks) < 0.75).all()


def test_where_k_is_more_than_there_are_neurons_the_curve_ends(score, layer):
    activations, labels, groups = layer
    scores = score(KSparse(ks=(1, 2, 64)), activations, labels, groups)
    assert np.isnan(curve(scores, (1, 2, 64))).tolist() == [False, False, True]
    assert scores.value[0].count_nonzero() == 2
    few = score(KSparse(ks=(4, 8)), activations[:, :3], labels, groups)
    assert all(column.isnan().all() for column in (few.value, *few.details.values()))


def test_where_one_group_alone_has_the_behaviour_there_is_a_probe_but_no_curve(score, layer):
    activations, _, groups = layer
    scores = score(KSparse(ks=(1, 2)), activations, (groups == 3).long(), groups)
    assert scores.value.isfinite().all()
    assert np.isnan(curve(scores, (1, 2))).all()


def test_a_constant_neuron_has_no_score(score, layer):
    activations, labels, groups = layer
    activations[:, 7] = 0.1
    scores = score(KSparse(ks=(1, 2)), activations, labels, groups)
    assert scores.value[0].isnan().nonzero().flatten().tolist() == [7]


def test_the_order_of_positions_does_not_matter_to_the_last_bit(score, layer):
    activations, labels, groups = layer
    order = torch.randperm(240, generator=torch.Generator().manual_seed(1))
    first = score(KSparse(), activations, labels, groups)
    second = score(KSparse(), activations[order], labels[order], groups[order])
    for name, column in {"value": first.value, **first.details}.items():
        torch.testing.assert_close(
            column, {"value": second.value, **second.details}[name], rtol=0, atol=0, equal_nan=True
        )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ks": ()}, r"`ks` of `k_sparse` is \[\]"),
        ({"ks": (2, 1)}, r"`ks` of `k_sparse` is \[2, 1\]"),
        ({"ks": (0, 1)}, r"`ks` of `k_sparse` is \[0, 1\]"),
        ({"C": 0.0}, "`C` of `k_sparse` is 0.0"),
        ({"screen": 16}, "`screen` of `k_sparse` is 16: it must be at least 32"),
        ({"folds": 1}, "`folds` of `k_sparse` is 1: it must be at least 2"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        KSparse(**fields)
