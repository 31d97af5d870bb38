"""Neurons edited one at a time: planted ones get the verdict that they deserve, and noise gets none."""

import numpy as np
import pytest
from planted import drive, driven_texts

from neurosieve import ConfigError, ablate, find
from neurosieve.models.tiny import tiny_model
from neurosieve.runs.single_neurons_summary import single_neuron_blocks
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.interventions.scale import Scale

DRIVES, READS_OUT, GENERAL = (1, 17), (2, 64), (2, 33)


@pytest.fixture(scope="module")
def planted():
    model, tokenizer = tiny_model()
    return drive(model, tokenizer, DRIVES, at_cue=[READS_OUT], everywhere=[GENERAL]), tokenizer


@pytest.fixture(scope="module")
def rankings(planted, tmp_path_factory):
    """A ranking of what fires on the cue, and one of effects on the slip behind it."""
    folder = tmp_path_factory.mktemp("rankings")
    common = {"detectors": {"slip": Annotations()}, "interval_bootstraps": 20, "store": str(folder / "store")}
    common |= {"tokenizer": planted[1], "reports": []}
    return {
        "firing": find(
            planted[0], driven_texts(80), folder=folder / "f", scorers=["auc"], selection="prediction", **common
        ),
        "effects": find(planted[0], driven_texts(80), folder=folder / "e", reading="attribution", **common),
    }


@pytest.fixture
def edited(planted, rankings, tmp_path):
    def go(ranking="effects", name="ablation", **settings):
        model, tokenizer = planted
        inputs = {"source": driven_texts(80), "detectors": {"slip": Annotations()}, "tokenizer": tokenizer}
        settings = {"mode": "each", "reports": []} | settings
        return ablate(rankings[ranking], model, folder=tmp_path / name, **inputs, **settings)

    return go


def row(run, neuron):
    table = run.table("single_neurons")
    [found] = table[(table.layer == neuron[0]) & (table.neuron == neuron[1])].to_dict("records")
    return found


def headers_of(run):
    return [header.text for header in next(single_neuron_blocks(run)).headers]


def test_each_planted_neuron_gets_the_verdict_that_it_deserves(edited):
    run = edited("firing", neurons=[list(DRIVES), list(READS_OUT), list(GENERAL)], intervention="zero")
    drives, reads_out, general = (row(run, neuron) for neuron in (DRIVES, READS_OUT, GENERAL))
    assert drives["verdict"] == "drives"
    assert drives["effect_high"] < -0.2
    assert abs(drives["effect_control_tokens"]) < 0.02
    assert drives["effect"] < drives["controls_lowest"]
    assert reads_out["verdict"] == "reads out only"
    assert reads_out["replicates"] is True
    assert reads_out["firing_replicates"] is True
    assert not any("read out only" in note for note in run.run["notes"])
    assert "firing replicates" not in headers_of(run)  # It is what `replicates` says.
    assert abs(reads_out["effect"]) < 1e-5
    assert general["verdict"] == "general"
    assert general["effect_high"] < -0.05
    assert general["effect_control_tokens_high"] < -0.05
    assert run.run["neuron_verdicts"] == {
        "drives": 1,
        "opposes": 0,
        "general": 1,
        "reads out only": 1,
        "not settled": 0,
    }
    assert run.run["sign"] is None
    assert run.run["confidence"] == pytest.approx(1 - 0.05 / 3)


def test_what_reads_out_is_not_settled_where_nothing_ranked_what_fires(edited, rankings):
    run = edited("effects", neurons=[list(READS_OUT), list(DRIVES)])
    found = row(run, READS_OUT)
    assert abs(found["effect"]) < 1e-5
    assert found["firing_replicates"] is not True
    assert found["verdict"] == "not settled"
    [note] = [note for note in run.run["notes"] if "read out only" in note]
    assert f"`{rankings['effects'].folder}` ranks by attribution, and no ranking by activation belongs to it" in note
    assert "find beside=attribution" in note
    assert {"replicates", "firing replicates"} <= set(headers_of(run))


def test_the_effect_is_that_of_the_neuron_edited_by_itself_and_so_is_that_of_its_controls(edited):
    run = edited(top=3, controls=2)
    controls = run.table("matched_controls")
    for place, found in enumerate(run.table("single_neurons").to_dict("records")):
        of_neuron = controls[(controls.layer == found["layer"]) & (controls.neuron == found["neuron"])]
        [best, *_] = of_neuron.to_dict("records")
        for key, neuron in (
            (found, [found["layer"], found["neuron"]]),
            (best, [best["control_layer"], best["control_neuron"]]),
        ):
            alone = edited(name=f"{place}-{neuron}", mode="teacher_forced", neurons=[neuron], controls=1)
            effects = alone.table("effects")
            target = effects[effects.set == "target"].set_index("measure").value
            assert key["effect"] == pytest.approx(target["log_p_onset"], rel=1e-3, abs=1e-5)
            assert key["effect_control_tokens"] == pytest.approx(target["log_p_control"], rel=1e-3, abs=1e-5)
        assert found["controls"] == len(of_neuron) == 2
        assert found["controls_lowest"] == of_neuron.effect.min()
        assert found["difference"] == pytest.approx(found["effect"] - found["effect_control_tokens"])
        assert found["half_width"] == pytest.approx((found["effect_high"] - found["effect_low"]) / 2)


