"""Clustered intervals, beside the formulas written out as plain loops, and beside the truth."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, t, ttest_ind

from neurosieve import Batch, Site
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_token import AucWithinToken
from neurosieve_plugins.scorers.mean_difference import MeanDifference


def batch_of(values, labels, groups, token_ids=None):
    values = torch.as_tensor(np.asarray(values), dtype=torch.float32)
    groups = torch.as_tensor(groups)
    return Batch(
        Site(0),
        values.unsqueeze(1) if values.ndim == 1 else values,
        torch.as_tensor(np.asarray(labels), dtype=torch.int8)[:, None],
        groups,
        groups,
        torch.zeros_like(groups) if token_ids is None else torch.as_tensor(token_ids),
    )


def wins(x, y):
    return 1.0 if x > y else 0.5 if x == y else 0.0


def obuchowski(values, labels, groups):
    """Obuchowski (1997): the area, its variance, and how many clusters have a present and a control position."""
    x = [(v, g) for v, label, g in zip(values, labels, groups, strict=True) if label == 1]
    y = [(v, g) for v, label, g in zip(values, labels, groups, strict=True) if label == 0]
    m, n = len(x), len(y)
    area = sum(wins(a, b) for a, _ in x for b, _ in y) / (m * n)
    v10 = [sum(wins(a, b) for b, _ in y) / n for a, _ in x]
    v01 = [sum(wins(a, b) for a, _ in x) / m for b, _ in y]
    names = sorted(set(groups))
    i10, i01, i = len({g for _, g in x}), len({g for _, g in y}), len(names)
    s10 = s01 = s11 = 0.0
    for name in names:
        d10 = sum(v - area for v, (_, g) in zip(v10, x, strict=True) if g == name)
        d01 = sum(v - area for v, (_, g) in zip(v01, y, strict=True) if g == name)
        s10, s01, s11 = s10 + d10 * d10, s01 + d01 * d01, s11 + d10 * d01
    s10 *= i10 / ((i10 - 1) * m)
    s01 *= i01 / ((i01 - 1) * n)
    s11 *= i / (i - 1)
    return area, s10 / m + s01 / n + 2 * s11 / (m * n), i10, i01


def delong(values, labels):
    """DeLong, DeLong and Clarke-Pearson (1988): the variance of an area, positions being independent."""
    x, y = values[labels == 1], values[labels == 0]
    v10 = np.array([np.mean([wins(a, b) for b in y]) for a in x])
    v01 = np.array([np.mean([wins(a, b) for a in x]) for b in y])
    return v10.var(ddof=1) / len(x) + v01.var(ddof=1) / len(y)


def on_the_logit_scale(area, variance, freedom, confidence):
    spread = t.ppf((1 + confidence) / 2, freedom) * math.sqrt(variance) / (area * (1 - area))
    middle = math.log(area / (1 - area))
    return [1 / (1 + math.exp(-(middle + side * spread))) for side in (-1, 1)]


def drawn(seed, positions=40, clusters=8, ties=True):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, clusters, positions)
    labels = (rng.random(positions) < 0.4).astype(int)
    values = (rng.standard_normal(positions) + rng.standard_normal(clusters)[groups] + 0.5 * labels).astype(np.float32)
    return values.round(1) if ties else values, labels, groups


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), clusters=st.integers(4, 12), ties=st.booleans(), confidence=st.floats(0.5, 0.99))
def test_the_interval_of_the_auc_is_obuchowskis(seed, clusters, ties, confidence):
    values, labels, groups = drawn(seed, clusters=clusters, ties=ties)
    area, variance, i10, i01 = obuchowski(values.tolist(), labels, groups)
    low, high = (end.item() for end in Auc().interval(batch_of(values, labels, groups), confidence))
    if not (0 < area < 1 and variance > 1e-12):
        assert (low == 0 or high == 1 or low == high == 0.5) if area in (0, 0.5, 1) else math.isnan(low)
        return
    assert [low, high] == pytest.approx(
        on_the_logit_scale(area, variance, min(i10, i01) - 1, confidence), rel=1e-5, abs=1e-6
    )


@given(seed=st.integers(0, 10_000), ties=st.booleans())
def test_where_each_position_is_a_group_the_standard_error_of_the_auc_is_delongs(seed, ties):
    values, labels, _ = drawn(seed, ties=ties)
    low, high = (end.item() for end in Auc().interval(batch_of(values, labels, np.arange(40)), 0.95))
    area = np.mean([wins(a, b) for a in values[labels == 1] for b in values[labels == 0]])
    freedom = min(labels.sum(), 40 - labels.sum()) - 1
    logits = math.log(high / (1 - high)) - math.log(low / (1 - low))
    error = logits / 2 / t.ppf(0.975, freedom) * area * (1 - area)
    assert error == pytest.approx(math.sqrt(delong(values, labels)), rel=1e-4)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), clusters=st.integers(2, 12), confidence=st.floats(0.5, 0.99))
def test_the_interval_of_the_mean_difference_is_the_jackknife_over_groups(seed, clusters, confidence):
    values, labels, groups = drawn(seed, clusters=clusters)
    low, high = (end.item() for end in MeanDifference().interval(batch_of(values, labels, groups), confidence))
    names = np.unique(groups)
    with_class = [len(np.unique(groups[labels == label])) for label in (1, 0)]
    if min(with_class) < 2:
        assert math.isnan(low)
        assert math.isnan(high)
        return

    def difference(kept):
        return values[kept & (labels == 1)].mean(dtype=float) - values[kept & (labels == 0)].mean(dtype=float)

    whole = difference(groups >= 0)
    variance = (len(names) - 1) / len(names) * sum((difference(groups != name) - whole) ** 2 for name in names)
    spread = t.ppf((1 + confidence) / 2, min(with_class) - 1) * math.sqrt(variance)
    assert [low, high] == pytest.approx([whole - spread, whole + spread], rel=1e-6, abs=1e-6)


def test_with_many_groups_the_interval_of_the_mean_difference_is_the_cluster_sandwich():
    values, labels, groups = drawn(0, positions=3000, clusters=400)
    # A regression on an intercept and the label: (X'X)^-1 (sum over clusters of X'e e'X) (X'X)^-1.
    x = np.stack([np.ones(3000), labels], axis=1)
    bread = np.linalg.inv(x.T @ x)
    fit = bread @ x.T @ values.astype(float)
    residuals = values - x @ fit
    meat = np.zeros((2, 2))
    for name in np.unique(groups):
        moment = x[groups == name].T @ residuals[groups == name]
        meat += np.outer(moment, moment)
    spread = norm.ppf(0.975) * math.sqrt((bread @ meat @ bread)[1, 1])
    low, high = (end.item() for end in MeanDifference().interval(batch_of(values, labels, groups), 0.95))
    assert [low, high] == pytest.approx([fit[1] - spread, fit[1] + spread], abs=0.02 * spread)


def test_where_each_position_is_a_group_the_interval_of_the_mean_difference_is_nearly_welchs():
    values, labels, _ = drawn(0, positions=400)
    welch = ttest_ind(values[labels == 1], values[labels == 0], equal_var=False).confidence_interval(0.95)
    low, high = (end.item() for end in MeanDifference().interval(batch_of(values, labels, np.arange(400)), 0.95))
    assert [low, high] == pytest.approx([welch.low, welch.high], rel=0.02)


@pytest.mark.parametrize("scorer", [Auc(), MeanDifference()])
def test_where_one_group_alone_has_the_behaviour_there_is_no_interval(scorer):
    # Nothing says how other groups would differ.
    values, labels, groups = drawn(0)
    groups = np.where(labels == 1, 3, groups)
    assert all(end.isnan().all() for end in scorer.interval(batch_of(values, labels, groups), 0.95))


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), clusters=st.integers(3, 12))
def test_the_interval_within_tokens_is_that_of_each_groups_share_in_the_pairs(seed, clusters):
    values, labels, groups = drawn(seed, clusters=clusters)
    tokens = np.random.default_rng(seed + 1).integers(0, 4, 40)
    share, expected, pairs, won = np.zeros(40), np.zeros(40), 0, 0.0
    for i in np.flatnonzero(labels == 1):
        for j in np.flatnonzero((labels == 0) & (tokens == tokens[i])):
            win = wins(values[i], values[j])
            won, pairs = won + win, pairs + 1
            share[[i, j]] += win
            expected[[i, j]] += 1
    batch = batch_of(values, labels, groups, tokens)
    low, high = (end.item() for end in AucWithinToken().interval(batch, 0.9))
    area = won / pairs
    names = np.unique(groups[expected > 0])
    variance = sum(((share - area * expected)[groups == name].sum() / pairs) ** 2 for name in names)
    variance *= len(names) / max(1, len(names) - 1)
    if not (len(names) > 1 and 0 < area < 1 and variance > 1e-12):
        assert (low == 0 or high == 1 or low == high == 0.5) if area in (0, 0.5, 1) else math.isnan(low)
        return
    assert [low, high] == pytest.approx(on_the_logit_scale(area, variance, len(names) - 1, 0.9), rel=1e-5, abs=1e-6)


def test_many_tokens_of_one_kind_make_the_interval_of_the_auc_but_for_small_numbers():
    values, labels, groups = drawn(0, positions=1000, clusters=100)
    batch = batch_of(values, labels, groups)
    for one, other in zip(Auc().interval(batch, 0.95), AucWithinToken().interval(batch, 0.95), strict=True):
        assert one.item() == pytest.approx(other.item(), abs=1e-3)


@pytest.mark.parametrize("scorer", [Auc(), AucWithinToken(), MeanDifference()])
@pytest.mark.parametrize("labels", [[1, 1, 1, 1], [0, 0, 0, 0]])
def test_without_both_classes_there_is_no_interval(scorer, labels):
    assert all(end.isnan().all() for end in scorer.interval(batch_of(np.arange(4.0), labels, np.arange(4)), 0.95))


@pytest.mark.parametrize("scorer", [Auc(), AucWithinToken(), MeanDifference()])
def test_of_one_group_alone_there_is_no_interval(scorer):
    batch = batch_of(np.array([3.0, 1.0, 2.0, 0.0]), [1, 1, 0, 0], np.zeros(4, dtype=int))
    assert all(end.isnan().all() for end in scorer.interval(batch, 0.95))


@pytest.mark.parametrize("scorer", [Auc(), AucWithinToken()])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_where_a_neuron_tells_the_classes_apart_the_groups_of_the_smaller_are_as_coins(scorer, confidence):
    """Twelve groups in a row that are all told apart: Clopper and Pearson's interval for twelve heads of twelve."""
    labels, groups = np.array([1, 1, 0, 0] * 12 + [0] * 9), np.array([*np.repeat(np.arange(12), 4), *range(20, 29)])
    values = np.stack([labels, -labels, np.zeros(57)], axis=1)
    low, high = scorer.interval(batch_of(values, labels, groups), confidence)
    coins = binomtest(12, 12).proportion_ci(confidence, method="exact")
    assert [low[0].item(), high[0].item()] == pytest.approx([coins.low, coins.high])
    assert [low[1].item(), high[1].item()] == pytest.approx([1 - coins.high, 1 - coins.low])
    assert low[2] == high[2] == 0.5


