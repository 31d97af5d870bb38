"""Neurons stand in the order of how much they tell, and each column says what its name says."""

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import Scores, Site
from neurosieve.scoring.ranking import rank_neurons

BEHAVIOURS = ("zebra", "ant")
SITES = (Site(5), Site(0))
NEURONS = 4
# Few values, so that ties abound.
VALUES = st.lists(
    st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9, math.nan]), min_size=4 * NEURONS, max_size=4 * NEURONS
).map(lambda flat: np.array(flat).reshape(4, NEURONS))


def scores(values, neutral=0.5, **details):
    return Scores(torch.tensor(values), neutral, {name: torch.tensor(one) for name, one in details.items()})


def lines(table, behaviour):
    return list(table[table.behaviour == behaviour][["layer", "neuron"]].itertuples(index=False, name=None))


@given(values=st.lists(VALUES, min_size=2, max_size=2))
def test_neurons_stand_by_minus_neutral_from_telling_nothing_undefined_last_ties_by_layer_and_neuron(values):
    table = rank_neurons(
        {site: {"auc": scores(one)} for site, one in zip(SITES, values, strict=True)}, BEHAVIOURS, "auc"
    )
    assert table.behaviour.drop_duplicates().tolist() == list(BEHAVIOURS)
    for number, behaviour in enumerate(BEHAVIOURS):
        far = {
            (site.layer, neuron): abs(one[number, neuron] - 0.5)
            for site, one in zip(SITES, values, strict=True)
            for neuron in range(NEURONS)
        }
        expected = sorted(far, key=lambda at: (math.isnan(far[at]), -far[at] if far[at] == far[at] else 0, at))
        assert lines(table, behaviour) == expected
        assert table[table.behaviour == behaviour]["rank"].tolist() == list(range(1, len(far) + 1))


@given(values=VALUES, others=VALUES, errors=VALUES)
def test_each_column_holds_its_scores_of_its_part(values, others, errors):
    scored = {"auc": scores(values, error=errors), "d": scores(others, 0.0)}
    table = rank_neurons({Site(2): scored}, BEHAVIOURS, "auc")
    assert list(table) == [
        "behaviour", "layer", "neuron", "rank",
        "auc", "auc_error", "d", "auc_minus_neutral",
        "auc_heldout", "auc_error_heldout", "d_heldout", "auc_minus_neutral_heldout",
    ]  # fmt: skip
    for line in table.to_dict("records"):
        at = BEHAVIOURS.index(line["behaviour"])
        for suffix, row in (("", at), ("_heldout", 2 + at)):
            expected = {
                "auc": values[row, line["neuron"]],
                "auc_error": errors[row, line["neuron"]],
                "d": others[row, line["neuron"]],
                "auc_minus_neutral": values[row, line["neuron"]] - 0.5,
            }
            for column, value in expected.items():
                np.testing.assert_equal(line[f"{column}{suffix}"], value)


def test_what_tells_nothing_can_differ_between_behaviours_and_parts():
    values = np.array([[0.3, 0.6], [0.3, 0.6], [0.2, 0.2], [0.2, 0.2]])
    prevalence = torch.tensor([[0.1], [0.9], [0.4], [0.1]], dtype=torch.float64)
    table = rank_neurons({Site(0): {"precision": Scores(torch.tensor(values), prevalence)}}, BEHAVIOURS, "precision")
    assert lines(table, "zebra") == [(0, 1), (0, 0)]
    assert lines(table, "ant") == [(0, 0), (0, 1)]
    np.testing.assert_allclose(table.precision_minus_neutral, [0.5, 0.2, -0.6, -0.3])
    np.testing.assert_allclose(table.precision_minus_neutral_heldout, [-0.2, -0.2, 0.1, 0.1])


def test_only_the_ranking_part_ranks():
    values = np.array([[0.6, 0.9], [0.6, 0.9], [1.0, 0.5], [1.0, 0.5]])
    table = rank_neurons({Site(0): {"auc": scores(values)}}, BEHAVIOURS, "auc")
    assert lines(table, "zebra") == [(0, 1), (0, 0)]
