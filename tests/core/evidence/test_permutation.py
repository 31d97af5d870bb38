"""The permutation null, beside exact enumeration, scipy, and a slow loop."""

import dataclasses
import math
from itertools import combinations, product

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from neurosieve import Batch, Site
from neurosieve.evidence import permutation
from neurosieve.evidence.permutation import arrangements, arrangements_of, permutation_null, permuted
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_token import AucWithinToken
from neurosieve_plugins.scorers.average_precision import AveragePrecision
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.mean_difference import MeanDifference
from neurosieve_plugins.scorers.mutual_information import MutualInformation


def batch_of(activations, labels, documents, token_ids=None, layer=0):
    documents = torch.as_tensor(documents)
    return Batch(
        Site(layer),
        torch.as_tensor(np.asarray(activations), dtype=torch.float32),
        torch.as_tensor(np.asarray(labels), dtype=torch.int8)[:, None],
        documents,
        documents,
        torch.zeros_like(documents) if token_ids is None else torch.as_tensor(token_ids),
    )


def noise(documents=8, each=6, neurons=20, present=2, seed=0):
    """Positions of documents that each have a level of their own, with labels that mean nothing."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(documents), each)
    labels = np.concatenate([rng.permutation(each) < present for _ in range(documents)])
    levels = rng.standard_normal((documents, neurons))[of]
    return batch_of(levels + rng.standard_normal((len(of), neurons)), labels, of)


class SlowAuc(Auc):
    """The AUC without its contrast."""

    def contrast(self, batch):
        return None


class SlowD(CohensD):
    """Cohen's d without its contrast."""

    def contrast(self, batch):
        return None


labelled = st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=1, max_size=30)


@given(positions=labelled, columns=st.integers(1, 5), seed=st.integers(0, 100))
def test_every_arrangement_keeps_how_many_are_present_in_each_stratum(positions, columns, seed):
    labels, strata = (np.array(column) for column in zip(*positions, strict=True))
    drawn = permuted(labels.astype(np.int8), strata, columns, np.random.default_rng(seed))
    assert drawn.shape == (len(labels), columns)
    assert np.isin(drawn, (0, 1)).all()
    for stratum in np.unique(strata):
        assert (drawn[strata == stratum].sum(axis=0) == labels[strata == stratum].sum()).all()


@pytest.mark.parametrize("scorer", [Auc(), CohensD(), AveragePrecision()], ids=lambda scorer: type(scorer).__name__)
def test_how_much_is_held_at_once_changes_no_number(monkeypatch, scorer):
    layers = [noise(documents=7, seed=seed) for seed in range(2)]
    whole = permutation_null(layers, scorer, 50, 0)
    monkeypatch.setattr(permutation, "_KEYS_AT_ONCE", 100)
    monkeypatch.setattr(permutation, "_POSITIONS_AT_ONCE", 16)
    for mine, theirs in zip(permutation_null(layers, scorer, 50, 0), whole, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_every_arrangement_is_as_likely_as_any_other():
    labels, strata = np.array([1, 0, 0, 1, 0, 0], dtype=np.int8), np.array([7, 7, 2, 2, 2, 2])
    drawn = permuted(labels, strata, 8000, np.random.default_rng(0))
    _, counts = np.unique(drawn, axis=1, return_counts=True)
    assert len(counts) == 2 * 4
    assert scipy.stats.chisquare(counts).pvalue > 0.001


@given(positions=labelled)
def test_arrangements_are_counted(positions):
    labels, strata = (np.array(column) for column in zip(*positions, strict=True))
    ways = 1
    for stratum in set(strata.tolist()):
        here = labels[strata == stratum]
        ways *= math.comb(len(here), int(here.sum()))
    assert arrangements(labels.astype(np.int8), strata) == pytest.approx(math.log(ways), abs=1e-9)


def test_p_is_that_of_scipys_exact_test():
    rng = np.random.default_rng(1)
    labels = np.array([1] * 4 + [0] * 5)
    x = rng.standard_normal((9, 6)) + np.linspace(0, 2, 6) * labels[:, None]
    null = permutation_null([batch_of(x, labels, np.zeros(9, dtype=int))], MeanDifference(), 20_000, seed=0)
    for neuron in range(6):
        exact = scipy.stats.permutation_test(
            (x[:4, neuron], x[4:, neuron]),
            lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis)),
            vectorized=True,
            alternative="greater",
            n_resamples=np.inf,
        ).pvalue
        assert null.p[neuron] == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 20_000) + 1e-4)


