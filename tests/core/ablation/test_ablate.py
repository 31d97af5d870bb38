"""The whole way: a planted neuron that drives a word is found to matter, one that only reads it out is not."""

import copy
import dataclasses
import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from neurosieve import ConfigError, DataError, Detector, Document, ModelError, Problem, Prompt, Span, ablate, find, load
from neurosieve.cli import main
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.interventions.scale import Scale

CAUSE, READOUT = (1, 17), (1, 90)
"""Both fire on the word before the onset; the one raises the logit of the onset's word, the other writes nothing."""


def words(tokenizer, count=24):
    """Single tokens, each a word after a space."""
    return sorted(token[1:] for token in tokenizer.get_vocab() if token[0] == "Ġ" and token[1:].isalpha())[:count]


@cache
def vocabulary():
    return words(tiny_model()[1])


@pytest.fixture(scope="module")
def planted():
    """A Qwen 2 in which two neurons fire on the cue and nowhere else; one of them makes the slip likely after it.

    Two residual dimensions are reserved. The embedding of the cue alone writes the first, and the planted neurons
    alone read it. The second is written by the cause alone, and read by the unembedding of the slip alone.
    """
    model, tokenizer = tiny_model()
    cue, slip = (tokenizer.convert_tokens_to_ids(f"Ġ{word}") for word in words(tokenizer)[:2])
    layers, embedding = model.model.layers, model.model.embed_tokens.weight
    assert model.lm_head.weight is not embedding
    with torch.no_grad():
        embedding[:, :2] = 0
        embedding[cue, 0] = 4
        model.lm_head.weight[:, :2] = 0
        model.lm_head.weight[slip, 1] = 3
        for layer in layers:
            attention, mlp = layer.self_attn, layer.mlp
            for writer in (attention.o_proj, mlp.down_proj):
                writer.weight[:2] = 0
            for reader in (attention.q_proj, attention.k_proj, attention.v_proj, mlp.gate_proj, mlp.up_proj):
                reader.weight[:, :2] = 0
        for layer, neuron in (CAUSE, READOUT):
            mlp = layers[layer].mlp
            for projection in (mlp.gate_proj, mlp.up_proj):
                projection.weight[neuron] = 0
                projection.weight[neuron, 0] = 1
            mlp.down_proj.weight[:, neuron] = 0
        layers[CAUSE[0]].mlp.down_proj.weight[1, CAUSE[1]] = 2
    return model, tokenizer


def texts(documents=60, seed=0):
    """Words at random; in every other document the cue and then the slip, which is annotated."""
    rng = np.random.default_rng(seed)
    cue, slip, *other = vocabulary()
    made = []
    for number in range(documents):
        before, after = ("".join(f" {one}" for one in rng.choice(other, rng.integers(15, 30))) for _ in "ab")
        shown = f" {cue} {slip}" if number % 2 == 0 else ""
        start = len(before) + len(cue) + 1
        spans = (Span(start + 1, start + 1 + len(slip), "slip"),) if shown else ()
        known = {"answer": "7", "tokens": 3}
        made.append(Document(f"d{number:03}", before + shown + after, f"problem {number}", 5, spans, known))
    return made


def detectors():
    """The slip, found by its word, which stands behind the cue alone."""
    return {"slip": Regex((rf"(?<= ){vocabulary()[1]}",))}


@pytest.fixture(scope="module")
def found(planted, tmp_path_factory):
    """A run of `find` that looks at the token before the slip, which is the cue."""
    model, tokenizer = planted
    folder = tmp_path_factory.mktemp("found")
    settings = {"detectors": detectors(), "scorers": ["auc"], "interval_bootstraps": 50, "store": str(folder / "store")}
    settings |= {"selection": "prediction", "reports": []}
    return find(model, texts(), tokenizer=tokenizer, folder=folder / "run", **settings)


@pytest.fixture
def edited(found, planted, tmp_path):
    def go(name="ablation", **changed):
        model, tokenizer = planted
        settings = {"source": texts(), "detectors": detectors(), "intervention": "zero", "reports": []}
        settings["controls"] = 3
        return ablate(found, model, tokenizer=tokenizer, folder=tmp_path / name, **settings | changed)

    return go


