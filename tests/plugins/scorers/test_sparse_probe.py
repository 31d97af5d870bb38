import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neurosieve import ConfigError
from neurosieve_plugins.scorers.sparse_probe import SparseProbe


@pytest.fixture
def layer():
    """A layer of 30 neurons, two of which fire with the behaviour, over 40 groups."""
    rng = torch.Generator().manual_seed(0)
    labels = (torch.rand(240, generator=rng) < 0.3).long()
    activations = torch.randn(240, 30, generator=rng) + torch.randn(240, 1, generator=rng)
    activations[:, 4] += 1.5 * labels
    activations[:, 20] -= labels
    return activations * torch.logspace(-2, 2, 30) + 3, labels, torch.arange(240) // 6


def saga(strength):
    """An L1 logistic regression by a solver that leaves the intercept free."""
    fit = LogisticRegression(l1_ratio=1.0, C=strength, solver="saga", tol=1e-8, max_iter=100_000, random_state=0)
    return make_pipeline(StandardScaler(), fit)


@pytest.mark.parametrize("strength", [0.03, 0.1, 1.0])
def test_the_coefficients_are_sklearns(score, layer, strength):
    activations, labels, groups = layer
    scores = score(SparseProbe(Cs=(strength,), bootstraps=0), activations, labels, groups)
    reference = saga(strength).fit(activations.double().numpy(), labels.numpy())[-1].coef_[0]
    np.testing.assert_allclose(scores.value[0], reference, rtol=1e-4, atol=1e-4)
    assert ((scores.value[0] != 0).numpy() == (reference != 0)).all()


def test_the_chosen_c_is_that_of_the_least_log_loss_on_groups_left_out(score, layer):
    activations, labels, groups = layer
    strengths = (0.01, 0.03, 0.1, 0.3, 1.0)
    folds = list(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(labels, labels, groups))
    x, y = activations.double().numpy(), labels.numpy()
    losses = [
        sum(
            log_loss(y[test], saga(strength).fit(x[train], y[train]).predict_proba(x[test])[:, 1], normalize=False)
            for train, test in folds
        )
        for strength in strengths
    ]
    best = strengths[int(np.argmin(losses))]
    assert strengths[0] < best < strengths[-1]
    chosen = score(SparseProbe(Cs=strengths, bootstraps=0), activations, labels, groups)
    fixed = score(SparseProbe(Cs=(best,), bootstraps=0), activations, labels, groups)
    torch.testing.assert_close(chosen.value, fixed.value)


def test_planted_neurons_are_taken_up_every_time_and_noise_is_not(score, layer):
    scores = score(SparseProbe(), *layer)
    frequency = scores.details["selection_frequency"][0]
    assert (frequency[[4, 20]] == 1).all()
    assert frequency.mean() < 0.7
    assert scores.value[0].abs().topk(2).indices.tolist() == [4, 20]
    assert (scores.value[0, [4, 20]].sign() == torch.tensor([1, -1])).all()


def test_the_heldout_auc_is_the_probes_own_and_the_same_for_every_neuron(score, layer):
    auc = score(SparseProbe(bootstraps=0), *layer).details["heldout_auc"]
    assert auc.unique().numel() == 1
    assert 0.8 < auc[0, 0] < 0.98


