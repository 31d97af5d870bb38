"""A contrast is the score, of any labels that could be drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosieve import Batch, Site
from neurosieve.scoring.engine import score as scored
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_binned import AucBinned
from neurosieve_plugins.scorers.centring import centred, sums_of_squares
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.hedges_g import HedgesG
from neurosieve_plugins.scorers.mean_difference import MeanDifference

LINEAR = [Auc(), AucBinned(), CohensD(), CohensD(hedges=True), HedgesG(), MeanDifference()]
linear = pytest.mark.parametrize("scorer", LINEAR, ids=repr)


def batch_of(values, labels):
    number = torch.arange(len(values))
    return Batch(Site(0), torch.as_tensor(values, dtype=torch.float32), labels.to(torch.int8), number, number, number)


def both_ways(scorer, values, labels):
    """The scores of the columns of labels by the contrast of the first, and by computing each."""
    contrast = scorer.contrast(batch_of(values, labels[:, :1]))
    by_contrast = contrast.score((labels == 1).T.float() @ contrast.values)
    computed = scored([batch_of(values, labels)], {"score": scorer})["score"].value
    return by_contrast.double().numpy(), computed.numpy()


@linear
@settings(max_examples=40)
@given(positions=st.integers(2, 40), present=st.integers(0, 40), seed=st.integers(0, 10_000), ties=st.booleans())
def test_it_is_the_score_of_any_labels_with_as_many_present(scorer, positions, present, seed, ties):
    rng = np.random.default_rng(seed)
    values = 3 * rng.standard_normal((positions, 5)).astype(np.float32) + 1
    values = values.round(1) if ties else values
    values[:, 4] = 0.1
    labels = np.stack([rng.permutation(positions) < min(present, positions) for _ in range(4)], axis=1)
    by_contrast, computed = both_ways(scorer, values, torch.from_numpy(labels))
    # Where what varies within the classes is nothing but rounding, Cohen's d is as good as infinite.
    sane = ~(np.abs(computed) > 100)
    np.testing.assert_allclose(by_contrast[sane], computed[sane], rtol=2e-4, atol=2e-5)


def test_the_average_of_both_variances_is_no_contrast():
    batch = batch_of(np.zeros((4, 1)), torch.tensor([[1], [1], [0], [0]]))
    assert CohensD(pooling="average").contrast(batch) is None


@linear
def test_a_nan_stays_in_its_neuron(scorer):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((30, 3))
    values[4, 1] = np.nan
    by_contrast, _ = both_ways(scorer, values, torch.from_numpy(rng.random((30, 1)) < 0.5))
    assert np.isnan(by_contrast[0]).tolist() == [False, True, False]


def test_a_small_spread_beside_an_outlier_is_kept():
    rng = np.random.default_rng(0)
    values = (1e4 + 0.01 * rng.standard_normal((200, 4))).astype(np.float32)
    values[0] = -1e4
    np.testing.assert_allclose(
        centred(torch.from_numpy(values)), values - values.astype(np.float64).mean(axis=0), rtol=1e-6
    )
    squares = np.square(values.astype(np.float64)).sum(axis=0)
    np.testing.assert_allclose(sums_of_squares(torch.from_numpy(values)), squares, rtol=1e-12)


@pytest.mark.parametrize("value", [0.1, 1e30, 1e-40, -3.0, 16_777_217.0])
@pytest.mark.parametrize("positions", [1, 3, 1000])
def test_what_never_changes_is_exactly_0_about_its_mean(value, positions):
    assert (centred(torch.full((positions, 2), value)) == 0).all()
