"""A ranking and the one by another reading beside it: how far they agree, and which neurons stand where."""

import re

import numpy as np
import pytest
from scipy import stats

from neurosieve import Cell, ranking_table, two_rankings, two_rankings_blocks
from neurosieve.runs.notebook import run_html
from neurosieve.runs.summary import run_blocks
from neurosieve.runs.writer import write_run

ATTRIBUTION = {"reading": {"_target_": "reading/attribution"}}


@pytest.fixture
def both(make_run):
    """Write a ranking by AUC, its chance level 0.5, and one by attribution beside it."""

    def write(first, second, behaviours=("a",), reading=ATTRIBUTION):
        run = make_run("run", {"a": {"auc": first}}, neutral=0.5)
        beside = make_run("run/beside", {name: {"mean_difference": second} for name in behaviours})
        write_run(beside.folder, beside.run | {"config": reading}, {})
        return run

    return write


def test_how_far_two_rankings_agree_is_what_scipy_and_a_count_say(both):
    rng = np.random.default_rng(0)
    first = rng.uniform(0, 1, 300)
    second = first - 0.5 + 0.5 * rng.standard_normal(300)
    agreement, *_ = two_rankings_blocks(both(first, second), "a", 5)
    distance = np.abs(first - 0.5), np.abs(second)
    ranks = stats.spearmanr(*distance).statistic
    scores = stats.spearmanr(first, second).statistic
    best = [set(np.argsort(-far)[:100]) for far in distance]
    assert f"correlation of {ranks:.2f}, and the scores, with their signs, one of {scores:.2f}" in agreement.text
    assert f"{len(best[0] & best[1])} of the best 100 of one ranking" in agreement.text
    assert "by chance, about 33.3 would" in agreement.text


def test_neurons_are_counted_by_the_side_on_which_they_are_beyond_chance_in_either_ranking(both):
    # Chance reaches 0.25 from chance level in both.
    first = [0.9, 0.9, 0.1, 0.1, 0.5, 0.5, 0.5]
    second = [-0.9, 0.0, -0.9, 0.9, -0.9, -0.8, 0.1]
    _, places, _ = two_rankings_blocks(both(first, second), "a", 5)
    assert [header.text for header in places.headers] == ["", "fires less", "firing within chance", "fires more"]
    assert [[cell.text for cell in row] for row in places.rows] == [
        ["opposes it", "1", "0", "0"],
        ["effect within chance", "0", "1", "1"],
        ["drives it", "1", "2", "1"],
    ]


def test_the_best_of_either_ranking_are_listed_once_with_both_of_their_scores(both):
    run = both([0.9, 0.8, 0.5, 0.6, 0.45], [-0.9, 0.1, 0.8, 0.0004, 0.0])
    *_, best = two_rankings_blocks(run, "a", 2)
    assert [header.text for header in best.headers][:5] == [
        "neuron",
        "by auc",
        "rank",
        "held out",
        "by mean_difference of attribution",
    ]
    named = {row[0].text: [row[1].text, row[4].text] for row in best.rows}
    assert named == {"L0N0": ["0.900", "−0.900"], "L0N1": ["0.800", "0.100"], "L0N2": ["0.500", "0.800"]}
    assert next(row[-1] for row in best.rows) == Cell("fires more, drives it")
    assert best.caption.startswith("a: the best 2 by auc and by mean_difference of attribution; attribution in nats; ")


def test_a_neuron_without_one_of_the_two_scores_stands_nowhere(both):
    run = both([0.9, float("nan"), 0.4], [0.1, 0.9, float("nan")])
    assert two_rankings(run, "a").table.neuron.tolist() == [0]
    agreement, *_ = two_rankings_blocks(run, "a", 2)
    assert "over 1 MLP neuron, the ranks by auc and by mean_difference of attribution have no" in agreement.text


def test_a_scorer_without_a_sign_puts_no_neuron_below_chance_level(both):
    across, _ = two_rankings(both([0.5, 0.7, 0.9], [0.1, -0.2, 0.3]), "a").axes
    assert across.signs[2] == "activation differs"


def test_without_a_ranking_beside_or_without_the_behaviour_in_it_nothing_is_said(both, make_run):
    assert not list(two_rankings_blocks(make_run("alone", {"a": {"auc": [0.3]}}), "a", 5))
    assert two_rankings(both([0.9], [0.1], behaviours=("b",)), "a") is None


def test_without_a_null_no_neuron_is_said_to_be_beyond_chance(both):
    run = both([0.9, 0.1], [0.3, 0.2])
    write_run(run.folder, run.run | {"null": {}}, {})
    _, best = two_rankings_blocks(type(run)(run.folder), "a", 5)
    assert "beyond chance" not in [header.text for header in best.headers]


def test_terminal_and_notebook_say_how_far_the_two_agree(both):
    run = both([0.9, 0.1, 0.6], [-0.3, 0.2, 0.1])
    [agreement] = [block.text for block in two_rankings_blocks(run, "a", 5) if block.kind == "note"]
    assert agreement in [getattr(block, "text", "") for block in run_blocks(run)]
    assert "1 of the best 1 of one ranking" in run_html(run, [])


def test_a_caption_says_what_was_read_unless_it_is_what_fires(both):
    run = both([0.9, 0.1], [0.3, 0.2])
    assert ranking_table(run, "a", 2).caption == "a: the best 2 of 2 MLP neurons by auc"
    caption = ranking_table(run.beside, "a", 2).caption
    assert re.search(r"by mean_difference of attribution \(in nats; negative: .* drives it\)$", caption)


@pytest.mark.parametrize(
    ("reading", "name"),
    [({"reading": "handed over"}, "reading"), ({"reading": {"_target_": "reading/unheard_of"}}, "unheard_of")],
)
def test_a_reading_that_nobody_knows_is_named_and_nothing_is_made_up_of_it(both, reading, name):
    run = both([0.9, 0.1, 0.5], [0.3, -0.2, 0.1], reading=reading)
    assert ranking_table(run.beside, "a", 2).caption == f"a: the best 2 of 3 MLP neurons by mean_difference of {name}"
    assert two_rankings(run, "a").place(1, -1) == f"fires more, less {name}"
