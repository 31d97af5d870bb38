"""What mistakes of the labels do to an AUC."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from neurosieve.evidence.mislabelled import seen_auc

scores = st.lists(st.integers(0, 6), min_size=1, max_size=12).map(np.array)
shares = st.floats(0, 1)


@given(scores, scores, shares, shares)
def test_the_auc_that_is_seen_is_that_of_the_mixtures(showing, other, precision, false_omission):
    values = np.concatenate([showing, other])
    sizes = len(showing), len(other)
    clean = roc_auc_score(np.repeat([1, 0], sizes), values)
    # Present units and controls, each as a mixture of units that show the behaviour and units that do not.
    present = np.repeat([precision / sizes[0], (1 - precision) / sizes[1]], sizes)
    control = np.repeat([false_omission / sizes[0], (1 - false_omission) / sizes[1]], sizes)
    labels = np.repeat([1, 0], len(values))
    seen = roc_auc_score(labels, np.tile(values, 2), sample_weight=np.concatenate([present, control]))
    assert seen == pytest.approx(seen_auc(clean, precision, false_omission), abs=1e-9)
