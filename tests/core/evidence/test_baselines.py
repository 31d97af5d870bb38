"""The text alone tells a behaviour as well as it does, and no better: planted words, places and contexts."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder

from neurosieve import Site, TokenizedDocument
from neurosieve.activations.capture import batch_of
from neurosieve.evidence.baselines import add_beats_baselines, baseline_table, baselines_by
from neurosieve.pipeline.settings import Find
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import rank_neurons
from neurosieve.texts.positions import PARTS, Positions
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_token import AucWithinToken
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.mean_difference import MeanDifference
from neurosieve_plugins.scorers.sparse_probe import SparseProbe

DISTANCE = "auc_minus_neutral_heldout"


def positions(plant, documents=60, length=60, per_document=6, seed=0):
    """Positions of random texts, half of them held out; `plant` says what is present, and may write it there."""
    rng = np.random.default_rng(seed)
    held, rows, labels = [], [], []
    for number in range(documents):
        ids = rng.integers(0, 40, length)
        starts = np.arange(length)
        made = TokenizedDocument(
            f"d{number:03}",
            f"g{number // 2}",
            "x" * length,
            ids,
            starts,
            starts + 1,
            np.ones(length, bool),
            np.linspace(0, 1, length),
        )
        held.append(made)
        for token in sorted(rng.choice(np.arange(1, length), per_document, replace=False)):
            rows.append((number, token))
            labels.append(plant(made, int(token), rng))
    rows, labels = np.array(rows), np.array(labels, dtype=np.int8)
    groups = np.arange(documents) // 2
    columns = np.full((len(rows), 2), -1, dtype=np.int8)
    part = groups[rows[:, 0]] % 2
    columns[np.arange(len(rows)), part] = labels
    return Positions(pd.DataFrame(), pd.DataFrame(), tuple(held), groups, rows[:, 0], rows[:, 1], columns, ("slip",))


def a_word(document, token, rng):
    return int((document.token_ids[token] < 12) ^ (rng.random() < 0.05))


def a_place(document, token, rng):
    return int((abs(document.relative[token] - 0.5) < 0.2) ^ (rng.random() < 0.05))


def a_word_before(document, token, rng):
    return int((document.token_ids[max(0, token - 20) : token] == 7).any() ^ (rng.random() < 0.05))


def nothing(document, token, rng):
    return int(rng.random() < 0.3)


def told(positions, scorers=None, rank_by="auc", seed=0, enough=10):
    settings = Find(seed=seed, interval_bootstraps=200, min_groups=enough)
    table = baseline_table(positions, scorers or {"auc": Auc()}, rank_by, settings)
    assert table.behaviour.unique().tolist() == ["slip"]
    return table.set_index("baseline")


@pytest.mark.parametrize(
    ("plant", "teller"), [(a_word, "token"), (a_place, "position"), (a_word_before, "previous tokens")]
)
def test_what_is_planted_in_the_text_is_told_by_the_baseline_that_looks_there(plant, teller):
    table = told(positions(plant, documents=120))
    assert table.auc_heldout[teller] > 0.85
    assert table.auc[teller] > 0.85
    assert table.auc_minus_neutral_heldout_low[teller] > 0.3
    others = table.drop(index=teller)
    assert (others.auc_heldout < 0.75).all()


def test_where_the_text_tells_nothing_no_baseline_does():
    found = [told(positions(nothing, seed=seed)) for seed in range(20)]
    for column in ("auc", "auc_heldout"):
        mean = np.mean([table[column] for table in found], axis=0)
        np.testing.assert_allclose(mean, 0.5, atol=0.05)


def test_the_held_out_score_is_that_of_a_regression_fitted_on_the_ranking_part_alone():
    made = positions(a_word)
    ids = np.array(
        [made.documents[d].token_ids[t] for d, t in zip(made.document_of_row, made.token_of_row, strict=True)]
    )
    ranking, held_out = (np.flatnonzero(made.labels[:, part] >= 0) for part in range(len(PARTS)))
    encoder = OneHotEncoder(handle_unknown="ignore").fit(ids[ranking, None])
    fitted = LogisticRegression(solver="liblinear").fit(encoder.transform(ids[ranking, None]), made.labels[ranking, 0])
    odds = fitted.decision_function(encoder.transform(ids[held_out, None]))
    assert told(made).auc_heldout["token"] == pytest.approx(roc_auc_score(made.labels[held_out, 1], odds), abs=1e-6)


def test_a_baseline_is_scored_by_what_has_no_unit_and_rates_neurons_one_by_one():
    scorers = {"auc": Auc(), "cohens_d": CohensD(), "mean_difference": MeanDifference(), "sparse_probe": SparseProbe()}
    table = told(positions(a_word), scorers)
    assert table.auc.notna().all()
    assert table.cohens_d_heldout["token"] > 1
    assert not any(column.startswith(("sparse_probe", "mean_difference")) for column in table)
    joint = told(positions(a_word), scorers, "sparse_probe")
    assert joint.sparse_probe_minus_neutral_heldout.isna().all()


def test_neurons_and_text_are_compared_by_the_score_that_ranks_or_by_an_auc_where_that_has_a_unit():
    every = {"mean_difference": MeanDifference(), "cohens_d": CohensD(), "auc": Auc(), "sparse_probe": SparseProbe()}
    compared = {name: baselines_by(every, name) for name in every}
    assert compared == dict(zip(every, ["auc", "cohens_d", "auc", "sparse_probe"], strict=True))
    assert baselines_by({"mean_difference": MeanDifference(), "cohens_d": CohensD()}, "mean_difference") is None


@pytest.mark.parametrize("unit", [0.01, 1.0, 100.0])
def test_whether_a_neuron_beats_the_text_does_not_depend_on_the_unit_of_its_activations(unit):
    scorers, made = {"mean_difference": MeanDifference(), "auc": Auc()}, positions(a_word, documents=120)
    rng, present = np.random.default_rng(0), made.labels.max(axis=1)
    # Better than the word, as good as nothing, and silent at the behaviour.
    knows = np.stack([present, 0 * present, -present], axis=1) + 0.1 * rng.standard_normal((len(present), 3))
    rows = np.arange(len(present))
    columns = [made.column("slip", part) for part in PARTS]
    batch = batch_of(Site(0), torch.from_numpy(unit * knows).float(), made, rows, columns)
    neurons = rank_neurons({Site(0): score([batch], scorers)}, made.behaviours, "mean_difference")
    table = baseline_table(made, scorers, "auc", Find(min_groups=10))
    beats = add_beats_baselines(neurons, table, "mean_difference", "auc").set_index("neuron").beats_baselines
    assert beats[[0, 1, 2]].tolist() == [True, False, True]


def test_too_few_groups_leave_baselines_undefined():
    few = positions(a_word, documents=2)
    table = told(few)
    assert table[["auc", "auc_heldout", "auc_minus_neutral_heldout_low"]].isna().all(axis=None)
    assert told(positions(a_word), enough=99).auc_minus_neutral_heldout_low.isna().all()


def test_a_neuron_beats_the_baselines_where_it_is_further_held_out_than_all_of_them():
    baselines = pd.DataFrame(
        {
            "behaviour": ["a", "a", "b"],
            "baseline": ["token", "position", "token"],
            "auc_minus_neutral_heldout": [0.2, -0.4, np.nan],
        }
    )
    neurons = pd.DataFrame(
        {
            "behaviour": ["a", "a", "a", "a", "b"],
            "auc_minus_neutral": [0.3, -0.3, 0.3, 0.3, 0.3],
            DISTANCE: [0.25, -0.3, -0.3, 0.1, 0.3],
        }
    )
    found = add_beats_baselines(neurons, baselines, "auc").beats_baselines
    assert found.tolist() == [True, True, False, False, pd.NA]


def test_at_each_look_the_text_there_is_what_a_neuron_must_beat():
    made = positions(a_word)
    both = dataclasses.replace(
        made,
        labels=np.concatenate([made.labels, np.where(made.labels >= 0, 1 - made.labels, -1)], axis=1),
        places=("", "prediction"),
    )
    table = told(both)
    assert table.auc_prediction_heldout["token"] == pytest.approx(table.auc_heldout["token"])
    neurons = pd.DataFrame({"behaviour": ["slip"] * 2, "auc_minus_neutral": 0.3, DISTANCE: [0.499, 0.1]})
    neurons = neurons.assign(auc_minus_neutral_prediction_heldout=[0.1, 0.499])
    found = add_beats_baselines(neurons, table.reset_index(), "auc")
    assert found.beats_baselines.tolist() == [True, False]
    assert found.beats_baselines_prediction.tolist() == [False, True]


def test_among_positions_of_one_token_the_text_has_no_score_over_folds():
    table = told(positions(a_word_before), {"auc": Auc(), "auc_within_token": AucWithinToken()}, "auc_within_token")
    assert table.auc_within_token.isna().all()
    assert table.auc_within_token_heldout["previous tokens"] > 0.7
    assert table.auc_within_token_heldout["token"] == 0.5
    assert table.auc.notna().all()


def test_the_same_seed_gives_the_same_baselines():
    made = positions(a_word)
    first, again = told(made, seed=3), told(made, seed=3)
    assert first.equals(again)
