"""What runs agree on: what replicates from one to the other, and when nothing can be said."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neurosieve import compare
from neurosieve.evidence.comparison import common, named, summaries
from neurosieve.runs.summary import runs_table
from neurosieve.runs.writer import write_run

SCORES = [0.9, -0.8, 0.7, -0.6, 0.5, 0.1, 0.05, 0.01]


def run_of(make_run, name, scores, p=None, **more):
    columns = {"auc": scores} | ({} if p is None else {"p": p})
    result = make_run(f"runs/{name}", {"a": columns}, **more)
    return result.folder.parent


def test_the_best_of_one_run_replicate_where_the_other_has_the_same_sign_and_a_small_p(make_run):
    run_of(make_run, "0", SCORES, [0.001] * 4 + [0.5] * 4)
    folder = run_of(make_run, "1", [0.4, -0.3, -0.7, -0.1, 0.5, 0, 0, 0], [0.01, 0.2, 0.01, 0.04, 0.01, 1, 1, 1])
    [line] = compare(folder, k=4).itertuples()
    assert line.replicated == 2 / 4  # The first and the fourth: one has a large p, one the other sign.
    # The best four of the other are 2, 4, 0 and 1: of those 0 and 1 agree, and 4 has a large p in the first.
    assert line.replicated_back == 2 / 4


def test_noise_replicates_as_often_as_chance_says(make_run):
    rng = np.random.default_rng(0)
    for name in "01":
        scores = rng.normal(size=4000)
        folder = run_of(make_run, name, scores, 2 * (0.5 - abs(rng.random(4000) - 0.5)), wide=4000)
    [line] = compare(folder, k=4000).itertuples()
    assert line.replicated == pytest.approx(0.025, abs=0.01)


def test_without_a_null_nothing_is_said_of_heldout(make_run):
    run_of(make_run, "0", SCORES)
    [line] = compare(run_of(make_run, "1", SCORES), k=4).itertuples()
    assert math.isnan(line.replicated)
    assert line.overlap == 1


def test_groups_that_both_ranked_on_are_counted(make_run):
    run_of(make_run, "0", SCORES, groups=("p1", "p2", "p3"))
    [line] = compare(run_of(make_run, "1", SCORES, groups=("p2", "p3", "p4", "p5"))).itertuples()
    assert (line.groups_in_common, line.groups) == (2, 3)


def test_neurons_of_models_of_other_shapes_do_not_correspond(make_run):
    run_of(make_run, "0", SCORES)
    [line] = compare(run_of(make_run, "1", SCORES, model="other", wide=16)).itertuples()
    assert np.isnan([line.overlap, line.rank_correlation, line.replicated, line.replicated_back]).all()


def test_each_run_is_summed_up_with_its_best_neuron_beside_chance(make_run):
    verdicts = ["behaviour", "token detector", "not replicated", None, None, None, None, None]
    scores = {"auc": SCORES}
    run = make_run("one", {"a": scores})
    table = run.neurons.assign(verdict=verdicts, replicates=[True, True, False, None, None, None, None, None])
    table.to_parquet(run.folder / "neurons.parquet")
    [line] = summaries(named([type(run)(run.folder)])).to_dict("records")
    assert (line["best"], line["null_max_q95"], line["p_fwer_05"]) == (0.9, 0.25, 1)
    assert (line["tested"], line["replicated"]) == (3, 2)
    counted = [line[f"verdict: {one}"] for one in ("behaviour", "token detector", "not replicated", "anticipates")]
    assert counted == [1, 1, 1, 0]


def test_a_run_without_verdicts_counts_what_does_not_replicate_and_no_other_verdict(make_run):
    run = make_run("one", {"a": {"auc": SCORES}})
    table = run.neurons.assign(replicates=pd.array([True, False, False, *[None] * 5], dtype="boolean"))
    table.to_parquet(run.folder / "neurons.parquet")
    bare = make_run("two", {"a": {"auc": SCORES}})
    lines = summaries({"one": type(run)(run.folder), "two": bare})
    assert lines["verdict: not replicated"].tolist() == pytest.approx([2, np.nan], nan_ok=True)
    assert lines["verdict: behaviour"].isna().all()
    [header] = [place for place, header in enumerate(runs_table(lines).headers) if header.text == "not replicated"]
    assert [row[header].text for row in runs_table(lines).rows] == ["2", "–"]


@pytest.fixture
def two_readings(make_run):
    """Write a ranking by AUC and, beside it, one by attribution, and return both."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, 50))
    run = make_run("run", {"a": {"auc": scores[0], "p": rng.random(50)}}, wide=50, overrides=("seed=1",))
    beside = make_run("run/beside", {"a": {"mean_difference": scores[1], "p": rng.random(50)}}, wide=50)
    write_run(beside.folder, beside.run | {"config": {"reading": {"_target_": "reading/attribution"}}}, {})
    return run, type(run)(beside.folder), scores


def test_rankings_by_two_readings_are_compared_but_for_what_their_signs_say(two_readings):
    run, beside, scores = two_readings
    [line] = compare(run.folder, beside.folder, k=10).itertuples()
    best = [set(np.argsort(-abs(of_run))[:10]) for of_run in scores]
    assert line.overlap == len(best[0] & best[1]) / 10
    assert line.overlap_by_chance == 10 / 50
    assert line.rank_correlation == pytest.approx(stats.spearmanr(*abs(scores)).statistic)
    assert line.score_correlation == pytest.approx(stats.spearmanr(*scores).statistic)
    assert np.isnan([line.replicated, line.replicated_back]).all()
    assert (line.run, line.other) == (str(run.folder), str(beside.folder)), "the ranking, then the one beside it"


def test_a_ranking_beside_another_goes_by_the_name_of_that_one_in_a_sweep(two_readings, make_run):
    run, beside, _ = two_readings
    other = make_run("other", {"a": {"auc": SCORES}}, overrides=("seed=2",))
    assert list(named([run, beside, type(run)(other.folder)])) == ["seed=1", "seed=1 beside (attribution)", "seed=2"]


def test_neurons_among_the_best_of_both_runs_are_listed_those_first_that_are_high_up_in_both(two_readings):
    run, beside, scores = two_readings
    table = common(named([run, beside]), 20)
    ranks = [np.argsort(np.argsort(-abs(of_run))) + 1 for of_run in scores]
    expected = [neuron for neuron in range(50) if max(ranks[0][neuron], ranks[1][neuron]) <= 20]
    assert sorted(table.neuron) == expected
    assert table[["rank", "rank_other"]].max(axis=1).is_monotonic_increasing
    for name, of_run in (("score", scores[0]), ("score_other", scores[1])):
        assert np.allclose(table[name].astype(float), of_run[table.neuron.astype(int)])
    assert common(named([run, beside]), 1).empty == (ranks[0].argmin() != ranks[1].argmin())
