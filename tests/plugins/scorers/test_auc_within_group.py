"""The area within groups, beside sklearn per group, the plain area, and simulation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, t
from sklearn.metrics import roc_auc_score

from neurosieve import Batch, Site
from neurosieve.evidence.intervals import percentile_interval, resample_weights
from neurosieve.scoring.engine import score as scored
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_group import AucWithinGroup

VALUES = st.one_of(st.sampled_from([0.0, -0.0, 1.0]), st.floats(-2, 2, width=32))
UNITS = st.lists(st.tuples(VALUES, st.integers(-1, 1), st.integers(0, 3)), min_size=1, max_size=25)


def batch_of(values, labels, groups):
    values = torch.as_tensor(np.asarray(values), dtype=torch.float32)
    values = values.unsqueeze(1) if values.ndim == 1 else values
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.int8)[:, None]
    documents, groups = torch.arange(len(values)), torch.as_tensor(np.asarray(groups))
    return Batch(Site(0), values, labels, documents, groups, torch.zeros_like(documents))


def area(scorer, batch):
    return scored([batch], {"score": scorer})["score"].value[0].numpy()


def by_hand(values, labels, groups):
    """sklearn's AUC of each group that has both classes, weighted by its pairs."""
    won = pairs = 0.0
    for group in np.unique(groups):
        here = (groups == group) & (labels >= 0)
        present, control = (labels[here] == 1).sum(), (labels[here] == 0).sum()
        if present and control:
            won += present * control * roc_auc_score(labels[here], values[here])
            pairs += present * control
    return won / pairs if pairs else np.nan


@settings(max_examples=60)
@given(units=UNITS)
def test_it_is_sklearns_per_group_weighted_by_pairs(units):
    values, labels, groups = (np.array(column) for column in zip(*units, strict=True))
    values = values.astype(np.float32)
    expected = by_hand(values, labels, groups)
    assert area(AucWithinGroup(), batch_of(values, labels, groups)) == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_in_one_group_it_is_the_auc():
    rng = np.random.default_rng(0)
    batch = batch_of(rng.standard_normal((50, 4)), rng.integers(0, 2, 50), np.zeros(50, dtype=int))
    np.testing.assert_allclose(area(AucWithinGroup(), batch), area(Auc(), batch), atol=1e-9)


def test_a_neuron_that_tells_hard_problems_is_at_chance_and_one_that_tells_wrong_answers_is_not():
    rng = np.random.default_rng(0)
    groups, hard = np.repeat(np.arange(80), 6), rng.random(80)
    labels = (rng.random(480) < hard[groups]).astype(int)
    values = np.stack([hard[groups], labels], axis=1) + 0.01 * rng.standard_normal((480, 2))
    batch = batch_of(values, labels, groups)
    assert (area(Auc(), batch) > 0.75).all()
    difficulty, wrong = area(AucWithinGroup(), batch)
    assert abs(difficulty - 0.5) < 0.08
    assert wrong == 1.0


def drawn(seed, groups=30, samples=5, neurons=1, effect=0.0):
    """Answers to problems that have a level of their own, and a leaning to be wrong that goes with it."""
    rng = np.random.default_rng(seed)
    level, group = rng.standard_normal((groups, neurons)), np.repeat(np.arange(groups), samples)
    labels = (rng.random(len(group)) < 1 / (1 + np.exp(-level[group, 0]))).astype(int)
    values = level[group] + math.sqrt(0.5) * rng.standard_normal((len(group), neurons)) + effect * labels[:, None]
    return values, labels, group


def test_the_interval_is_that_of_a_ratio_of_sums_over_groups():
    values, labels, groups = drawn(1)
    won, pairs = [], []
    for group in np.unique(groups):
        here = groups == group
        x, y = values[here & (labels == 1), 0], values[here & (labels == 0), 0]
        if len(x) and len(y):
            won.append((x[:, None] > y[None, :]).sum())
            pairs.append(len(x) * len(y))
    won, pairs, k = np.array(won, float), np.array(pairs, float), len(won)
    share = won.sum() / pairs.sum()
    variance = k / (k - 1) * (((won - share * pairs) / pairs.sum()) ** 2).sum()
    reach = t.ppf(0.975, k - 1) * math.sqrt(variance) / (share * (1 - share))
    ends = [1 / (1 + math.exp(-(math.log(share / (1 - share)) + side * reach))) for side in (-1, 1)]
    interval = AucWithinGroup().interval(batch_of(values, labels, groups), 0.95)
    assert [end.item() for end in interval] == pytest.approx(ends, rel=1e-5)


def test_the_interval_is_near_that_of_resampled_groups():
    values, labels, groups = drawn(2, groups=120, neurons=20)
    batch = batch_of(values, labels, groups)
    weights = torch.from_numpy(resample_weights(120, 2000, seed=0)[:, groups]).float()
    areas = AucWithinGroup().resampled(batch, weights).value.numpy()
    formula = np.stack([end.numpy() for end in AucWithinGroup().interval(batch, 0.95)])
    np.testing.assert_allclose(formula, np.stack(percentile_interval(areas)), atol=0.02)


@pytest.mark.parametrize("effect", [0.0, 0.8])
def test_intervals_hold_the_truth_as_often_as_they_say(effect):
    truth, hits = norm.cdf(effect), 0
    for seed in range(40):
        values, labels, groups = drawn(seed, groups=40, neurons=25, effect=effect)
        interval = AucWithinGroup().interval(batch_of(values, labels, groups), 0.95)
        hits += int(((interval.low <= truth) & (truth <= interval.high)).sum())
    assert 0.93 <= hits / 1000 <= 0.97


def test_a_group_that_is_drawn_twice_counts_twice():
    values, labels, groups = drawn(3, groups=6)
    batch, times = batch_of(values, labels, groups), np.array([2, 0, 1, 1, 0, 2])
    weights = torch.from_numpy(times[groups]).float()[None]
    copies = [(group, copy) for group, count in enumerate(times) for copy in range(count)]
    rows = np.concatenate([np.flatnonzero(groups == group) for group, _ in copies])
    number = np.concatenate([np.full((groups == group).sum(), place) for place, (group, _) in enumerate(copies)])
    expected = by_hand(values[rows, 0].astype(np.float32), labels[rows], number)
    assert AucWithinGroup().resampled(batch, weights).value.item() == pytest.approx(expected, abs=1e-6)


def test_without_a_group_that_has_both_classes_there_is_no_score_nor_interval_nor_resample():
    batch = batch_of(np.arange(4.0), [1, 1, 0, 0], [5, 5, 7, 8])
    assert np.isnan(area(AucWithinGroup(), batch)).all()
    assert AucWithinGroup().interval(batch, 0.95).low.isnan().all()
    assert AucWithinGroup().resampled(batch, torch.ones(2, 4)).value.isnan().all()
