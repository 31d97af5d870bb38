"""A ranking beside the real effects of its neurons: which edits count, what is said of them, and in which table."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from planted import drive, driven_texts
from scipy import stats

from neurosieve import Run, find, load, ranking_table, real_effect_blocks, two_rankings, two_rankings_blocks
from neurosieve.models.tiny import tiny_model
from neurosieve.runs.foretelling import Foretelling, foretelling_sentence
from neurosieve.runs.notebook import run_html
from neurosieve.runs.real_effects import foretelling, real_effects
from neurosieve.runs.summary import both_readings_blocks, run_blocks
from neurosieve.runs.writer import write_run
from neurosieve_plugins.detectors.annotations import Annotations

COLUMNS = ("effect", "effect_control_tokens", "difference", "effect_rest")


@pytest.fixture
def ranking(make_run):
    """Write a ranking by AUC, and one by attribution beside it, whose scores on held-out texts are half as large."""

    def write(foretold=(-0.3, 0.1, 0.0, 0.2), at="onset", **reading):
        run = make_run("run", {"a": {"auc": 0.9 - 0.01 * np.arange(len(foretold))}}, neutral=0.5)
        beside = make_run("run/beside", {"a": {"mean_present": foretold}})
        config = {"reading": {"_target_": "reading/attribution", **reading}, "selection": {"at": at}}
        neurons = beside.neurons.assign(mean_present_heldout=beside.neurons.mean_present / 2)
        write_run(beside.folder, beside.run | {"config": config}, {"neurons": neurons})
        return load(run.folder)

    return write


def edit(run, folder, effects, intervention="mean", strength=1.0, behaviour="a", verdicts=(), sign=None):
    """Write a finished run of `ablate mode=each` below a ranking: of neurons of layer 0, by number."""
    table = pd.DataFrame({"behaviour": behaviour, "layer": 0, "neuron": list(effects)})
    value = np.array(list(effects.values()), dtype=float)
    for name in COLUMNS:
        table = table.assign(**{name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1})
    table = table.assign(half_width=0.1, controls=1, controls_lowest=0.0, controls_highest=0.0, n=30, groups=12)
    table = table.assign(rank=1, replicates=True, verdict=list(verdicts) or "not settled")
    record = {
        "command": "ablate",
        "warnings": [],
        "behaviours": [behaviour],
        "mode": "each",
        "intervention": {"_target_": f"intervention/{intervention}"},
        "sign": sign,
        "config": {"strength": strength, "smallest_effect": 0.05},
        "neuron_verdicts": {},
        "proof": {"values": 1, "calls": 1, "largest_deviation": 0.0},
    }
    edited = write_run(run.folder / folder, record, {"single_neurons": table})
    # Later than any before, however coarse the clock of the file system is.
    ended = max([path.stat().st_mtime_ns for path in run.folder.rglob("run.json")]) + 10**9
    os.utime(edited.folder / "run.json", ns=(ended, ended))
    return edited


def effects_of(run):
    table = real_effects(run)
    return dict(zip(table.neuron, table.real_effect, strict=True))


def test_every_neuron_of_the_ranking_stands_in_one_table_with_its_real_effect_if_it_was_edited(ranking):
    run = ranking()
    edit(run, "ablate/1", {1: -0.4, 3: 0.2}, verdicts=["drives", "opposes"])
    table = run.with_real_effects()
    pd.testing.assert_frame_equal(table[list(run.neurons)], run.neurons)
    assert table.real_effect.tolist() == pytest.approx([np.nan, -0.4, np.nan, 0.2], nan_ok=True)
    assert table.real_verdict.dropna().tolist() == ["drives", "opposes"]
    [drives] = table[table.neuron == 1].to_dict("records")
    assert (drives["real_effect_low"], drives["real_effect_high"]) == pytest.approx((-0.5, -0.3))
    assert (drives["real_tried"], drives["real_run"], drives["real_intervention"]) == (2, "ablate/1", "mean")


def test_without_edits_a_ranking_is_joined_with_nothing_and_its_table_has_no_column_more(ranking):
    run = ranking()
    headers = [header.text for header in ranking_table(run, "a", 4).headers]
    assert run.with_real_effects().real_effect.isna().all()
    assert not list(real_effect_blocks(run, "a"))
    assert "effect (nats)" not in headers
    assert foretelling(run, "a") is None


def test_of_several_edits_of_a_neuron_the_latest_whole_mean_edit_counts_whatever_folders_are_called(ranking):
    run = ranking()
    edit(run, "ablate/3", {0: -1.0, 1: -1.0, 2: -1.0})
    edit(run, "beside/ablate/2026-01-03_10-00-00/10", {0: -2.0})
    edit(run, "ablate/2026-01-04", {0: -3.0, 1: -3.0, 3: -3.0}, intervention="zero")
    edit(run, "ablate/2026-01-02_10-00-00/9", {2: -4.0, 3: -4.0}, strength=[0.5])
    assert effects_of(run) == {0: -2.0, 1: -1.0, 2: -1.0, 3: -4.0}
    edit(run, "ablate/1", {1: -5.0})
    assert effects_of(run)[1] == -5.0
    said = next(real_effect_blocks(run, "a")).text
    assert "4 neurons (edit: mean, mean at strength 0.5; 4 runs)" in said
    assert "corrected for the 1 to 3 neurons of its run" in said
    assert "Of several edits of a neuron the latest whole mean edit is shown" in said
    assert "the latest run is the one whose run.json was written last" in said


def test_the_kind_of_edit_that_was_foretold_goes_before_a_later_one_of_another_kind(ranking):
    run = ranking(edit="zero")
    edit(run, "ablate/1", {0: -1.0, 1: 0.5, 2: 0.1}, intervention="zero")
    edit(run, "ablate/2", {0: -3.0, 3: -3.0})
    edit(run, "ablate/3", {1: -9.0}, intervention="zero", strength=0.5)
    assert effects_of(run) == {0: -1.0, 1: 0.5, 2: 0.1, 3: -3.0}
    compared = foretelling(run, "a")
    assert compared.neurons == 3
    assert compared.not_compared == ("1 neuron was edited otherwise than by the whole zero edit, which was foretold",)
    both = two_rankings(run, "a")
    table = both.table.set_index("neuron")
    assert both.axes[1].edit == "zero"
    assert table.real_as_foretold_beside.to_dict() == {0: True, 1: True, 2: True, 3: False}
    assert table.real_as_foretold.to_dict() == {0: False, 1: False, 2: False, 3: True}
    assert "the latest whole zero edit is shown" in next(real_effect_blocks(run, "a")).text


def test_beside_each_verdict_stand_its_neurons_those_of_the_largest_effects_first(ranking):
    run = ranking(foretold=[-0.1] * 8)
    verdicts = ["drives"] * 7 + ["reads out only"]
    edit(run, "ablate/1", dict(enumerate([-1, -2, -7, -4, -5, -6, -3, 0])), verdicts=verdicts)
    [facts] = [block.facts for block in real_effect_blocks(run, "a") if block.kind == "facts"]
    assert [name for name, _ in facts] == ["drives (7)", "reads out only (1)"]
    assert facts[0][1].startswith("L0N2, L0N5, L0N4, L0N3, L0N6 and 2 more: under its edit")
    assert facts[1][1].startswith("L0N7: the neuron fires with the behaviour")
    assert facts[1][1].endswith("the smallest effect worth having (0.050 nats)")


def test_where_edits_differ_a_table_says_which_each_neuron_had(ranking):
    run = ranking()
    edit(run, "ablate/1", {0: -1.0})
    edit(run, "ablate/2", {1: -1.0}, intervention="zero", strength=0.5)
    for table in (ranking_table(run, "a", 4), list(two_rankings_blocks(run, "a", 4))[-1]):
        [place] = [place for place, header in enumerate(table.headers) if header.text == "edit"]
        assert [row[place].text for row in table.rows] == ["mean", "zero at strength 0.5", "–", "–"]
    assert "edit" not in [header.text for header in ranking_table(run, "a", 1).headers]


LEFT_OUT = " (`sign=negative` takes only those below chance level in its ranking)"


@pytest.mark.parametrize(("sign", "why"), [("negative", LEFT_OUT), (None, "")])
def test_a_table_says_why_some_of_its_neurons_have_no_effect(ranking, sign, why):
    run = ranking()
    edit(run, "ablate/1", {0: -1.0}, sign=sign)
    for table in (ranking_table(run, "a", 4), list(two_rankings_blocks(run, "a", 4))[-1]):
        assert f"; –: the neuron was not edited{why}" in table.caption
    assert "–" not in ranking_table(run, "a", 1).caption


def test_how_well_effects_were_foretold_is_the_same_when_it_was_recorded(ranking):
    run = ranking()
    edit(run, "ablate/1", {0: -1.0, 1: -1.0})
    compared = foretelling(run, "a")
    recorded = json.loads(json.dumps(compared.record(), allow_nan=False))
    assert foretelling_sentence(Foretelling(**recorded)) == foretelling_sentence(compared)
    assert recorded["spearman"] is None


def test_edits_of_another_ranking_of_another_behaviour_and_unfinished_ones_are_left_out(ranking, make_run):
    run = ranking()
    edit(run, "ablate/1", {0: -1.0})
    other = make_run("run/of another model", {"a": {"auc": [0.9, 0.1]}})
    edit(other, "ablate/2", {0: -9.0, 1: -9.0})
    (edit(run, "ablate/3", {2: -9.0}).folder / "run.json").unlink()
    assert effects_of(run) == {0: -1.0}
    edit(run, "ablate/4", {0: -5.0}, behaviour="b")
    table = ranking_table(run, "a", 1)
    assert "−1" in [cell.text for cell in table.rows[0]]
    assert "1 neuron (edit: mean; ablate/1)" in next(real_effect_blocks(run, "a")).text


def test_the_tables_of_a_ranking_show_the_effect_its_interval_other_tokens_and_the_verdict(ranking):
    run = ranking()
    edit(run, "ablate/1", {0: -0.4, 1: 0.0}, verdicts=["drives", "reads out only"])
    columns = {"effect (nats)": "−0.400", "its interval": "−0.500 to −0.300", "other tokens": "−0.400"}
    for table in (ranking_table(run, "a", 4), list(two_rankings_blocks(run, "a", 4))[-1]):
        headers = [header.text for header in table.headers]
        rows = [dict(zip(headers, (cell.text for cell in row), strict=True)) for row in table.rows]
        assert columns.items() <= rows[0].items()
        assert [row["edited alone"] for row in rows] == ["drives", "reads out only", "–", "–"]


def test_terminal_notebook_and_comparison_say_the_same_of_the_edits(ranking):
    run = ranking()
    edit(run, "ablate/1", {0: -0.4}, verdicts=["drives"])
    said = [block.text for block in real_effect_blocks(run, "a") if block.kind == "note"]
    assert len(said) == 2
    pair = [run.folder, run.folder / "beside"]
    for blocks in (run_blocks(run), both_readings_blocks(pair, 10), both_readings_blocks(pair[::-1], 10)):
        texts = [getattr(block, "text", "") for block in blocks]
        assert set(said) <= set(texts)
    assert "edited alone: 1 neuron" in run_html(run, [])
    assert not list(both_readings_blocks([run.folder], 10))
    assert not list(both_readings_blocks([run.folder, run.folder / "ablate"], 10))


def test_how_well_effects_were_foretold_is_what_scipy_says_of_the_held_out_ones(ranking):
    rng = np.random.default_rng(0)
    foretold = rng.standard_normal(30)
    real = foretold / 2 + 0.2 * rng.standard_normal(30)
    run = ranking(foretold)
    edit(run, "ablate/1", dict(enumerate(real[:20])))
    edit(run, "beside/ablate/1", {number: real[number] for number in range(20, 30)})
    compared = foretelling(run, "a")
    assert compared.neurons == 30
    assert compared.held_out
    assert compared.spearman == pytest.approx(stats.spearmanr(foretold, real).statistic)
    assert compared.mean_foretold == pytest.approx(foretold.mean() / 2)
    assert compared.mean_effect == pytest.approx(real.mean())
    sentence = list(real_effect_blocks(run, "a"))[-1].text
    assert "attribution foretold" in sentence
    assert f"Spearman's rank correlation {compared.spearman:.3f}" in sentence
    assert foretelling(run.beside, "a").neurons == 10, "a ranking of effects says the same of its own edits"


def test_only_edits_that_were_foretold_are_compared(ranking):
    run = ranking()
    edit(run, "ablate/1", {0: -1.0, 1: -1.0})
    edit(run, "ablate/2", {2: -1.0}, intervention="zero")
    edit(run, "ablate/3", {3: -1.0}, strength=0.5)
    compared = foretelling(run, "a")
    assert compared.neurons == 2
    assert np.isnan(compared.spearman)
    assert compared.not_compared == ("2 neurons were edited otherwise than by the whole mean edit, which was foretold",)


@pytest.mark.parametrize(
    ("reading", "why"),
    [({"at": "prediction"}, "at `selection.at=prediction`"), ({"length": 3}, "on 3 tokens from each position")],
)
def test_effects_elsewhere_are_not_compared(ranking, reading, why):
    run = ranking(**reading)
    edit(run, "ablate/1", {0: -1.0, 1: 0.5, 2: 0.1})
    [*_, sentence] = real_effect_blocks(run, "a")
    assert sentence.text.startswith(f"foretold and real are not compared (the ranking foretold effects {why}")


def test_both_rankings_in_one_table_hold_what_the_edits_did_and_count_edits_of_neurons_without_a_score(ranking):
    run = ranking()
    edit(run, "ablate/1", {0: -1.0, 7: -2.0})
    both = two_rankings(run, "a")
    assert both.table.set_index("neuron").real_effect.dropna().to_dict() == {0: -1.0}
    assert both.unplaced == 1
    assert [axis.scorer for axis in both.axes] == ["auc", "mean_present"]


def test_a_run_that_is_no_ranking_has_no_effects_below_it(ranking):
    run = ranking()
    edited = edit(run, "ablate/1", {0: -1.0})
    assert real_effects(Run(edited.folder)).empty


DRIVES, READS_OUT = (1, 17), (1, 64)


@pytest.mark.slow
def test_find_verifies_both_of_its_rankings_and_its_own_table_says_which_neuron_drives(tmp_path):
    model, tokenizer = tiny_model()
    run = find(
        drive(model, tokenizer, DRIVES, at_slip=[READS_OUT]),
        driven_texts(80),
        {"slip": Annotations()},
        ["auc"],
        tokenizer=tokenizer,
        beside="attribution",
        follow_up=["ablate mode=each top=3 controls=2"],
        interval_bootstraps=100,
        permutations=19,
        store=str(tmp_path / "store"),
        folder=tmp_path / "run",
    )
    verdicts = run.with_real_effects().set_index(["layer", "neuron"]).real_verdict
    assert run.neurons.set_index(["layer", "neuron"])["rank"][READS_OUT] <= 3
    assert verdicts[READS_OUT] == "reads out only"
    assert verdicts[DRIVES] == "drives"
    assert 3 <= verdicts.notna().sum() <= 6
    assert run.beside.with_real_effects().set_index(["layer", "neuron"]).real_verdict[DRIVES] == "drives"
    table = ranking_table(run, "slip", len(run.neurons))
    headers = [header.text for header in table.headers]
    own = {
        tuple(int(row[headers.index(name)].text) for name in ("layer", "neuron")): row[headers.index("edited alone")]
        for row in table.rows
    }
    assert own[DRIVES].text == "drives"
    assert own[READS_OUT].text == "reads out only"
    assert foretelling(run, "slip").mean_effect < -0.01