def test_a_ranking_of_effects_foretells_them(edited, rankings):
    run = edited(top=8)
    ranking = rankings["effects"].neurons.set_index(["layer", "neuron"])
    table = run.table("single_neurons")
    assert (ranking.paired_difference[list(zip(table.layer, table.neuron, strict=True))] < 0).all()
    held_out = ranking.mean_present_heldout[list(zip(table.layer, table.neuron, strict=True))]
    np.testing.assert_allclose(table.foretold, held_out)
    foretelling = run.run["foretelling"]
    assert foretelling["neurons"] == 8
    assert foretelling["spearman"] > 0.8
    assert foretelling["mean_foretold"] == pytest.approx(foretelling["mean_effect"], rel=0.2)
    assert (foretelling["held_out"], foretelling["not_compared"]) == (True, [])
    other = edited(name="other", top=3, intervention="zero", strength=0.5)
    assert other.run["foretelling"]["neurons"] == 0
    [*_, sentence] = single_neuron_blocks(other)
    assert sentence.text == (
        "foretold and real are not compared (3 neurons were edited otherwise than by the whole mean edit, which was "
        "foretold)"
    )


def test_a_ranking_of_what_fires_foretells_nothing(edited):
    run = edited("firing", top=2)
    assert "foretold" not in run.table("single_neurons")
    assert "foretelling" not in run.run


def test_few_groups_settle_nothing(edited):
    run = edited(neurons=[list(DRIVES)], documents=9)
    found = row(run, DRIVES)
    assert found["verdict"] == "not settled"
    assert np.isnan(found["effect_low"])
    assert any("fewer than 10 there is no interval" in warning for warning in run.run["warnings"])


def test_an_edit_that_changes_nothing_is_told(edited):
    run = edited(neurons=[list(READS_OUT)], intervention=Scale(1.0))
    assert any("the scale edit changed nothing of 1 neuron (L2N64): it has" in text for text in run.run["warnings"])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"k": 3}, r"k is \[3\], and `mode=each` edits one neuron at a time, at one strength: give `top`"),
        ({"strength": [0.5, 1.0]}, r"strength is \[0.5, 1.0\], and `mode=each`"),
        ({"top": 385}, "top is 385, and the ranking of `slip` in .* with a negative score: give fewer, or `sign=any`"),
        ({"top": 0}, "top is 0"),
        ({"smallest_effect": 0.0}, "smallest_effect is 0"),
        ({"top": 3, "mode": "teacher_forced"}, "top is 3, which is for `mode=each`: give `k` with"),
        ({"sign": "positive", "neurons": [[1, 2]]}, "sign is `positive`, and `neurons` lists the neurons already"),
        ({"sign": "up"}, "sign"),
        ({"behaviour": "slap"}, "did you mean `slip`"),
        ({"neurons": [[3, 0]]}, "no neuron L3N0"),
        ({"top": 300, "sign": "any"}, "leave too few; edit fewer neurons"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(edited, tmp_path, asked, expected):
    with pytest.raises(ConfigError, match=expected):
        edited(**asked)
    assert not (tmp_path / "ablation").exists()


@pytest.mark.parametrize(
    ("ranking", "sign", "taken"),
    [
        ("effects", None, "negative"),
        ("effects", "any", "any"),
        ("effects", "positive", "positive"),
        ("firing", None, "any"),
        ("firing", "negative", "negative"),
    ],
)
def test_the_best_neurons_are_of_one_sign_where_effects_are_ranked_or_where_asked(
    edited, rankings, ranking, sign, taken
):
    run = edited(ranking, mode="teacher_forced", k=6, sign=sign, controls=1, documents=2, min_groups=2)
    result = rankings[ranking]
    score = result.neurons[f"{result.run['rank_by']}_minus_neutral"]
    of_sign = {"any": score.notna(), "negative": score < 0, "positive": score > 0}[taken]
    best = result.neurons[of_sign].head(6)
    table = run.table("neurons")
    targets = table[table.set == "target"]
    assert targets[["layer", "neuron"]].to_numpy().tolist() == best[["layer", "neuron"]].to_numpy().tolist()
    assert run.run["sign"] == taken
    assert any(f"`sign={taken}`" in note for note in run.run["notes"])