def test_within_documents_p_and_p_fwer_are_those_of_all_arrangements():
    documents = np.array([0] * 4 + [1] * 5)
    labels = np.array([1, 0, 1, 0, 0, 1, 0, 0, 0])
    x = np.random.default_rng(2).standard_normal((9, 4))
    every = []
    for first, second in product(combinations(range(4), 2), combinations(range(4, 9), 1)):
        arranged = np.zeros(9)
        arranged[[*first, *second]] = 1
        every.append([abs(roc_auc_score(arranged, column) - 0.5) for column in x.T])
    every = np.array(every)
    far = np.array([abs(roc_auc_score(labels, column) - 0.5) for column in x.T])
    p = (every >= far - 1e-9).mean(axis=0)
    p_fwer = (every.max(axis=1)[:, None] >= far - 1e-9).mean(axis=0)
    null = permutation_null([batch_of(x, labels, documents)], Auc(), 20_000, seed=0)
    np.testing.assert_allclose(null.p, p, atol=0.015)
    np.testing.assert_allclose(null.p_fwer, p_fwer, atol=0.015)


def distances_from_chance(labels, x):
    """How far each neuron's AUC is from chance: the share of pairs that it puts in order, as scipy counts them."""
    present, control = x[labels == 1], x[labels == 0]
    won = scipy.stats.mannwhitneyu(present, control, method="asymptotic").statistic
    return abs(won / (len(present) * len(control)) - 0.5)


@pytest.mark.parametrize("scorer", [Auc(), SlowAuc()])
def test_each_figure_is_that_of_a_slow_loop_over_the_same_arrangements(scorer):
    draws = 60
    layers = [noise(neurons=7, seed=3), noise(neurons=7, seed=3)]
    # The same positions, other neurons: tied values in one, some that tell in the other.
    layers[0] = batch_of(layers[0].activations.round(), layers[0].labels[:, 0], layers[0].documents)
    told = layers[1].activations + 1.5 * layers[1].labels
    layers[1] = batch_of(told, layers[1].labels[:, 0], layers[1].documents, layer=1)
    labels, documents = layers[0].labels[:, 0].numpy(), layers[0].documents.numpy()
    drawn = permuted(labels, documents, draws, np.random.default_rng(5))
    x = np.concatenate([layer.activations.numpy() for layer in layers], axis=1)
    far, *others = (distances_from_chance(arranged, x) for arranged in (labels, *drawn.T))
    others = np.array(others)
    null = permutation_null(layers, scorer, draws, seed=5)
    np.testing.assert_allclose(null.largest, others.max(axis=1), atol=1e-6)
    p = [(1 + sum(row[neuron] >= far[neuron] - 1e-9 for row in others)) / (draws + 1) for neuron in range(14)]
    p_fwer = [(1 + sum(max(row) >= far[neuron] - 1e-9 for row in others)) / (draws + 1) for neuron in range(14)]
    np.testing.assert_allclose(null.p, p, atol=1e-12)
    np.testing.assert_allclose(null.p_fwer, p_fwer, atol=1e-12)
    np.testing.assert_allclose(null.q_fdr, scipy.stats.false_discovery_control(p), atol=1e-12)


