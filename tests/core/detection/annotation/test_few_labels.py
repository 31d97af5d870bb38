"""Intervals of precision and recall from few labels hold the truth as often as they say."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from neurosieve.detection.agreement.annotated_sentences import Annotations, agreement_table
from neurosieve.detection.annotation.few_labels import (
    Estimate,
    difference_interval,
    effective_number,
    ratio_interval,
    share_estimate,
    with_far_ends,
)


def test_the_interval_of_a_share_is_that_of_clopper_and_pearson_where_no_sentence_is_an_exception():
    for number in (1, 7, 40):
        expected = binomtest(number, number).proportion_ci(0.95, "exact").low
        shows = np.ones(number, dtype=bool)
        assert share_estimate(shows, np.full(number, 3.0), np.arange(number)).low == pytest.approx(expected)
        none = share_estimate(~shows, np.full(number, 3.0), np.arange(number))
        assert none == pytest.approx((0, 0, 1 - expected))


def test_sentences_of_one_group_that_are_all_alike_count_as_one():
    shows = np.ones(40, dtype=bool)
    assert effective_number(shows, np.ones(40), np.arange(40) // 10) == pytest.approx(4)


def test_many_independent_sentences_tell_nearly_as_much_as_their_number():
    rng = np.random.default_rng(0)
    numbers = [effective_number(rng.random(200) < 0.3, np.ones(200), np.arange(200)) for _ in range(20)]
    assert np.allclose(numbers, 200, rtol=0.05)


def test_a_ratio_has_the_ends_of_fieller_for_symmetric_intervals():
    """Fieller (1954): the ratios r for which the numerator less r times the denominator may be 0."""
    above, below = Estimate(3.0, 2.0, 4.0), Estimate(5.0, 4.5, 5.5)
    for end in ratio_interval(above, below):
        assert (3 - end * 5) ** 2 == pytest.approx(1 + end**2 * 0.25)
    assert ratio_interval(above, Estimate(0.0, 0.0, 0.1))[1] == np.inf


def test_a_difference_adds_independent_errors_by_their_squares():
    assert difference_interval(Estimate(3, 0, 6), Estimate(2, -2, 6)) == pytest.approx((1 - 5, 1 + 5))


def test_a_missed_sentence_is_possible_where_none_of_few_labels_shows_one():
    """As a newcomer met it: 10 found and right, 10 not found and without the label, each of these for 537 sentences."""
    table = agreement_and_truth(
        found=np.arange(20) < 10, shows=np.arange(20) < 10, weights=np.where(np.arange(20) < 10, 80, 537)
    )
    row = table.iloc[0]
    assert (row.recall, row.recall_high) == (1, 1)
    assert row.recall_low < 0.4
    assert row.f1_low < 0.5
    # None of 10: up to 31 %.
    assert row.false_omission_high == pytest.approx(0.308, abs=0.001)
    assert row.markedness_low < 0.61


def agreement_and_truth(found, shows, weights, groups=None):
    """Return the agreement of a detector with planted labels."""
    groups = np.arange(len(found)) if groups is None else groups
    sentences = pd.DataFrame({"group": groups, "document": groups, "weight": np.asarray(weights, dtype=float)})
    truth = Annotations(sentences, ("it",), np.asarray(shows, dtype=bool)[:, None])
    table = agreement_table(truth, {"it": ("it",)}, {"detector": found}, 400, 0, 10)
    return with_far_ends(table, truth, found, np.ones(len(found), dtype=bool))


@pytest.mark.slow
@pytest.mark.parametrize("labels", [20, 50, 200])
@pytest.mark.parametrize("groups", [10, 60])
@pytest.mark.parametrize("rate", [0.1, 0.02])
def test_intervals_hold_the_truth_in_at_least_nine_of_ten_samples(rate, groups, labels):
    """Texts differ in how often they show the behaviour; half of the labels are of sentences that are found."""
    rng, held = np.random.default_rng(0), []
    group_of = np.arange(6000) % groups
    for _ in range(100):
        shows = rng.random(6000) < rng.beta(1, 1 / rate - 1, groups)[group_of]
        found = (shows & (rng.random(6000) < 0.7)) | (rng.random(6000) < 0.05)
        if not shows.any():
            continue
        halves = [np.flatnonzero(found), np.flatnonzero(~found)]
        chosen = np.concatenate([rng.choice(half, labels // 2, replace=False) for half in halves])
        weights = np.repeat([len(half) / (labels // 2) for half in halves], labels // 2)
        row = agreement_and_truth(found[chosen], shows[chosen], weights, group_of[chosen]).iloc[0]
        true = {"precision": shows[found].mean(), "recall": found[shows].mean()}
        # Without an interval nothing is claimed: too few groups are labelled, or no sentence shows it.
        if not np.isnan(row.precision_low) and not np.isnan(row.recall):
            held.append([row[f"{name}_low"] <= value <= row[f"{name}_high"] for name, value in true.items()])
    assert len(held) > 10
    assert np.mean(held, axis=0).min() >= 0.9, np.mean(held, axis=0)
