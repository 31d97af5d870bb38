"""In a notebook a run draws itself, without a script and with its texts as texts."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from neurosieve import VERDICTS, load
from neurosieve.runs.writer import write_run
from neurosieve.testing.awkward import MARKUP
from neurosieve.testing.runs import written_runs

CHANCE = "chance: the best of all, in 5 % of 1,000 permutations"


def rows(tree):
    """Return the texts of each table's cells, row by row."""
    return [
        [["".join(cell.itertext()) for cell in line] for line in table.find("tbody")] for table in tree.iter("table")
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return written_runs(tmp_path_factory.mktemp("runs"))


def test_every_run_draws_itself_with_no_script_and_no_text_obeyed(runs):
    for run in runs:
        drawn = load(run.folder)._repr_html_()
        # It is well formed: what would be markup is not.
        tree = ElementTree.fromstring(drawn)
        tags = {element.tag for element in tree.iter()}
        assert not tags & {"script", "img", "style", "iframe", "link"}, run.folder
        assert not any(name.startswith("on") for element in tree.iter() for name in element.attrib)
        assert MARKUP in "".join(tree.itertext()), run.folder
        assert f"neurosieve {run.command}" in drawn


def test_a_ranking_shows_the_best_of_each_behaviour_and_whether_they_replicate(make_run):
    run = make_run("one", {"a": {"auc": [0.3, -0.9, 0.8]}, "b": {"auc": [0.25, 0.2, -0.1]}})
    tree = ElementTree.fromstring(run._repr_html_())
    assert rows(tree) == [
        [["1", "0", "1", "-0.900"], ["2", "0", "2", "0.800"], ["3", "0", "0", "0.300"]],
        [["L0N1, the best neuron", "-0.900"], [CHANCE, "-0.250"]],
        [["1", "0", "0", "0.250"], ["2", "0", "1", "0.200"], ["3", "0", "2", "-0.100"]],
        [["L0N0, the best neuron", "0.250"], [CHANCE, "0.250"]],
    ]
    assert [len(list(drawing.iter("circle"))) for drawing in tree.iter("svg")] == [3, 3]
    assert "b: the best 3 of 3 MLP neurons by auc" in run._repr_html_()


def test_a_ranking_shows_what_chance_does_beside_its_verdicts(make_run):
    made = make_run("made", {"a": {"auc": [0.3, -0.9]}})
    null = {"permutations": 99, "null_max_median": 0.2, "null_max_q95": 0.4}
    told = made.run | {"null": {"a": null | {"p_fwer_05": 1, "q_fdr_05": 1}}}
    table = made.neurons.assign(p_fwer=[0.01, 1.0], q_fdr=[0.0001, np.nan], verdict=["behaviour", None])
    run = write_run(made.folder.parent / "told", told, {"neurons": table, "positions": made.positions})
    tree = ElementTree.fromstring(run._repr_html_())
    neurons, evidence, verdicts = rows(tree)
    assert neurons == [
        ["1", "0", "1", "-0.900", "0.010", "<0.001", "behaviour"],
        ["2", "0", "0", "0.300", "1.000", "–", "–"],
    ]
    assert evidence[1] == [CHANCE.replace("1,000", "99"), "-0.400"]
    assert verdicts == [["behaviour (1)", VERDICTS["behaviour"]]]
    assert "0.400 or more from 0 in 5 % of 99 permutations" in "".join(tree.itertext())


def test_a_ranking_shows_what_the_text_alone_tells(make_run):
    made = make_run("made", {"a": {"auc": [0.3, -0.9]}})
    table = made.neurons.assign(beats_baselines=[True, False])
    text = pd.DataFrame({"behaviour": "a", "baseline": ["token", "position"], "auc": [0.5, np.nan]})
    tables = {"neurons": table, "positions": made.positions, "baselines": text}
    tree = ElementTree.fromstring(write_run(made.folder.parent / "told", made.run, tables)._repr_html_())
    neurons, evidence = rows(tree)
    assert [row[-1] for row in neurons] == ["yes", "no"]
    assert evidence[2:] == [["the text alone: the id of the token that is read", "0.500"]]
    assert "1 of 2 neurons beat the text alone" in "".join(tree.itertext())


def test_the_best_neuron_is_drawn_at_the_end_of_its_layers_line(make_run):
    rng = np.random.default_rng(0)
    run = make_run("one", {"a": {"auc": rng.uniform(-1, 1, 50)}})
    [drawing] = ElementTree.fromstring(run._repr_html_()).iter("svg")
    line = next(iter(drawing.iter("line")))
    best = next(iter(drawing.iter("circle")))
    assert best.get("cx") == line.get("x1")
    assert best.get("cy") in (line.get("y1"), line.get("y2"))


def test_a_ranking_without_a_single_score_has_a_table_and_no_drawing(make_run):
    drawn = make_run("none", {"a": {"auc": [float("nan")] * 3}})._repr_html_()
    assert "<svg" not in drawn
    assert drawn.count("<td>–</td>") == 3


def test_it_stays_small(make_run):
    many = make_run("many", {"a": {"auc": np.random.default_rng(0).standard_normal(100_000)}})
    assert len(many._repr_html_()) < 10_000


def test_it_leads_to_the_page_where_there_is_one(make_run):
    run = make_run("one", {"a": {"auc": [0.3]}})
    assert "report.html" not in run._repr_html_()
    (run.folder / "report.html").write_text("…")
    assert re.search(r"report\.html shows it all", run._repr_html_())