@pytest.mark.parametrize(("quick", "slow"), [(Auc(), SlowAuc()), (CohensD(), SlowD())])
def test_a_contrast_gives_what_going_column_by_column_gives(quick, slow):
    batch = noise(neurons=30)
    one, other = (permutation_null([batch], scorer, 100, seed=0) for scorer in (quick, slow))
    np.testing.assert_allclose(one.largest, other.largest, rtol=1e-4)
    for name in ("p", "p_fwer", "q_fdr"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-12)


@pytest.mark.parametrize(
    "scorer", [Auc(), AucWithinToken(), CohensD(), SlowAuc(), MutualInformation(), AveragePrecision()]
)
def test_how_many_neurons_are_worked_on_at_once_does_not_matter(scorer, monkeypatch):
    batch = noise(neurons=150)
    whole = permutation_null([batch], scorer, 40, seed=0)
    monkeypatch.setattr(permutation, "_SCORES_AT_ONCE", 64)
    np.testing.assert_allclose(np.stack(permutation_null([batch], scorer, 40, seed=0)[:3]), np.stack(whole[:3]))


def test_layers_are_as_good_as_one():
    batch = noise(neurons=12)
    parts = [
        batch_of(batch.activations[:, some], batch.labels[:, 0], batch.documents, layer=layer)
        for layer, some in enumerate((slice(0, 5), slice(5, 12)))
    ]
    whole, split = permutation_null([batch], Auc(), 50, seed=0), permutation_null(parts, Auc(), 50, seed=0)
    for one, other in zip(whole, split, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_same_seed_gives_the_same_and_another_draws_anew():
    first, again, other = (permutation_null([noise()], Auc(), 50, seed) for seed in (0, 0, 1))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (first.largest != other.largest).any()


@pytest.mark.parametrize("scorer", [CohensD(), SlowD()])
def test_a_neuron_without_a_score_has_no_p_and_leaves_the_others_theirs(scorer):
    batch = noise(neurons=6)
    known = permutation_null([batch], scorer, 50, seed=0)
    constant = torch.cat([batch.activations, torch.full((len(batch.labels), 1), 3.0)], dim=1)
    null = permutation_null([batch_of(constant, batch.labels[:, 0], batch.documents)], scorer, 50, seed=0)
    for name in ("p", "p_fwer", "q_fdr"):
        assert np.isnan(getattr(null, name)[6])
        np.testing.assert_allclose(getattr(null, name)[:6], getattr(known, name))
    np.testing.assert_allclose(null.largest, known.largest, rtol=1e-5)


def test_a_planted_neuron_has_the_least_p_there_is():
    batch = noise(documents=20, neurons=50)
    told = batch.activations + 5 * batch.labels * (torch.arange(50) == 17)
    null = permutation_null([batch_of(told, batch.labels[:, 0], batch.documents)], Auc(), 99, seed=0)
    assert null.p[17] == null.p_fwer[17] == 0.01
    assert (np.delete(null.p_fwer, 17) > 0.05).all()


def test_on_noise_p_fwer_names_a_neuron_as_rarely_as_it_says():
    named = [permutation_null([noise(seed=seed)], Auc(), 39, seed).p_fwer.min() <= 0.05 for seed in range(300)]
    assert scipy.stats.binomtest(sum(named), 300, 0.05).pvalue > 0.001


def test_what_tells_documents_apart_is_evidence_only_where_labels_are_permuted_across_them():
    # Half of the documents are full of the behaviour, and have a level of their own in every neuron.
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(12), 10)
    labels = np.concatenate([rng.permutation(10) < (8 if document % 2 else 2) for document in range(12)])
    x = rng.standard_normal((12, 40))[of] + 0.1 * rng.standard_normal((120, 40))
    x[:, 0] += 3.0 * (of % 2)
    within = permutation_null([batch_of(x, labels, of)], Auc(), 199, seed=0)
    across = permutation_null([batch_of(x, labels, np.zeros(120, dtype=int))], Auc(), 199, seed=0)
    assert across.p_fwer[0] == 0.005
    assert within.p_fwer[0] > 0.05


