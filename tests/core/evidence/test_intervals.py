"""An interval holds the truth as often as it says, and knows that positions of one group go together."""

import numpy as np
import pytest
import scipy.stats
import torch

from neurosieve import Batch, Site
from neurosieve.evidence.intervals import bootstrap_interval
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.average_precision import AveragePrecision
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.mean_difference import MeanDifference


def batch_of(activations, labels, groups):
    return Batch(
        Site(0),
        torch.tensor(activations, dtype=torch.float32),
        torch.tensor(labels, dtype=torch.int8)[:, None],
        torch.tensor(groups),
        torch.tensor(groups),
        torch.zeros(len(labels), dtype=torch.int64),
    )


def clustered(groups=40, present=2, control=4, neurons=300, effect=1.0, between=1.0, seed=0):
    """Positions whose difference between present and control has a mean of `effect`, and varies between groups."""
    rng = np.random.default_rng(seed)
    labels = np.tile([1] * present + [0] * control, groups)
    of = np.repeat(np.arange(groups), present + control)
    shifts = effect + between * rng.standard_normal((groups, neurons))
    return batch_of(shifts[of] * labels[:, None] + rng.standard_normal((len(labels), neurons)), labels, of)


def means(x, label, axis):
    return [np.mean(x, axis=axis, where=label == each, keepdims=True) for each in (1, 0)]


def difference(x, label, axis=-1):
    present, control = means(x, label, axis)
    return (present - control).squeeze(axis)


def cohens_d(x, label, axis=-1):
    present, control = means(x, label, axis)
    squares = ((x - np.where(label == 1, present, control)) ** 2).sum(axis=axis)
    return difference(x, label, axis) / np.sqrt(squares / (x.shape[axis] - 2))


@pytest.mark.parametrize(
    ("scorer", "statistic", "confidence"), [(MeanDifference(), difference, 0.95), (CohensD(), cohens_d, 0.8)]
)
def test_where_each_group_is_one_position_it_is_the_bootstrap_of_scipy(scorer, statistic, confidence):
    rng = np.random.default_rng(3)
    labels = np.array([1] * 25 + [0] * 40)
    x = rng.standard_normal((65, 3)) + np.array([0.0, 1.0, -2.0]) * labels[:, None]
    ours = bootstrap_interval(batch_of(x, labels, np.arange(65)), scorer, 0, draws=1000, confidence=confidence)
    for neuron in range(3):
        theirs = scipy.stats.bootstrap(
            (x[:, neuron], labels),
            statistic,
            paired=True,
            vectorized=True,
            method="percentile",
            n_resamples=1500,
            confidence_level=confidence,
            rng=np.random.default_rng(1),
        ).confidence_interval
        # Both know an end to about 0.02 of the width at 1,500 draws.
        width = theirs.high - theirs.low
        assert abs(ours.low[neuron] - theirs.low) < 0.1 * width
        assert abs(ours.high[neuron] - theirs.high) < 0.1 * width


@pytest.mark.parametrize("between", [0.0, 1.0, 3.0])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(between):
    # Each neuron is a simulation of its own.
    interval = bootstrap_interval(clustered(between=between), MeanDifference(), seed=0, draws=250)
    held = (interval.low < 1.0) & (interval.high > 1.0)
    assert 0.88 <= held.mean() <= 0.99


def test_positions_that_share_what_is_theirs_make_wider_intervals_than_independent_ones():
    known = clustered(present=5, control=5, between=2.0, neurons=100)
    ignored = batch_of(known.activations.numpy(), known.labels[:, 0].numpy(), np.arange(len(known.labels)))
    for scorer in (MeanDifference(), Auc()):
        wide, narrow = (bootstrap_interval(one, scorer, seed=0, draws=100) for one in (known, ignored))
        assert np.median((wide.high - wide.low) / (narrow.high - narrow.low)) > 1.2
    # And those that ignore it hold the truth too seldom.
    narrow = bootstrap_interval(ignored, MeanDifference(), seed=0, draws=100)
    assert ((narrow.low < 1.0) & (narrow.high > 1.0)).mean() < 0.85


def test_the_interval_is_of_the_minus_neutral_from_telling_nothing():
    batch = clustered(groups=20, neurons=4, effect=4.0, between=0.1)
    for scorer, most in ((Auc(), 0.5), (AveragePrecision(), 2 / 3)):
        interval = bootstrap_interval(batch, scorer, seed=0, draws=50)
        assert (interval.low > 0.3).all()
        assert (interval.high <= most + 0.05).all()


def test_the_same_seed_gives_the_same_interval_and_the_order_of_positions_gives_no_other():
    batch = clustered(groups=10, neurons=5)
    order = torch.randperm(len(batch.labels), generator=torch.Generator().manual_seed(0))
    shuffled = batch_of(batch.activations[order].numpy(), batch.labels[order, 0].numpy(), batch.groups[order].numpy())
    first, again, other, moved = (
        bootstrap_interval(one, MeanDifference(), seed, draws=50)
        for one, seed in ((batch, 0), (batch, 0), (batch, 1), (shuffled, 0))
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, moved, atol=1e-5)
    assert (first.low != other.low).all()


def test_where_too_many_resamples_lack_a_class_there_is_no_interval():
    labels = np.array([1, 0, 0, 0, 0])
    interval = bootstrap_interval(
        batch_of(np.arange(5.0)[:, None], labels, np.arange(5)), MeanDifference(), seed=0, draws=200
    )
    assert np.isnan(interval).all()


def test_a_neuron_that_is_undefined_does_not_take_the_others_with_it():
    batch = clustered(groups=10, neurons=3)
    constant = batch.activations.clone()
    constant[:, 1] = 2.0
    interval = bootstrap_interval(
        Batch(batch.site, constant, batch.labels, batch.documents, batch.groups, batch.token_ids),
        CohensD(),
        seed=0,
        draws=50,
    )
    assert np.isnan(interval.low).tolist() == np.isnan(interval.high).tolist() == [False, True, False]