def clustered(seed, effect, documents=40, neurons=100, shared=0.5, own=0.5):
    """Documents that share a random effect, of which those with the behaviour also differ in how it shows."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(documents), rng.integers(5, 20, documents))
    labels = np.zeros(len(groups), dtype=int)
    for document in np.flatnonzero(rng.random(documents) < 0.7):
        labels[rng.choice(np.flatnonzero(groups == document), rng.integers(1, 5), replace=False)] = 1
    level = math.sqrt(shared) * rng.standard_normal((documents, neurons))
    shows = effect + own * rng.standard_normal((documents, neurons))
    noise = math.sqrt(1 - shared) * rng.standard_normal((len(groups), neurons))
    values = level[groups] + labels[:, None] * shows[groups] + noise
    # Over pairs: within a document the level is no difference.
    counts = np.array([[(labels[groups == d] == label).sum() for label in (1, 0)] for d in range(documents)])
    within = (counts[:, 0] * counts[:, 1]).sum() / np.prod(counts.sum(axis=0))
    areas = [norm.cdf(effect / math.sqrt(2 + own**2 - inside * 2 * shared)) for inside in (0, 1)]
    return batch_of(values, labels, groups), (1 - within) * areas[0] + within * areas[1]


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_an_interval_holds_the_truth_as_often_as_it_says_and_a_naive_one_does_not(effect):
    held = {(name, naive): [] for name in ("auc", "mean_difference") for naive in (False, True)}
    for seed in range(30):
        batch, area = clustered(seed, effect)
        alone = batch_of(batch.activations, batch.labels[:, 0], np.arange(len(batch.labels)))
        for name, scorer, truth in (("auc", Auc(), area), ("mean_difference", MeanDifference(), effect)):
            for naive, one in ((False, batch), (True, alone)):
                low, high = scorer.interval(one, 0.95)
                held[name, naive].append(((low <= truth) & (truth <= high)).double().mean().item())
    for (name, naive), shares in held.items():
        if naive:
            assert np.mean(shares) < 0.91, name
        else:
            assert 0.93 < np.mean(shares) < 0.97, name