def levelled(seed, of_document, documents=30, each=37, neurons=60, effect=0.0):
    """Positions of a few words in documents with a level of their own, which show the behaviour unevenly."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(documents), each)
    leaning = rng.dirichlet(np.ones(documents))[of]
    labels = np.zeros(len(of), dtype=int)
    labels[rng.choice(len(of), 100, replace=False, p=leaning / leaning.sum())] = 1
    x = math.sqrt(of_document) * rng.standard_normal((documents, neurons))[of]
    x += math.sqrt(1 - of_document) * rng.standard_normal((len(of), neurons))
    x[:, 0] += effect * labels
    return batch_of(x, labels, of, rng.integers(0, 8, len(of)))


@pytest.mark.parametrize("of_document", [0.0, 0.2, 0.5])
def test_within_tokens_noise_with_a_level_per_document_is_named_as_rarely_as_it_says(of_document):
    nulls = [permutation_null([levelled(seed, of_document)], AucWithinToken(), 99, seed) for seed in range(60)]
    named = sum(null.p_fwer.min() <= 0.05 for null in nulls)
    assert scipy.stats.binomtest(named, 60, 0.05).pvalue > 0.01
    assert np.mean([null.p <= 0.05 for null in nulls]) == pytest.approx(0.05, abs=0.015)


def test_within_tokens_a_neuron_that_knows_more_is_named_in_spite_of_the_levels():
    nulls = [permutation_null([levelled(seed, 0.5, effect=1.5)], AucWithinToken(), 99, seed) for seed in range(10)]
    assert np.mean([null.p_fwer[0] <= 0.05 for null in nulls]) >= 0.9


def test_flips_are_those_of_all_signs_of_group_sums():
    rng = np.random.default_rng(3)
    of, tokens = np.repeat(np.arange(7), 4), np.arange(28) % 2
    batch = batch_of(rng.standard_normal((28, 5)), rng.integers(0, 2, 28), of, tokens)
    shares = AucWithinToken().contributions(batch).numpy()
    sums = np.stack([shares[of == group].sum(axis=0) for group in range(7)])
    every = np.abs(np.array(list(product([-1, 1], repeat=7))) @ sums)
    far = np.abs(sums.sum(axis=0))
    null = permutation_null([batch], AucWithinToken(), 20_000, seed=0)
    np.testing.assert_allclose(null.p, (every >= far - 1e-6).mean(axis=0), atol=0.015)
    np.testing.assert_allclose(null.p_fwer, (every.max(axis=1)[:, None] >= far - 1e-6).mean(axis=0), atol=0.015)


def test_documents_of_one_group_are_flipped_together():
    # What tells the behaviour in one problem's documents tells one thing, however many there are.
    batch = levelled(0, 0.5)
    one = dataclasses.replace(batch, groups=batch.groups // 6)
    assert arrangements_of(batch, AucWithinToken()) == pytest.approx(29 * math.log(2))
    assert arrangements_of(one, AucWithinToken()) == pytest.approx(4 * math.log(2))
    assert arrangements_of(batch, Auc()) == arrangements(batch.labels[:, 0].numpy(), batch.documents.numpy())


def test_within_tokens_a_word_is_no_evidence():
    # The behaviour goes with one word; neuron 0 detects the word, and neuron 1 the behaviour.
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 2, 200)
    labels = rng.random(200) < np.where(tokens == 1, 0.7, 0.1)
    x = rng.standard_normal((200, 5))
    x[:, 0] += 4 * tokens
    x[:, 1] += 2 * labels
    batch = batch_of(x, labels, np.arange(200) // 10, tokens)
    assert permutation_null([batch], Auc(), 99, seed=0).p_fwer[0] == 0.01
    within = permutation_null([batch], AucWithinToken(), 99, seed=0)
    assert within.p[0] > 0.05
    assert within.p_fwer[1] == 0.01
