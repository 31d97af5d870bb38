import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score

from neurosieve_plugins.scorers.average_precision import AveragePrecision


def by_sklearn(activations, labels):
    kept = labels >= 0
    truth = labels[kept].numpy()
    return [average_precision_score(truth, column) for column in activations[kept].double().T.numpy()]


@pytest.mark.parametrize("present", [1, 2, 15, 28, 54])
@pytest.mark.parametrize("ties", [True, False])
def test_average_precision_is_sklearns(score, data, present, ties):
    activations, labels = data(present=present, ties=ties)
    value = score(AveragePrecision(), activations, labels).value[0]
    np.testing.assert_allclose(value, by_sklearn(activations, labels), atol=1e-12)


@settings(deadline=None, max_examples=100)
@given(
    values=hnp.arrays(np.float32, 12, elements=st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0])), present=st.integers(1, 11)
)
def test_average_precision_is_sklearns_on_tied_values(score, values, present):
    activations = torch.from_numpy(values).unsqueeze(1)
    labels = (torch.arange(12) < present).long()
    value = score(AveragePrecision(), activations, labels).value.item()
    assert value == pytest.approx(by_sklearn(activations, labels)[0], abs=1e-12)


def test_the_prevalence_tells_nothing(score):
    labels = torch.tensor([[1, 1], [0, -1], [0, -1], [0, 0]])
    scores = score(AveragePrecision(), torch.full((4, 1), 3.0), labels)
    assert scores.neutral.tolist() == [[0.25], [0.5]]
    assert scores.value.tolist() == [[0.25], [0.5]]
