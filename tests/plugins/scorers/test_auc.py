import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.metrics import roc_auc_score

from neurosieve import Batch, Site
from neurosieve_plugins.scorers.auc import Auc


def by_sklearn(activations, labels):
    kept = labels >= 0
    truth = labels[kept].numpy()
    return [roc_auc_score(truth, column) for column in activations[kept].double().T.numpy()]


@pytest.mark.parametrize("present", [1, 2, 15, 27, 28, 40, 54])
@pytest.mark.parametrize("ties", [True, False])
def test_auc_is_sklearns(score, data, present, ties):
    activations, labels = data(present=present, ties=ties)
    np.testing.assert_allclose(score(Auc(), activations, labels).value[0], by_sklearn(activations, labels), atol=1e-12)


def test_auc_is_mann_whitneys_u_over_the_pairs(score, data):
    activations, labels = data()
    u = stats.mannwhitneyu(activations[labels == 1], activations[labels == 0]).statistic
    np.testing.assert_allclose(score(Auc(), activations, labels).value[0], u / (15 * 40), atol=1e-12)


@settings(deadline=None, max_examples=100)
@given(
    values=hnp.arrays(
        np.float32, 12, elements=st.one_of(st.sampled_from([0.0, -0.0, 1.0]), st.floats(-2, 2, width=32))
    ),
    present=st.integers(1, 11),
)
def test_auc_is_sklearns_on_few_and_tied_values(score, values, present):
    activations = torch.from_numpy(values).unsqueeze(1)
    labels = (torch.arange(12) < present).long()
    assert score(Auc(), activations, labels).value.item() == pytest.approx(
        by_sklearn(activations, labels)[0], abs=1e-12
    )


def test_a_constant_neuron_tells_nothing(score):
    scores = score(Auc(), torch.full((5, 1), 0.1), torch.tensor([1, 0, 0, 1, 0]))
    assert scores.value.item() == scores.neutral == 0.5


def test_a_neuron_that_tells_the_classes_apart_has_an_auc_of_exactly_one_or_zero(score):
    labels = torch.tensor([1, 1, 0, 0, 0, -1])
    activations = torch.stack([labels.float(), -labels.float()], dim=1)
    assert score(Auc(), activations, labels).value.tolist() == [[1.0, 0.0]]


def test_the_least_difference_counts(score):
    low = torch.tensor(1.0)
    high = torch.nextafter(low, torch.tensor(2.0))
    assert score(Auc(), torch.stack([high, low, low]).unsqueeze(1), torch.tensor([1, 0, 0])).value.item() == 1.0


def test_infinite_activations_are_ordered_as_any(score):
    activations = torch.tensor([[torch.inf], [1.0], [-torch.inf], [0.0]])
    assert score(Auc(), activations, torch.tensor([1, 1, 0, 0])).value.item() == 1.0


@given(
    rows=st.lists(st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 3)), min_size=2, max_size=60),
    seed=st.integers(0, 100),
)
def test_the_area_of_a_resample_is_that_of_weighted_positions(rows, seed):
    labels, values, times = (np.array(column) for column in zip(*rows, strict=True))
    assume(len(np.unique(labels[times > 0])) == 2)
    where = torch.arange(len(rows))
    smooth = np.random.default_rng(seed).standard_normal(len(rows))  # One neuron with ties, and one without.
    activations = torch.from_numpy(np.stack([values, smooth], axis=1)).float()
    batch = Batch(Site(0), activations, torch.from_numpy(labels).to(torch.int8)[:, None], where, where, where)
    found = Auc().resampled(batch, torch.from_numpy(times).float()[None]).value[0]
    expected = [roc_auc_score(labels, column, sample_weight=times) for column in activations.T.numpy()]
    np.testing.assert_allclose(found, expected, atol=1e-9)
