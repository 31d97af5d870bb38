"""Whole texts: which labels change places, beside enumeration, and how often noise passes."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from whole_texts import answers

from neurosieve import Batch, ConfigError, Site
from neurosieve.evidence.exchange import (
    Exchange,
    block_arrangements,
    exchange_of,
    exchanged_blocks,
    fixed_blocks,
    null_of,
)
from neurosieve.evidence.null_notes import null_notes, null_warnings
from neurosieve.evidence.permutation import arrangements, arrangements_of, permutation_null
from neurosieve.evidence.settings import Evidence
from neurosieve.texts.units.comparable import comparable
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_group import AucWithinGroup
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.mean_difference import MeanDifference
from neurosieve_plugins.scorers.paired_difference import PairedDifference

SCORERS = [Auc(), AucWithinGroup(), CohensD()]


def blocks_of(sizes, seed=0):
    """Labels of blocks of some sizes, their blocks and strata, the units in an order of their own."""
    rng = np.random.default_rng(seed)
    blocks = np.repeat(np.arange(len(sizes)) * 7, sizes)
    strata = np.repeat(rng.integers(0, 2, len(sizes)), sizes)
    order = rng.permutation(len(blocks))
    return rng.integers(0, 2, len(blocks)).astype(np.int8)[order], blocks[order], strata[order]


def vectors(labels, blocks, strata):
    """The labels of each block, in the order of its units, beside its size and stratum."""
    return sorted(
        (int((blocks == block).sum()), int(strata[blocks == block][0]), labels[blocks == block].tolist())
        for block in np.unique(blocks)
    )


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=8), seed=st.integers(0, 100))
def test_whole_groups_exchange_their_labels_with_groups_of_their_size_and_stratum_alone(sizes, seed):
    labels, blocks, strata = blocks_of(sizes, seed)
    drawn = exchanged_blocks(labels, blocks, strata, 4, np.random.default_rng(seed))
    assert drawn.shape == (len(labels), 4)
    for column in drawn.T:
        assert vectors(column, blocks, strata) == vectors(labels, blocks, strata)


def test_every_exchange_of_groups_is_as_likely_as_any_other_and_they_are_counted():
    labels = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1], dtype=np.int8)
    blocks, strata = np.array([0, 0, 1, 1, 2, 2, 3, 4, 5]), np.array([0, 0, 0, 0, 0, 0, 0, 0, 1])
    drawn = exchanged_blocks(labels, blocks, strata, 9000, np.random.default_rng(0))
    _, counts = np.unique(drawn, axis=1, return_counts=True)
    assert len(counts) == math.factorial(3) * 2
    assert block_arrangements(labels, blocks, strata) == pytest.approx(math.log(12))
    assert scipy.stats.chisquare(counts).pvalue > 0.001
    assert fixed_blocks(blocks, strata) == (1, 6)


@given(labels=st.lists(st.integers(0, 1), min_size=1, max_size=20), seed=st.integers(0, 10))
def test_groups_of_one_unit_have_as_many_arrangements_as_units(labels, seed):
    labels, strata = np.array(labels, dtype=np.int8), np.random.default_rng(seed).integers(0, 3, len(labels))
    expected = arrangements(labels, strata)
    assert block_arrangements(labels, np.arange(len(labels)), strata) == pytest.approx(expected, abs=1e-9)


def test_the_p_of_exchanged_groups_is_that_of_all_exchanges():
    rng = np.random.default_rng(3)
    labels, groups = np.array([1, 1, 1, 0, 0, 0, 0, 0], dtype=np.int8), np.repeat(np.arange(4), 2)
    x = rng.standard_normal((8, 5)) + labels[:, None]
    batch = Batch(
        Site(0),
        torch.from_numpy(x).float(),
        torch.from_numpy(labels)[:, None],
        torch.arange(8),
        torch.from_numpy(groups),
        torch.zeros(8, dtype=torch.long),
    )
    exchange = Exchange(np.zeros(8, dtype=np.int64), groups)
    null = permutation_null([batch], MeanDifference(), 20_000, 0, exchange)
    effects = []
    for order in itertools.permutations(range(4)):
        present = labels.reshape(4, 2)[list(order)].reshape(-1) == 1
        effects.append(np.abs(x[present].mean(axis=0) - x[~present].mean(axis=0)))
    exact = (np.array(effects) >= effects[0] - 1e-9).mean(axis=0)
    np.testing.assert_allclose(null.p, exact, atol=0.02)
    assert arrangements_of(batch, MeanDifference(), exchange) == pytest.approx(math.log(12))


def outcomes(seed, known, problems=20, samples=6, neurons=40):
    """Answers to problems of unequal difficulty, which neurons know as far as `known`; nothing makes one wrong."""
    rng = np.random.default_rng(seed)
    difficulty, group = rng.standard_normal(problems), np.repeat(np.arange(problems), samples)
    wrong = rng.random(len(group)) < 1 / (1 + np.exp(-1.5 * difficulty[group]))
    level = known * difficulty[:, None] + math.sqrt(1 - known**2) * rng.standard_normal((problems, neurons))
    values = level[group] + rng.standard_normal((len(group), neurons))
    number = torch.from_numpy(group)
    labels = torch.from_numpy(wrong.astype(np.int8))[:, None]
    return Batch(Site(0), torch.from_numpy(values).float(), labels, torch.arange(len(group)), number, number)


def share_named(scorer, known, exchange, runs=50, **size):
    batches = [(seed, outcomes(seed, known, **size)) for seed in range(runs)]
    return np.mean(
        [permutation_null([batch], scorer, 39, seed, exchange(batch)).p_fwer.min() <= 0.05 for seed, batch in batches]
    )


def within(batch):
    return Exchange(batch.groups.numpy())


def across(batch):
    return Exchange(np.zeros(len(batch.labels), dtype=np.int64))


def between(batch):
    return Exchange(np.zeros(len(batch.labels), dtype=np.int64), batch.groups.numpy())


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: type(scorer).__name__)
def test_noise_that_knows_the_difficulty_seldom_passes_within_groups(scorer):
    # At a rate of 5 %, more than 5 of 50 runs have a chance of 4 %.
    assert share_named(scorer, 0.6, within) <= 0.1


@pytest.mark.parametrize("scorer", [Auc(), CohensD()], ids=lambda scorer: type(scorer).__name__)
def test_it_passes_nearly_always_where_labels_are_permuted_across_problems(scorer):
    assert share_named(scorer, 0.6, across, runs=10, problems=40) > 0.9


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: type(scorer).__name__)
def test_noise_that_does_not_know_the_difficulty_seldom_passes_between_groups(scorer):
    assert share_named(scorer, 0.0, between) <= 0.1


def test_single_answers_seldom_pass_between_groups():
    assert share_named(Auc(), 0.0, between, problems=120, samples=1) <= 0.1


PROBLEMS = {f"p{number:02}": [number % 2, (number // 2) % 2] for number in range(12)}


def test_the_null_of_positions_is_chosen_by_their_unit_and_can_be_set():
    assert null_of(Evidence(), "token") == null_of(Evidence(), "sentence") == "within_documents"
    assert null_of(Evidence(), "completion") == null_of(Evidence(), "prompt_end") == "within_groups"
    assert null_of(Evidence(null="between_groups", strata=("level",)), "completion") == "between_groups"
    for settings, unit, message in (
        (Evidence(null="within_documents"), "completion", "reads one unit of each text"),
        (Evidence(null="within_groups"), "token", "exchanges labels of whole texts"),
        (Evidence(null="between_groups"), "sentence", "reads several units of a text"),
        (Evidence(strata=("level",)), "span", "leave `strata` out"),
    ):
        with pytest.raises(ConfigError, match=message):
            null_of(settings, unit)


def test_labels_of_positions_stay_in_their_groups_or_move_with_them():
    positions = answers(PROBLEMS, metadata={name: {"level": int(name[1:]) % 3} for name in PROBLEMS})
    groups = positions.groups[positions.document_of_row]
    np.testing.assert_array_equal(exchange_of(positions, 0, "within_groups", Evidence()).strata, groups)
    strata, blocks = exchange_of(positions, 0, "between_groups", Evidence(strata=("level",)))
    np.testing.assert_array_equal(blocks, groups)
    assert len(np.unique(strata)) == 3
    assert exchange_of(positions, 0, "within_documents", Evidence()).strata.tolist() == list(range(24))


def test_a_run_says_which_null_it_took_why_and_what_it_left_out():
    positions = answers(PROBLEMS)
    left = comparable(positions, "within_groups", (), Counter())
    said = null_notes(positions, left, Evidence())
    assert said[0].startswith("the null permutes labels within groups, because a text holds one unit alone")
    assert said[1].startswith("`wrong`: 6 of 12 groups cannot be compared within")
    odd = {**PROBLEMS, "q": [1, 0, 1]}
    said = null_notes(answers(odd), answers(odd), Evidence(null="between_groups"))
    assert said[0].startswith("the null exchanges the labels of whole groups, as `null` says: all that differs")
    assert said[1].startswith("`wrong`: 1 of 13 groups of the ranking part has no other with as many units")


def test_a_score_that_looks_across_groups_is_warned_of():
    positions, settings = answers(PROBLEMS), Evidence(within_group_scorer="auc_within_group")
    [warning] = null_warnings(positions, Auc(), "auc", settings)
    assert warning.startswith("`auc` also compares units of different groups: p is honest but finds little")
    assert null_warnings(positions, AucWithinGroup(), "auc_within_group", settings) == []
    [warning] = null_warnings(positions, PairedDifference(), "paired_difference", settings)
    assert "whose null flips the signs of what whole groups add" in warning
    assert null_warnings(positions, Auc(), "auc", Evidence(null="between_groups")) == []
    # One group ranks, and one is held out.
    assert null_warnings(answers({"a": [0, 1, 1], "b": [1, 0]}, held_out=["b"]), Auc(), "auc", settings) == []
