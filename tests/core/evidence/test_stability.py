"""How often a neuron is among the best of resampled groups, beside a plain loop."""

import dataclasses
from functools import cache

import numpy as np
import pytest
import torch
from planted import plant, texts
from scipy.stats import mannwhitneyu

from neurosieve import Batch, Site, find
from neurosieve.evidence.stability import stabilities
from neurosieve.models.tiny import tiny_model
from neurosieve.texts.selection import Selection
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_group import AucWithinGroup
from neurosieve_plugins.scorers.auc_within_token import AucWithinToken
from neurosieve_plugins.scorers.average_precision import AveragePrecision
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.mean_difference import MeanDifference
from neurosieve_plugins.scorers.sparse_probe import SparseProbe
from neurosieve_plugins.scorers.welch_t import WelchT

PLANTED = {(0, 3), (1, 17)}
SMALL_PROBE = SparseProbe(Cs=(0.3, 1.0), folds=2, bootstraps=3)


def made(layers=2, groups=12, each=5, neurons=15, tell=0.0, seed=0):
    """Positions of groups at some layers; the first neuron tells the label, and some values are tied."""
    rng = np.random.default_rng(seed)
    of = torch.from_numpy(rng.permutation(np.repeat(np.arange(groups) * 3 + 7, each)))
    labels = torch.from_numpy(rng.integers(0, 2, len(of)).astype(np.int8))[:, None]
    tokens = torch.from_numpy(rng.integers(0, 4, len(of)))
    found = []
    for layer in range(layers):
        x = rng.standard_normal((len(of), neurons)).round(1).astype(np.float32)
        x[:, 0] += tell * labels[:, 0].numpy()
        found.append(Batch(Site(layer), torch.from_numpy(x), labels, of, of, tokens))
    return found


@cache
def plain_loop(draws, seed):
    """How far each neuron's AUC is from chance, a row for each resample of the groups."""
    layers = made()
    labels, of = layers[0].labels[:, 0].numpy(), layers[0].groups.numpy()
    x = np.concatenate([batch.activations.numpy() for batch in layers], axis=1)
    names, rng = np.unique(of), np.random.default_rng(seed)
    far = []
    for draw in rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws):
        rows = np.concatenate([np.repeat(np.flatnonzero(of == name), n) for name, n in zip(names, draw, strict=True)])
        present, control = x[rows][labels[rows] == 1], x[rows][labels[rows] == 0]
        won = mannwhitneyu(present, control, method="asymptotic").statistic  # Of each neuron, over all pairs.
        far.append(abs(won / (len(present) * len(control)) - 0.5))
    return np.array(far)


def slow(scorer):
    """The same scorer without a quick way to resamples."""
    cls = type(scorer)
    return type(f"Slow{cls.__name__}", (cls,), {"resampled": lambda self, batch, weights: None})()


@pytest.mark.parametrize("scorer", [Auc(), slow(Auc())])
@pytest.mark.parametrize("best", [1, 4, 30])
def test_it_is_that_of_a_plain_loop_over_the_same_resamples(scorer, best):
    far = plain_loop(draws=40, seed=3)
    among = (far >= np.sort(far)[:, [-best]] - 1e-9).mean(axis=0)
    found = stabilities(made(), scorer, best, 40, seed=3)
    np.testing.assert_allclose(found.reshape(-1), among)


@pytest.mark.parametrize("scorer", [Auc(), AucWithinGroup(), AucWithinToken(), MeanDifference(), CohensD(), WelchT()])
def test_the_quick_way_gives_what_repeating_positions_gives(scorer):
    quick, loop = (stabilities(made(neurons=40), one, 6, 30, seed=0) for one in (scorer, slow(scorer)))
    np.testing.assert_array_equal(quick, loop)
    assert 0 < quick.max() <= 1


def test_a_neuron_that_tells_is_always_among_the_best_and_noise_is_not():
    found = stabilities(made(groups=40, tell=3.0, neurons=60), Auc(), 2, 100, seed=0)
    assert (found[:, 0] == 1).all()
    assert found[:, 1:].max() < 0.5
    noise = stabilities(made(groups=40, neurons=60), Auc(), 2, 100, seed=0)
    assert noise.sum() == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize("scorer", [Auc(), CohensD(), AveragePrecision()])
def test_a_neuron_without_a_score_is_never_among_the_best_and_leaves_the_others_theirs(scorer):
    layers = made()
    known = stabilities(layers, scorer, 4, 30, seed=0)
    lacking = [
        dataclasses.replace(one, activations=torch.cat([one.activations, torch.full((60, 1), torch.nan)], dim=1))
        for one in layers
    ]
    found = stabilities(lacking, scorer, 4, 30, seed=0)
    np.testing.assert_array_equal(found[:, :-1], known)
    assert (found[:, -1] == 0).all()


def test_a_draw_without_the_behaviour_is_left_out():
    layers = made(layers=1, groups=3, neurons=8, tell=9.0)
    # One group alone shows it: three draws of ten lack it.
    shown = (layers[0].groups == 7).to(torch.int8)[:, None]
    found = stabilities([dataclasses.replace(layers[0], labels=shown)], Auc(), 8, 50, seed=0)
    assert (found == 1).all()


def test_the_same_seed_gives_the_same_and_another_draws_anew():
    first, again, other = (stabilities(made(), Auc(), 3, 20, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.fixture
def run(tmp_path):
    def go(name="run", **changed):
        model, tokenizer = tiny_model()
        plant(model, tokenizer, PLANTED)
        settings = {"source": texts(), "detectors": {"slip": Annotations()}, "permutations": 0}
        settings |= {"interval_bootstraps": 20} | changed
        return find(model, tokenizer=tokenizer, folder=tmp_path / name, store=str(tmp_path / "store"), **settings)

    return go


def test_planted_neurons_are_stable_and_the_best_alone_have_a_figure(run):
    result = run(test_top=20, stability_bootstraps=40)
    assert (result.top(len(PLANTED)).stability == 1).all()
    best = result.neurons["rank"] <= 20
    assert result.neurons.stability[best].between(0, 1).all()
    assert result.neurons.stability[~best].isna().all()
    assert result.neurons.stability[best].iloc[-1] < 1


@pytest.mark.parametrize("changed", [{"source": texts(12)}, {"scorers": {"sparse_probe": SMALL_PROBE}}])
def test_with_few_groups_or_a_joint_score_there_is_none(run, changed):
    result = run(selection=Selection(held_out_fraction=0.0), **changed)
    assert result.neurons.stability.isna().all()


def test_no_bootstraps_are_no_column(run):
    assert "stability" not in run(stability_bootstraps=0).neurons


def test_to_be_among_a_fifth_of_all_neurons_says_nothing_and_it_is_said(run):
    result = run(test_top=100, stability_bootstraps=5)
    assert result.neurons.stability.isna().all()
    assert any("stability is not computed: `test_top=100`" in one for one in result.run["warnings"])