@pytest.mark.parametrize("screen", [None, 20])
def test_on_pure_noise_the_heldout_auc_shows_that_there_is_nothing(score, screen):
    # 20 of 600 noise neurons that correlate best with the labels: screened on all groups, they would reach about 0.9.
    aucs = []
    for seed in range(4):
        rng = torch.Generator().manual_seed(seed)
        activations, labels = torch.randn(80, 600, generator=rng), torch.arange(80) % 2
        scorer = SparseProbe(Cs=(0.1, 1.0), folds=4, bootstraps=0, screen=screen)
        aucs.append(score(scorer, activations, labels, torch.arange(80) // 4).details["heldout_auc"][0, 0].item())
    assert 0.35 < np.mean(aucs) < 0.65


def test_what_only_marks_a_group_does_not_help_the_heldout_auc(score):
    # Each group has its own level of each neuron, and its own share of the behaviour: positions of one group in both
    # training and held-out data would tell.
    rng = torch.Generator().manual_seed(0)
    groups = torch.arange(240) // 10
    level = torch.randn(24, 40, generator=rng)[groups]
    share = torch.tensor([0.1, 0.9])[torch.randint(0, 2, (24,), generator=rng)][groups]
    labels = (torch.rand(240, generator=rng) < share).long()
    activations = level + 0.1 * torch.randn(240, 40, generator=rng)
    auc = score(SparseProbe(Cs=(1.0,), bootstraps=0), activations, labels, groups).details["heldout_auc"][0, 0]
    assert auc < 0.75


def test_screening_keeps_the_best_and_gives_the_others_nothing(score, layer):
    scores = score(SparseProbe(screen=2, Cs=(1.0,), bootstraps=0), *layer)
    assert scores.value[0].nonzero().flatten().tolist() == [4, 20]


def test_the_same_seed_gives_the_same_and_another_draws_anew(score, layer):
    first, again, other = (score(SparseProbe(seed=seed), *layer) for seed in (0, 0, 1))
    for name in first.details:
        assert torch.equal(first.details[name], again.details[name])
    assert torch.equal(first.value, again.value)
    assert not torch.equal(first.details["selection_frequency"], other.details["selection_frequency"])


def test_the_order_of_positions_does_not_matter_to_the_last_bit(score, layer):
    activations, labels, groups = layer
    order = torch.randperm(240, generator=torch.Generator().manual_seed(1))
    first = score(SparseProbe(), activations, labels, groups)
    second = score(SparseProbe(), activations[order], labels[order], groups[order])
    assert torch.equal(first.value, second.value)
    for name in first.details:
        assert torch.equal(first.details[name], second.details[name])


def test_a_constant_neuron_has_no_coefficient(score, layer):
    activations, labels, groups = layer
    activations[:, 7] = 0.1
    scores = score(SparseProbe(bootstraps=2), activations, labels, groups)
    assert scores.value[0].isnan().nonzero().flatten().tolist() == [7]
    assert scores.details["selection_frequency"][0].isnan().nonzero().flatten().tolist() == [7]


def test_a_neuron_that_varies_only_in_one_group_is_no_trouble(score, layer):
    activations, labels, groups = layer
    activations[:, 7] = torch.where(groups == 0, labels.float(), 0.1)
    assert score(SparseProbe(bootstraps=5), activations, labels, groups).value.isfinite().all()


def test_where_one_group_alone_has_the_behaviour_nothing_can_be_chosen(score, layer):
    activations, _, groups = layer
    scores = score(SparseProbe(), activations, (groups == 3).long(), groups)
    for column in scores.value, *scores.details.values():
        assert column.isnan().all()


def test_without_bootstraps_there_is_no_selection_frequency(score, layer):
    assert score(SparseProbe(bootstraps=0), *layer).details["selection_frequency"].isnan().all()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"Cs": ()}, "`Cs`"),
        ({"Cs": (0.1, -1.0)}, "`Cs`"),
        ({"folds": 1}, "`folds`"),
        ({"bootstraps": -1}, "`bootstraps`"),
        ({"screen": 0}, "`screen`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_fields_that_make_no_sense_are_refused(fields, named):
    with pytest.raises(ConfigError, match=named):
        SparseProbe(**fields)


@pytest.mark.parametrize(("iterations", "settled"), [(2, False), (17, True)])
def test_a_fit_that_the_solver_gives_up_is_told_unless_it_is_at_its_optimum(
    score, layer, iterations, settled, monkeypatch
):
    activations, labels, groups = layer
    monkeypatch.setattr("neurosieve_plugins.scorers.sparse_probe._ITERATIONS", iterations)
    said = [] if settled else ["a fit of `sparse_probe` has not come to its optimum"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scores = score(SparseProbe(Cs=(1.0,), bootstraps=0, folds=2), activations, labels, groups)
    assert sorted({str(warning.message).partition(":")[0] for warning in caught}) == said
    reference = saga(1.0).fit(activations.double().numpy(), labels.numpy())[-1].coef_[0]
    assert (np.abs(scores.value[0].numpy() - reference).max() < 0.01) == settled
