"""What could be shown is what simulated noise does, and what a plan says is what the run then finds."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from neurosieve import Batch, Site
from neurosieve.evidence.exchange import Exchange
from neurosieve.evidence.permutation import arrangements, permuted
from neurosieve.evidence.power import minimum_detectable_auc, noise_of_auc, noise_of_exchange, noise_of_flips
from neurosieve.testing.declarations import DECLARATION_CHECKS
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_binned import AucBinned
from neurosieve_plugins.scorers.auc_within_group import AucWithinGroup
from neurosieve_plugins.scorers.auc_within_token import AucWithinToken
from neurosieve_plugins.scorers.average_precision import AveragePrecision
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.k_sparse import KSparse
from neurosieve_plugins.scorers.mutual_information import MutualInformation


def drawn(documents, positions, present, seed=0):
    """Labels of some documents, and which document each is of."""
    rng = np.random.default_rng(seed)
    strata = np.repeat(np.arange(documents), positions)
    labels = np.zeros(len(strata), dtype=np.int8)
    for document in range(documents):
        here = np.flatnonzero(strata == document)
        labels[rng.choice(here, rng.integers(0, present + 1), replace=False)] = 1
    return labels, strata


def aucs(values, columns):
    """The AUC of each neuron (row) under each column of labels."""
    ranks = stats.rankdata(values, axis=1)
    shown = columns.sum(axis=0)
    return (ranks @ columns - shown * (shown + 1) / 2) / (shown * (len(columns) - shown))


def smallest(labels, strata, neurons, permutations, **level):
    """The smallest AUC where labels are permuted within strata."""
    return minimum_detectable_auc(
        noise_of_auc(labels, strata), arrangements(labels, strata), neurons, permutations, **level
    )


def test_in_one_stratum_the_noise_is_that_of_mann_and_whitney():
    labels = np.array([1] * 7 + [0] * 30, dtype=np.int8)
    expected = math.sqrt((37 + 1) / (12 * 7 * 30))
    assert noise_of_auc(labels, np.zeros(37, dtype=np.int64)) == pytest.approx(expected)


def test_the_noise_within_documents_is_that_of_permuted_labels():
    labels, strata = drawn(20, 12, 4)
    columns = permuted(labels, strata, 4000, np.random.default_rng(1))
    spread = aucs(np.random.default_rng(2).normal(size=(50, len(labels))), columns.astype(float)).std(axis=1).mean()
    assert noise_of_auc(labels, strata) == pytest.approx(spread, rel=0.03)


def test_the_best_of_independent_noise_reaches_the_minimum_detectable_auc_one_time_in_twenty():
    labels, strata = drawn(30, 12, 3)
    columns = permuted(labels, strata, 1500, np.random.default_rng(1))
    best = np.abs(aucs(np.random.default_rng(2).normal(size=(500, len(labels))), columns.astype(float)) - 0.5).max(
        axis=0
    )
    assert smallest(labels, strata, 500, 1000) - 0.5 == pytest.approx(np.quantile(best, 0.95), rel=0.04)


def test_of_noise_alone_the_best_of_a_real_model_reaches_what_was_measured():
    # STATISTICS: of 250,880 noise neurons at 100 present and 1,000 control positions, the largest AUC was 0.649.
    labels = np.array([1] * 100 + [0] * 1000, dtype=np.int8)
    assert smallest(labels, np.zeros(1100, dtype=np.int64), 250_880, 1000, level=0.5) == pytest.approx(0.649, abs=0.01)


def test_where_no_auc_could_be_told_from_noise_it_is_undefined():
    one_each = np.array([1, 0, 1, 0], dtype=np.int8)
    assert math.isnan(smallest(one_each, np.array([0, 0, 1, 1]), 10, 1000))  # Four arrangements.
    labels, strata = drawn(20, 12, 4)
    assert math.isnan(smallest(labels, strata, 10, 18))
    few = np.array([1] * 5 + [0] * 50, dtype=np.int8)
    assert math.isnan(smallest(few, np.zeros(55, dtype=np.int64), 250_880, 1000))
    assert math.isnan(noise_of_auc(np.zeros(5, dtype=np.int8), np.zeros(5, dtype=np.int64)))


def test_the_noise_of_flips_is_what_independent_noise_does_within_tokens():
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 6, 600)
    labels = (rng.random(600) < 0.1 + 0.05 * tokens).astype(np.int8)
    of = torch.arange(600) // 10
    noise = torch.from_numpy(rng.standard_normal((600, 800)).astype(np.float32))
    batch = Batch(Site(0), noise, torch.from_numpy(labels)[:, None], of, of, torch.from_numpy(tokens))
    sizes = [(int((labels[tokens == t] == 1).sum()), int((labels[tokens == t] == 0).sum())) for t in range(6)]
    # Van Elteren's: the variance of a sum of independent statistics of Mann and Whitney.
    expected = math.sqrt(sum(m * n * (m + n + 1) / 12 for m, n in sizes)) / sum(m * n for m, n in sizes)
    assert noise_of_flips(batch, AucWithinToken()) == pytest.approx(expected, rel=0.03)
    scored = AucWithinToken().contributions(batch).sum(dim=0)
    assert noise_of_flips(batch, AucWithinToken()) == pytest.approx(float(scored.std()), rel=0.08)


def test_an_area_is_told_from_other_scores():
    areas, others = (
        (Auc(), AucBinned(), AucWithinToken()),
        (CohensD(), AveragePrecision(), MutualInformation(), KSparse()),
    )
    assert all(scorer.area for scorer in areas)
    assert not any(scorer.area for scorer in others)
    for scorer in (*areas, *others):
        for check in DECLARATION_CHECKS:
            check(scorer)


def test_the_noise_of_labels_that_change_places_within_groups_is_van_elterens():
    """Of ranks within a group of N, m of them present, the sum varies by m n (N + 1) / 12."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(2, 9, 40))
    labels = (rng.random(len(groups)) < 0.4).astype(np.int8)
    m, n = (np.bincount(groups, labels == label) for label in (1, 0))
    expected = math.sqrt((m * n * (m + n + 1) / 12).sum()) / (m * n).sum()
    number = torch.from_numpy(groups)
    noise = torch.from_numpy(rng.standard_normal((len(groups), 64)).astype(np.float32))
    batch = Batch(Site(0), noise, torch.from_numpy(labels)[:, None], torch.arange(len(groups)), number, number)
    assert noise_of_exchange(batch, AucWithinGroup(), Exchange(groups)) == pytest.approx(expected, rel=0.05)
    everywhere = Exchange(np.zeros_like(groups))
    plain = noise_of_auc(labels, everywhere.strata)
    assert noise_of_exchange(batch, Auc(), everywhere) == pytest.approx(plain, rel=0.05)