@pytest.fixture
def written(edited, tmp_path):
    """Have the model go on from the cue, which it does with the slip, unless the cause is edited."""

    def go(name="written", **changed):
        settings = {"mode": "generated", "problems": cues(), "prompt": Prompt("{problem}"), "grader": "boxed"}
        settings |= {"sampling": {"temperature": 1.0, "max_new_tokens": 6}, "store": str(tmp_path / "traces")}
        return edited(name, **settings | changed)

    return go


def cues(count=16):
    """Prompts of several lengths that end with the cue."""
    rng = np.random.default_rng(7)
    cue, _, *other = vocabulary()
    return [
        Problem(f"p{number:02}", "".join(f" {one}" for one in rng.choice(other, rng.integers(3, 9))) + f" {cue}", "7")
        for number in range(count)
    ]


def effect(run, measure="log_p_onset", **where):
    table = run.table("effects")
    table = table[table.measure == measure]
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def test_the_planted_neurons_lead_the_ranking(found):
    best = found.top(2)
    assert set(zip(best.layer, best.neuron, strict=True)) == {CAUSE, READOUT}


def test_a_planted_cause_matters_and_none_of_its_controls_does(edited):
    run = edited(neurons=[list(CAUSE)], controls=None)
    [target] = effect(run, set="target").to_dict("records")
    assert target["value"] < -1
    assert target["high"] < -1
    assert target["difference_high"] < -1
    assert target["p_controls"] == 0.05
    controls = effect(run, set="control")
    assert len(controls) == 19
    assert controls.value.abs().max() < 0.3
    [verdict] = run.run["verdicts"]
    assert verdict["verdict"] == "matters more than its controls"
    assert effect(run, "log_p_control", set="target").value.abs().max() < 0.01, "it fires nowhere else"


def test_further_sets_of_controls_are_read_only_where_the_targets_beat_the_first(edited):
    cause, readout = edited("cause", neurons=[list(CAUSE)], controls=19), edited(neurons=["L1N90"], controls=19)
    for run, sets in ((cause, 19), (readout, 3)):
        assert run.run["counts"]["control_sets"] == run.run["matching"]["sets"] == sets
        for table in ("effects", "onsets", "neurons"):
            numbers = run.table(table).query("set == 'control'").control_set
            assert set(numbers) == set(range(sets))
    assert cause.run["counts"]["forward_passes"] == 2 * readout.run["counts"]["forward_passes"]
    assert cause.run["proof"]["values"] == 20 / 4 * readout.run["proof"]["values"]
    assert not cause.table("onsets").duplicated(["set", "control_set", "document", "token"]).any()


def test_control_sets_that_are_read_later_are_what_they_are_at_once(edited, monkeypatch):
    apart = edited("apart", neurons=[list(CAUSE)], controls=19)
    monkeypatch.setattr("neurosieve.ablation.pipeline._FIRST_SETS", 19)
    at_once = edited("at_once", neurons=[list(CAUSE)], controls=19)
    columns = ["set", "control_set", "measure"]
    one, other = (run.table("effects").sort_values(columns, ignore_index=True) for run in (apart, at_once))
    pd.testing.assert_frame_equal(one, other, rtol=1e-3, atol=1e-5)


def test_three_sets_of_controls_are_too_few_to_tell_a_cause_by(edited):
    [verdict] = edited(neurons=[list(CAUSE)]).run["verdicts"]
    assert verdict["verdict"] == "too few control sets to tell"
    assert "p = 0.25 among them" in verdict["sentence"]


def test_a_planted_readout_that_drives_nothing_shows_no_effect(edited):
    run = edited(neurons=["L1N90"], controls=None)
    [target] = effect(run, set="target").to_dict("records")
    assert abs(target["value"]) < 1e-5
    assert run.run["verdicts"][0]["verdict"] == "no effect beyond its controls"
    assert run.run["proof"]["changed"] > 0, "it was edited all the same"


