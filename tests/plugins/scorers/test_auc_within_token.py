import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from neurosieve import Batch, Site
from neurosieve.scoring.engine import score as scored
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_token import AucWithinToken

VALUES = st.one_of(st.sampled_from([0.0, -0.0, 1.0]), st.floats(-2, 2, width=32))
POSITIONS = st.lists(st.tuples(VALUES, st.integers(-1, 1), st.integers(0, 3)), min_size=1, max_size=25)


def batch_of(values, labels, token_ids, groups=None):
    values = torch.as_tensor(np.asarray(values), dtype=torch.float32)
    values = values.unsqueeze(1) if values.ndim == 1 else values
    groups = torch.arange(len(values)) if groups is None else torch.as_tensor(groups)
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.int8)[:, None]
    return Batch(Site(0), values, labels, groups, groups, torch.as_tensor(token_ids))


def area(scorer, batch):
    return scored([batch], {"score": scorer})["score"].value[0].numpy()


def by_hand(values, labels, token_ids):
    """sklearn's AUC of each token that has both classes, weighted by its pairs."""
    won = pairs = 0.0
    for token in np.unique(token_ids):
        here = (token_ids == token) & (labels >= 0)
        present, control = (labels[here] == 1).sum(), (labels[here] == 0).sum()
        if present and control:
            won += present * control * roc_auc_score(labels[here], values[here])
            pairs += present * control
    return won / pairs if pairs else np.nan


@settings(max_examples=200)
@given(positions=POSITIONS)
def test_it_is_sklearns_per_token_weighted_by_pairs(positions):
    values, labels, token_ids = (np.array(column) for column in zip(*positions, strict=True))
    values = values.astype(np.float32)
    expected = by_hand(values, labels, token_ids)
    assert area(AucWithinToken(), batch_of(values, labels, token_ids)) == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_many_neurons_at_once_are_sklearns():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 20)).astype(np.float32).round(1)
    labels, token_ids = rng.integers(-1, 2, 300), rng.integers(0, 12, 300) ** 2
    expected = [by_hand(column, labels, token_ids) for column in values.T]
    np.testing.assert_allclose(area(AucWithinToken(), batch_of(values, labels, token_ids)), expected, atol=1e-9)


def test_where_all_hold_one_token_it_is_the_auc():
    rng = np.random.default_rng(0)
    batch = batch_of(rng.standard_normal((50, 4)), rng.integers(0, 2, 50), np.zeros(50, dtype=int))
    np.testing.assert_allclose(area(AucWithinToken(), batch), area(Auc(), batch), atol=1e-9)


def test_a_detector_of_the_word_tells_nothing_and_one_of_the_behaviour_does():
    rng = np.random.default_rng(0)
    token_ids = rng.integers(0, 2, 400)
    labels = (rng.random(400) < np.where(token_ids == 1, 0.8, 0.1)).astype(int)
    values = np.stack([token_ids + 0.01 * rng.standard_normal(400), labels + 0.01 * rng.standard_normal(400)], axis=1)
    batch = batch_of(values, labels, token_ids)
    assert (area(Auc(), batch) > 0.8).all()
    word, behaviour = area(AucWithinToken(), batch)
    assert abs(word - 0.5) < 0.08
    assert behaviour == 1.0


def test_without_a_token_that_has_both_classes_there_is_no_score_nor_interval():
    batch = batch_of(np.arange(4.0), [1, 1, 0, 0], [5, 6, 7, 8])
    assert np.isnan(area(AucWithinToken(), batch)).all()
    assert AucWithinToken().interval(batch, 0.95).low.isnan().all()
    assert AucWithinToken().contributions(batch).isnan().all()
