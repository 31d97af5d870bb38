import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import rankdata
from sklearn.metrics import mutual_info_score

from neurosieve import ConfigError
from neurosieve_plugins.scorers.mutual_information import MutualInformation


def by_sklearn(activations, labels, bins):
    """sklearn's information between the labels and the quantile bin of each midrank."""
    kept = (labels >= 0).numpy()
    quantiles = (rankdata(activations.numpy()[kept], axis=0) - 0.5) / kept.sum()
    return [mutual_info_score(labels.numpy()[kept], column) for column in np.floor(quantiles * bins + 1e-9).T]


@pytest.mark.parametrize("present", [1, 2, 15, 40, 54])
@pytest.mark.parametrize("bins", [2, 3, 8, 50])
@pytest.mark.parametrize("ties", [True, False])
def test_it_is_sklearns(score, data, present, bins, ties):
    activations, labels = data(present=present, ties=ties)
    value = score(MutualInformation(bins), activations, labels).value[0]
    np.testing.assert_allclose(value, by_sklearn(activations, labels, bins), atol=1e-9)


@settings(max_examples=150)
@given(
    values=hnp.arrays(
        np.float32,
        st.integers(2, 14),
        elements=st.one_of(st.sampled_from([0.0, -0.0, 1.0]), st.floats(-2, 2, width=32)),
    ),
    present=st.integers(1, 13),
    bins=st.integers(2, 9),
)
def test_it_is_sklearns_on_few_and_tied_values(score, values, present, bins):
    activations = torch.from_numpy(values).unsqueeze(1)
    labels = (torch.arange(len(values)) < min(present, len(values) - 1)).long()
    value = score(MutualInformation(bins), activations, labels).value.item()
    assert value == pytest.approx(by_sklearn(activations, labels, bins)[0], abs=1e-9)
    assert value >= 0


def test_without_ties_the_bins_are_numpys_quantiles(score):
    rng = np.random.default_rng(0)
    values, labels = rng.standard_normal(80).astype(np.float32), rng.integers(0, 2, 80)
    edges = np.quantile(values, np.arange(1, 8) / 8)
    expected = mutual_info_score(labels, np.searchsorted(edges, values))
    value = score(MutualInformation(8), torch.from_numpy(values)[:, None], torch.from_numpy(labels)).value.item()
    assert value == pytest.approx(expected, abs=1e-9)


def test_what_tells_the_classes_apart_tells_the_entropy_of_the_labels(score):
    labels = (torch.arange(80) % 4 == 0).long()
    scores = score(MutualInformation(4), torch.stack([labels, -labels], dim=1).float(), labels)
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert scores.value[0].tolist() == pytest.approx([entropy, entropy])


def test_a_constant_neuron_tells_nothing(score):
    scores = score(MutualInformation(), torch.full((9, 1), 0.1), torch.arange(9) % 2)
    assert scores.value.item() == scores.neutral == 0


def test_what_is_near_0_with_the_behaviour_alone_is_seen(score):
    labels = (torch.arange(400) % 2).long()
    activations = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
    activations[labels == 1, 0] *= 0.1
    told, noise = score(MutualInformation(), activations, labels).value[0]
    assert told > 10 * noise


def test_noise_seems_to_tell_as_much_as_is_said(score):
    activations = torch.randn(400, 500, generator=torch.Generator().manual_seed(0))
    mean = score(MutualInformation(8), activations, torch.arange(400) % 2).value.mean().item()
    assert mean == pytest.approx(7 / 800, rel=0.1)


def test_many_columns_of_labels_at_once_score_as_each_alone(score, data):
    activations, labels = data()
    rng = torch.Generator().manual_seed(0)
    columns = torch.stack([labels, *(labels[torch.randperm(60, generator=rng)] for _ in range(3))], dim=1)
    columns = torch.cat([columns, columns.clamp(min=0)], dim=1)
    together = score(MutualInformation(), activations, columns).value
    for number, column in enumerate(columns.T):
        torch.testing.assert_close(score(MutualInformation(), activations, column).value[0], together[number])


def test_fewer_than_two_bins_are_refused():
    with pytest.raises(ConfigError, match="`bins` of `mutual_information` is 1"):
        MutualInformation(1)