def test_what_a_neuron_does_at_the_onset_shows_in_the_rest_of_the_span(planted, tmp_path):
    model, tokenizer = planted
    cue, slip = words(tokenizer)[:2]
    both = {"slip": Regex((rf"(?<= ){cue} {slip}",))}  # Here the cue is the onset.
    settings = {
        "detectors": both,
        "scorers": ["auc"],
        "interval_bootstraps": 50,
        "store": str(tmp_path / "store"),
        "reports": [],
    }
    mine = find(model, texts(), tokenizer=tokenizer, folder=tmp_path / "run", **settings)
    edit = {"intervention": "zero", "neurons": [list(CAUSE)], "reports": []}
    run = ablate(mine, model, tokenizer=tokenizer, source=texts(), detectors=both, **edit)
    verdicts = {one["measure"]: one["verdict"] for one in run.run["verdicts"]}
    assert verdicts["log_p_onset"] != "matters more than its controls"
    assert verdicts["log_p_rest"] == "matters more than its controls"
    assert effect(run, "log_p_onset", set="target").value.abs().max() < 1e-4
    assert effect(run, "log_p_rest", set="target").high.max() < -1


def test_a_planted_cause_is_found_in_generated_text_and_its_cost_stands_beside_it(written):
    run = written(neurons=[list(CAUSE)], controls=19)
    levels = effect(run, "any").set_index(["set", "control_set"]).value
    assert levels["unedited", -1] == 1
    assert levels["target", -1] < 0.3
    assert (levels["control"] == 1).all()
    [target] = effect(run, "any", set="target").to_dict("records")
    assert target["change_high"] < -0.5
    assert target["p"] < 0.001
    [verdict] = run.run["verdicts"]
    assert verdict["measure"] == "spans_per_1000_tokens"
    assert verdict["verdict"] == "matters more than its controls"
    measured = set(run.table("effects").measure)
    assert measured == {
        "spans_per_1000_tokens",
        "spans_per_trace",
        "any",
        "truncated",
        "tokens",
        "perplexity",
    }


@dataclasses.dataclass(frozen=True)
class Gaps(Detector):
    """The slip, of which nothing is known in the texts of some problems."""

    near_misses_are_unknown = True
    looks_ahead = True

    problems: tuple[str, ...] = ("p00", "p01", "p02", "p03")

    def detect(self, document):
        return detectors()["slip"].detect(document)

    def near_misses(self, document):
        if document.group in self.problems:
            start = document.completion_start
            yield Span(start, start + 1, "the server was busy")

    def prepare(self, documents, progress):
        yield f"read {len(documents)} texts"


def test_traces_of_which_the_detector_cannot_tell_are_not_without_the_behaviour(written):
    run = written(detectors={"slip": Gaps()}, neurons=[list(CAUSE)], controls=1)
    traces = run.table("traces")
    unknown = traces.spans.isna()
    assert 0 < unknown.sum() == run.run["counts"]["not_known"]
    assert set(traces.problem[unknown]) <= {"p00", "p01", "p02", "p03"}
    levels = effect(run, "any").set_index(["set", "control_set"]).value
    known = traces[~traces.problem.isin(traces.problem[unknown])]
    shares = (known.spans > 0).groupby([known.set, known.control_set]).mean()
    for condition in (("unedited", -1), ("target", -1), ("control", 0)):
        assert levels[condition] == pytest.approx(float(shares[condition]))
    warning = f"of {unknown.sum()} of {len(traces)} traces it is not known whether they show `slip`"
    assert any(each.startswith(warning) and "the server was busy" in each for each in run.run["warnings"])
    assert f"`slip`: read {len(traces)} texts" in run.run["notes"]


def test_where_the_detector_can_tell_of_no_trace_the_run_ends(written):
    with pytest.raises(DataError, match=r"knows of no prompt whether the behaviour shows.*the server was busy"):
        written(detectors={"slip": Gaps(tuple(problem.id for problem in cues()))}, neurons=[list(CAUSE)], controls=1)


def test_a_planted_readout_changes_no_generated_token(written):
    run = written(neurons=[list(READOUT)], controls=None)
    traces = run.table("traces")
    texts_of = {name: one.text.tolist() for name, one in traces[traces.set != "control"].groupby("set")}
    assert texts_of["target"] == texts_of["unedited"]
    assert run.run["verdicts"][0]["verdict"] == "no effect beyond its controls"
    assert effect(run, "any", set="target").p.tolist() == [1]


def test_the_same_command_gives_the_same_tables_and_another_seed_others(edited):
    first, again, other = (edited(name, seed=seed, k=[3]) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    for name in ("effects", "onsets", "neurons"):
        pd.testing.assert_frame_equal(first.table(name), again.table(name))
    assert (first.table("neurons").neuron != other.table("neurons").neuron).any()


def test_doses_are_nested_and_stand_side_by_side_in_one_table(edited):
    run = edited(k=[5, 1, 2], strength=[1.0, 0.5])
    alone = edited("alone", k=[2], strength=[0.5])
    effects = run.table("effects")
    assert sorted(set(zip(effects.k, effects.strength, strict=True))) == [
        (k, strength) for k in (1, 2, 5) for strength in (0.5, 1.0)
    ]
    assert len(run.run["verdicts"]) == 6
    ranked = load(run.run["run"]).top(5)
    neurons = run.table("neurons")
    targets = neurons[neurons.set == "target"].sort_values("place")
    assert targets[["layer", "neuron"]].to_numpy().tolist() == ranked[["layer", "neuron"]].to_numpy().tolist()
    assert neurons.groupby(["set", "control_set"]).place.max().tolist() == [5, 5, 5, 5]
    mine = effect(run, set="target", k=2, strength=0.5).value.to_numpy()
    np.testing.assert_allclose(mine, effect(alone, set="target").value.to_numpy(), atol=1e-5)


def test_one_number_is_a_dose_as_a_list_of_it_is(edited):
    alone, listed = edited("alone", k=2, strength=0.5), edited("listed", k=[2], strength=[0.5])
    pd.testing.assert_frame_equal(alone.table("effects"), listed.table("effects"))


def test_controls_are_of_the_same_layers_and_none_of_them_is_a_target(edited):
    run = edited(k=[10])
    neurons = run.table("neurons")
    targets = neurons[neurons.set == "target"].set_index("place")
    named = set(zip(targets.layer, targets.neuron, strict=True))
    for _, controls in neurons[neurons.set == "control"].groupby("control_set"):
        assert (controls.set_index("place").layer == targets.layer).all()
        assert not named & set(zip(controls.layer, controls.neuron, strict=True))
    assert run.run["matching"]["sets"] == 3
    assert run.run["matching"]["worst_ratio"] == neurons.ratio.max()


def test_the_table_of_onsets_holds_what_the_effects_are_made_of(edited):
    run = edited(k=[2])
    onsets = run.table("onsets")
    for (name, number), mine in onsets.groupby(["set", "control_set"]):
        for label, changed in ((1, "log_p_onset"), (0, "log_p_control")):
            change = (mine.log_p - mine.log_p_unedited)[mine.label == label].mean()
            [line] = effect(run, changed, set=name, control_set=number).to_dict("records")
            assert line["value"] == pytest.approx(change, abs=1e-9)
            assert line["n"] == (mine.label == label).sum()
        [line] = effect(run, "kl_control", set=name, control_set=number).to_dict("records")
        assert line["value"] == pytest.approx(mine.kl[mine.label == 0].mean(), abs=1e-9)
    targets, controls = (effect(run, set=name) for name in ("target", "control"))
    assert targets.difference.iloc[0] == pytest.approx(targets.value.iloc[0] - controls.value.mean())
    assert controls.difference.isna().all()
    assert set(onsets.text[onsets.label == 1].str.strip()) == {words(tiny_model()[1])[1]}


@pytest.mark.parametrize("intervention", ["mean", "resample", "scale", "add", "clamp"])
def test_every_intervention_goes_the_whole_way(edited, intervention):
    run = edited(intervention=intervention, neurons=[list(CAUSE)])
    assert run.run["intervention"]["_target_"] == f"intervention/{intervention}"
    [target] = effect(run, set="target").to_dict("records")
    # At control positions the cause holds nothing: what brings it down to that takes the slip away.
    assert (target["value"] < -1) == (intervention in ("mean", "resample", "clamp"))


def test_an_edit_that_changes_nothing_is_said(edited):
    run = edited(intervention=Scale(1.0), neurons=[list(CAUSE)])
    assert any("the scale edit of 1 neurons changed nothing" in warning for warning in run.run["warnings"])
    assert effect(run).value.abs().max() == 0


def test_few_groups_give_no_interval_and_no_verdict(edited):
    run = edited(neurons=[list(CAUSE)], documents=9)
    [target] = effect(run, set="target").to_dict("records")
    assert target["groups"] == 9
    assert np.isnan([target["low"], target["high"], target["difference_low"], target["detectable"]]).all()
    assert run.run["verdicts"][0]["verdict"] == "too few groups to tell"
    assert any("fewer than 10 there is no interval" in warning for warning in run.run["warnings"])


@pytest.mark.slow
def test_a_planted_cause_is_found_through_a_bridge_too(found, planted, tmp_path):
    from transformer_lens.model_bridge import TransformerBridge

    model, tokenizer = copy.deepcopy(planted)
    tokenizer.init_kwargs["add_bos_token"] = True
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    bridge = TransformerBridge.boot_transformers("x", hf_model=model, tokenizer=tokenizer)
    settings = {
        "detectors": detectors(),
        "scorers": ["auc"],
        "interval_bootstraps": 50,
        "store": str(tmp_path / "store"),
    }
    mine = find(bridge, texts(), folder=tmp_path / "run", selection="prediction", reports=[], **settings)
    run = ablate(
        mine, bridge, source=texts(), detectors=detectors(), intervention="zero", neurons=[list(CAUSE)], reports=[]
    )
    assert run.folder.parent == mine.folder / "ablate"
    assert run.run["verdicts"][0]["verdict"] == "matters more than its controls"
    assert run.run["proof"]["largest_deviation"] == 0


@pytest.mark.parametrize("intervention", ["zero", "resample"])
def test_traces_of_eight_prompts_at_once_are_those_of_each_alone_with_edits(written, tmp_path, intervention):
    several = {"intervention": intervention, "k": [3], "controls": 1, "problems": cues(8)}
    together = written("together", rows_per_batch=8, **several)
    apart = written("apart", rows_per_batch=1, store=str(tmp_path / "other traces"), **several)
    assert together.run["counts"]["from_the_store"] == apart.run["counts"]["from_the_store"] == 0
    pd.testing.assert_frame_equal(together.table("traces"), apart.table("traces"), rtol=1e-4)


def test_finished_traces_are_not_made_again_and_the_edit_is_proved_all_the_same(written):
    first, again = written("first", k=[2]), written("again", k=[2])
    assert again.run["counts"]["from_the_store"] == again.run["counts"]["traces"] == 5 * 16
    assert again.run["proof"]["values"] > 0
    pd.testing.assert_frame_equal(first.table("traces"), again.table("traces"))
    other = written("other", k=[3])
    assert other.run["counts"]["from_the_store"] == 16, "the unedited ones"


def test_without_problems_the_held_out_texts_give_their_prompts(written, found):
    run = written(k=[1], problems=None, samples=2, documents=12, sampling={"max_new_tokens": 3, "temperature": 1.0})
    traces = run.table("traces")
    held_out = set(found.positions.group[found.positions.part == "heldout"])
    assert set(traces.group) <= held_out
    assert run.run["counts"]["prompts"] == traces.problem.nunique() <= 12
    assert (traces.groupby(["set", "control_set", "problem"])["sample"].nunique() == 2).all()
    assert run.run["config"]["problems"] is None
    assert run.run["counts"]["without_verdict"] == 0, "their answers are graded"


def test_what_is_not_known_of_the_answers_is_said(written):
    unknown = [Problem(one.id, one.text) for one in cues()]
    run = written(k=[1], problems=unknown)
    assert "right" not in set(run.table("effects").measure)
    assert any("there are no right answers to grade by" in warning for warning in run.run["warnings"])
    ungraded = written("ungraded", k=[1], grader=None)
    assert not any("answers" in warning for warning in ungraded.run["warnings"])


def test_where_the_behaviour_never_shows_it_is_said(written):
    without = [Problem(one.id, one.text.rpartition(" ")[0], "7") for one in cues()]
    greedy = {"temperature": 0.0, "max_new_tokens": 3}
    run = written(neurons=[list(READOUT)], problems=without, samples=2, sampling=greedy)
    assert any("at temperature 0 nothing is drawn" in warning for warning in run.run["warnings"])
    assert any("`slip` shows in none of 32 unedited traces" in warning for warning in run.run["warnings"])
    assert run.run["verdicts"][0]["verdict"] == "the behaviour never shows"


def test_a_detector_that_is_blind_to_text_alone_is_refused(planted, tmp_path):
    model, tokenizer = planted
    settings = {
        "detectors": {"slip": Annotations()},
        "scorers": ["auc"],
        "interval_bootstraps": 50,
        "store": str(tmp_path / "store"),
    }
    mine = find(model, texts(), tokenizer=tokenizer, folder=tmp_path / "run", reports=[], **settings)
    with pytest.raises(
        DataError, match="the detector of `slip` relies on annotations or metadata, so it cannot label generated"
    ):
        ablate(
            mine,
            model,
            tokenizer=tokenizer,
            source=texts(),
            detectors={"slip": Annotations()},
            mode="generated",
            problems=cues(),
            prompt=Prompt("{problem}"),
            reports=[],
        )


def test_texts_without_prompts_cannot_be_gone_on_from(planted, tmp_path):
    model, tokenizer = planted
    bare = [dataclasses.replace(one, completion_start=0) for one in texts()]
    settings = {
        "detectors": detectors(),
        "scorers": ["auc"],
        "interval_bootstraps": 50,
        "store": str(tmp_path / "store"),
    }
    mine = find(model, bare, tokenizer=tokenizer, folder=tmp_path / "run", reports=[], **settings)
    with pytest.raises(ConfigError, match="hold no prompt for the model to go on from: give it problems"):
        ablate(mine, model, tokenizer=tokenizer, source=bare, detectors=detectors(), mode="generated", reports=[])


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"k": [0]}, ConfigError, r"k is \[0\]: give numbers of neurons, at least 1"),
        ({"k": [385]}, ConfigError, "k is 385, and the ranking of `slip` in .* holds 384 neurons"),
        ({"k": [300]}, ConfigError, "leave too few; edit fewer neurons"),
        ({"k": [3], "neurons": [[1, 2]]}, ConfigError, "k is 3, and `neurons` lists 1"),
        ({"neurons": [[3, 0]]}, ConfigError, "no neuron L3N0 .* layers 0 to 2"),
        ({"neurons": [[0, 128]]}, ConfigError, "neurons 0 to 127"),
        ({"neurons": ["L0"]}, ConfigError, "names no neuron"),
        ({"behaviour": "slap"}, ConfigError, "did you mean `slip`"),
        ({"strength": [float("nan")]}, ConfigError, r"strength is \[nan\]"),
        ({"strength": [0.0]}, ConfigError, "give finite numbers above 0"),
        ({"strength": []}, ConfigError, "strength is empty"),
        ({"controls": 0}, ConfigError, "controls is 0"),
        ({"documents": 0}, ConfigError, "documents is 0"),
        ({"mode": "both"}, ConfigError, "take teacher_forced or generated|did you mean|`ablate.mode` is `both`"),
        ({"intervention": "zeros"}, ConfigError, "zero"),
        ({"mode": "generated", "sampling": {"max_new_tokens": 0}}, ConfigError, "max_new_tokens is 0"),
        ({"mode": "generated", "problems": []}, DataError, "there are no problems"),
        ({"kk": 3}, ConfigError, "did you mean `k`"),
        ({"source": texts(58)}, DataError, "the texts or the detectors of .* have changed since it was made"),
        ({"source": None}, ConfigError, "were handed over in Python"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(edited, tmp_path, asked, error, said):
    with pytest.raises(error, match=said):
        edited(**asked)
    assert not (tmp_path / "ablation").exists()


def test_a_run_of_another_model_is_refused(found, tmp_path):
    model, tokenizer = tiny_model(seed=1)
    with pytest.raises(ModelError, match="has other weights than"):
        ablate(found, model, tokenizer=tokenizer, source=texts(), detectors=detectors(), folder=tmp_path / "no")


def test_a_layer_that_the_run_did_not_read_is_refused(planted, tmp_path):
    model, tokenizer = planted
    settings = {
        "detectors": detectors(),
        "scorers": ["auc"],
        "interval_bootstraps": 50,
        "store": str(tmp_path / "store"),
    }
    mine = find(model, texts(), tokenizer=tokenizer, folder=tmp_path / "run", layers=[1], reports=[], **settings)
    with pytest.raises(ConfigError, match=r"layer 2 was not read by .*: take neurons of layers 1, or run"):
        ablate(mine, model, tokenizer=tokenizer, source=texts(), detectors=detectors(), neurons=[[2, 5]], reports=[])


def test_what_is_no_run_of_find_is_refused(edited, tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        ablate(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is a run of `neurosieve ablate`: give one of `neurosieve find`"):
        ablate(edited(k=[1]).folder)


def test_a_finished_run_is_not_written_over(edited):
    edited(k=[1])
    with pytest.raises(ConfigError, match="holds a finished run already"):
        edited(k=[1])


def test_a_cleared_store_is_filled_again(edited, found, tmp_path):
    first = edited("first", k=[2])
    shutil.rmtree(found.run["config"]["store"])
    pd.testing.assert_frame_equal(first.table("effects"), edited("again", k=[2]).table("effects"))


def test_a_damaged_store_is_noticed_and_filled_again(edited, found):
    first = edited("first", k=[2])
    for shard in Path(found.run["config"]["store"]).rglob("*.safetensors"):
        content = bytearray(shard.read_bytes())
        content[-1000] ^= 255
        content[len(content) // 2] ^= 255
        shard.write_bytes(content)
    pd.testing.assert_frame_equal(first.table("effects"), edited("again", k=[2]).table("effects"))


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """A run of `find` from the command line, which the command line can go on from."""
    folder = tmp_path_factory.mktemp("traced")
    turn = " Wait, that is not right."
    records = [
        {
            "problem_id": number,
            "problem_text": f"p{number}",
            "generated_cot": f"{number} <think> I have 12 apples.{turn * (number % 2)} So 42.",
        }
        for number in range(48)
    ]
    (folder / "traces.json").write_text(json.dumps(records))
    common = [
        "model=tiny",
        "scorers=[auc]",
        "interval_bootstraps=20",
        "test_top=5",
        f"store={folder}/store",
        "reports=[]",
    ]
    source = ["source=traces", f"source.path={folder}/traces.json", f"hydra.run.dir={folder}/run"]
    main(["find", *source, *common, "detectors=[phrases]", "detectors.phrases.phrases=[wait]"])
    return folder


@pytest.fixture
def from_the_command_line(traced, monkeypatch, capsys):
    monkeypatch.chdir(traced)

    def go(*arguments):
        capsys.readouterr()
        code = 0
        try:
            main(["ablate", *arguments])
        except SystemExit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return go


def test_the_command_line_tells_the_effect_and_leaves_its_run_in_the_run(from_the_command_line, traced):
    code, out, err = from_the_command_line(
        "run=run", "k=[1,3]", "intervention=add", "intervention.amount=2", "reports=[]"
    )
    assert (code, err) == (0, "")
    assert "phrases: 1 MLP neuron edited (intervention add)" in out
    assert "the log-probability of the onset" in out
    assert "controls" in out
    assert "read back inside the model: the largest deviation is 0" in out
    [run] = load(traced / "run").parts("ablate")
    assert run.folder.parent == traced / "run" / "ablate"
    assert run.run["config"]["k"] == [1, 3]
    assert run.run["intervention"] == {"_target_": "intervention/add", "amount": 2.0}
    assert all(one["sentence"] in out for one in run.run["verdicts"])


def test_the_command_line_gives_a_verdict_on_each_neuron(from_the_command_line, traced):
    before = len(load(traced / "run").parts("ablate"))
    code, out, err = from_the_command_line("run=run", "mode=each", "top=3", "reports=[html]")
    assert (code, err) == (0, "")
    assert "phrases: each of 3 MLP neurons edited alone (intervention mean)" in out
    assert "note: edited: the best 3 neurons of the ranking, whatever the sign of the score (`sign=any`)" in " ".join(
        out.split()
    )
    assert "read back inside the model: the largest deviation is 0" in out
    run = load(traced / "run").parts("ablate")[before]
    for name, count in run.run["neuron_verdicts"].items():
        assert (f"{name} ({count})" in out) == bool(count)
    drawn = run._repr_html_()
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    for layer, neuron in run.table("single_neurons")[["layer", "neuron"]].to_numpy().tolist():
        assert all(f"L{layer}N{neuron}" in text for text in (out, drawn, page))


def test_a_sweep_leaves_a_run_for_each_job_in_the_run(from_the_command_line, traced):
    before = len(load(traced / "run").parts("ablate"))
    code, _, err = from_the_command_line(
        "run=run", "-m", "intervention=zero,mean", "k=2", "strength=1", "documents=12", "reports=[]"
    )
    assert (code, err) == (0, "")
    runs = load(traced / "run").parts("ablate")[before:]
    assert [run.run["intervention"]["_target_"] for run in runs] == ["intervention/zero", "intervention/mean"]


def test_the_command_line_generates(from_the_command_line, traced):
    code, out, err = from_the_command_line(
        "run=run",
        "mode=generated",
        "k=[2]",
        "documents=12",
        "sampling.max_new_tokens=4",
        f"store={traced}/made",
        "problems=arithmetic",
        "prompt=corrections",
        "reports=[]",
    )
    assert (code, err) == (0, "")
    assert "the number of spans per 1,000 tokens" in out
    assert "unedited" in out
    assert "the perplexity under the unedited model" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no run is given"),
        (("run=nowhere",), "`nowhere` is not a folder"),
        (("-m", "run=nowhere", "k=[1],[2]"), "`nowhere` holds no finished run"),
        (("run=store",), "holds no finished run"),
        (("run=run", "k=[999]"), "holds 384 neurons"),
        (("run=run", "k=[0]"), "k is [0]"),
        (("run=run", "mode=each", "k=3"), "k is [3], and `mode=each` edits one neuron at a time"),
        (("run=run", "mode=each", "top=999"), "top is 999, and the ranking of `phrases` in"),
        (("run=run", "mode=each", "top=few"), "`top` is `few`: give a whole number"),
        (("run=run", "top=3"), "top is 3, which is for `mode=each`"),
        (("run=run", "sign=up"), "sign"),
        (("run=run", "k=many"), "`ablate.k` is `many`: give a whole number, or several as in [1, 2]"),
        (("run=run", "strength=half"), "`ablate.strength` is `half`: give a number"),
        (("run=run", "strength=[nan]"), "strength is [nan]"),
        (("run=run", "intervention=zap"), "zap"),
        (("run=run", "intervention.factor=2"), "factor"),
        (("run=run", "mode=generated", "sampling.max_new_tokens=0"), "max_new_tokens is 0"),
        (("run=run", "mode=generatd"), "generatd"),
        (("run=run", "kk=1"), "did you mean `k`"),
    ],
)
def test_mistakes_at_the_command_line_end_in_one_message_and_leave_nothing(
    from_the_command_line, traced, arguments, said
):
    before = sorted(traced.rglob("*"))
    code, out, err = from_the_command_line(*arguments)
    assert (code, out if "-m" not in arguments else "") == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert sorted(traced.rglob("*")) == before
