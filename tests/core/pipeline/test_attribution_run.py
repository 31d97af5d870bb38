"""`find reading=attribution`: a neuron that drives the behaviour is first, and one that only fires there is not."""

import numpy as np
import pandas as pd
import pytest
import torch
from planted import drive, driven_texts

from neurosieve import DataError, Document, ModelError, ablate, find, load
from neurosieve.cli import main
from neurosieve.models.tiny import tiny_model
from neurosieve.texts.selection import Selection
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.readings.attribution import Attribution
from neurosieve_plugins.sources.arithmetic import Arithmetic

DRIVES, READS_OUT, SILENT_READER = (1, 17), (0, 90), (2, 64)


@pytest.fixture(scope="module")
def planted():
    model, tokenizer = tiny_model()
    return drive(model, tokenizer, DRIVES, [READS_OUT], [SILENT_READER]), tokenizer


@pytest.fixture
def run(planted, tmp_path):
    def go(name="run", source=None, **changed):
        settings = {"detectors": {"slip": Annotations()}, "reading": "attribution", "interval_bootstraps": 20}
        settings |= {"store": str(tmp_path / "store")} | changed
        model, tokenizer = planted
        return find(model, source or driven_texts(), tokenizer=tokenizer, folder=tmp_path / name, **settings)

    return go


def test_the_neuron_that_drives_is_first_and_the_one_that_reads_out_is_not_significant(run):
    neurons = run().neurons
    best = neurons.iloc[0]
    assert (best.layer, best.neuron) == DRIVES
    assert best.paired_difference < 0
    assert best.p_fwer <= 0.05
    assert best.replicates
    significant = neurons[neurons.p_fwer <= 0.05]
    named = set(zip(significant.layer, significant.neuron, strict=True))
    assert not named & {READS_OUT, SILENT_READER}


def test_the_one_that_reads_out_is_what_a_ranking_by_activation_names(run):
    neurons = run(reading="activation").neurons
    perfect = neurons[neurons.auc == 1]
    assert READS_OUT in set(zip(perfect.layer, perfect.neuron, strict=True))


def small_edits(run, behaviour, best=8, strength=0.01):
    """The best neurons of a behaviour, with the effects that were foretold and those of a small edit, per strength."""
    top = run.top(best, behaviour)
    neurons = top[["layer", "neuron"]].to_numpy().tolist()
    settings = {"mode": "each", "strength": strength, "controls": 1, "interval_bootstraps": 100, "reports": []}
    edited = ablate(run, behaviour=behaviour, neurons=neurons, folder=run.folder / behaviour, **settings)
    return edited.table("single_neurons").foretold, edited.table("single_neurons").effect / strength


@pytest.mark.slow
@pytest.mark.parametrize("control", ["distant", "lexical"])
def test_of_two_behaviours_each_is_foretold_the_edit_that_ablate_makes_of_it(control, tmp_path):
    settings = {"reading": "attribution", "control": control, "permutations": 0, "stability_bootstraps": 0}
    settings |= {"interval_bootstraps": 20, "store": str(tmp_path / "store"), "folder": tmp_path / "run"}
    run = find("tiny", Arithmetic(documents=60), ["backtracking", "hesitation"], **settings)
    for behaviour in run.behaviours:
        foretold, effects = small_edits(run, behaviour)
        np.testing.assert_allclose(foretold, effects, atol=0.02 * foretold.abs().max())
    assert run.neurons.groupby("behaviour").size().tolist() == [3 * 128] * 2
    assert set(run.run["neutral"]["paired_difference"]) == set(run.behaviours)


def renamed(documents):
    return [Document("fresh " + d.id, d.text, "fresh " + d.group, 0, d.annotations) for d in documents]


def test_a_ranking_is_replicated_by_what_it_read_and_by_the_means_of_the_new_controls(run):
    fresh = renamed(driven_texts(40, seed=7))
    [again] = run(replicate_on=fresh).parts("rescore")
    table = again.table("neurons")
    assert (table.layer[0], table.neuron[0]) == DRIVES
    assert table.paired_difference_heldout[0] < -0.1
    assert table.replicates[0]
    alone = run("alone", fresh, store=None, selection=Selection(held_out_fraction=0.0))
    both = table.merge(alone.neurons, on=["layer", "neuron"], suffixes=("", "_alone"))
    assert len(both) == 3 * 128
    pd.testing.assert_series_equal(
        both.paired_difference_heldout, both.paired_difference_alone, check_names=False, rtol=1e-3, atol=1e-5
    )


def test_no_more_is_read_than_asked_for_and_the_run_is_the_same_from_the_store(run, tmp_path):
    first = run(reading=Attribution(documents=5, controls=1))
    ranking = first.positions[first.positions.part == "ranking"]
    assert ranking.document.nunique() == 5
    assert ranking.label.tolist().count(0) == 5
    [said] = [note for note in first.run["notes"] if "are read" in note]
    assert said.startswith("`slip`: 5 of ")
    assert "5 of its " in said
    again = run("again", reading=Attribution(documents=5, controls=1))
    assert again.run["reading"]["forward_passes"] == 0
    pd.testing.assert_frame_equal(again.neurons, first.neurons)


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """The exit code of `neurosieve find reading=attribution` on tiny, and its one message; the folder stays empty."""
    monkeypatch.chdir(tmp_path)

    def said(*overrides):
        own = ["reading=attribution", "model=tiny", "source=arithmetic", "source.documents=40", f"store={tmp_path}/s"]
        keys = {text.partition("=")[0] for text in overrides}
        with pytest.raises(SystemExit) as ended:
            main(["find", *(text for text in own if text.partition("=")[0] not in keys), *overrides])
        error = capsys.readouterr().err
        assert not list(tmp_path.rglob("run.json"))
        return ended.value.code, error.strip().splitlines()[-1]

    return said


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["site=resid_post"], "(`site=resid_post`) cannot be edited"),
        (["site=mlp_out"], "(`site=mlp_out`) cannot be edited"),
        (["reading=activation", "beside=attribution", "site=mlp_out"], "(`site=mlp_out`) cannot be edited"),
        (["store=none"], "`store=none` reads every token in one pass"),
        (["reading.steps=0"], "reading.steps is 0: give a whole number, at least 1"),
        (["reading.steps=3"], "reading.steps is 3, and the method `gradient` takes one step"),
        (["reading.documents=0"], "reading.documents is 0"),
        (["reading.length=0"], "reading.length is 0"),
        (["beside.documents=0", "beside=attribution", "reading=activation"], "beside.documents is 0"),
        (["beside.documents=3"], "`beside` is null, and has no field `documents`: choose one too"),
        (
            ["reading=activation", "reading.documents=5"],
            "has no field `documents`: leave it out, or choose `reading=attribution`, which has it",
        ),
        (["rank_by=auc"], "add it, as in `scorers=[paired_difference,mean_present,auc]`"),
        (["reading.method=magic"], "`reading.method` is `magic`: there are: gradient"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_choices_that_make_no_sense_end_in_one_message(said, overrides, message):
    code, error = said(*overrides)
    assert code == 2
    assert message in error


@pytest.mark.slow
def test_in_a_sweep_each_reading_has_its_own_scorers_unless_some_are_chosen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = ["model=tiny", "source=arithmetic", "source.documents=40", f"store={tmp_path}/s", "permutations=0"]
    main(["find", *own, "-m", "reading=activation,attribution", "hydra.sweep.dir=each"])
    main(["find", *own, "-m", "reading=activation,attribution", "scorers=[auc,cohens_d]", "hydra.sweep.dir=one"])
    scorers = {name: [load(f"{name}/{job}").scorers for job in (0, 1)] for name in ("each", "one")}
    assert scorers["each"] == [["auc", "cohens_d"], ["paired_difference", "mean_present"]]
    assert scorers["one"] == [["auc", "cohens_d"]] * 2


@pytest.mark.slow
def test_an_experiment_implies_the_scorers_of_its_reading_unless_it_chooses_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    chosen = {"causes": "", "both": "  - override /scorers: [paired_difference, auc]\n"}
    for name, more in chosen.items():
        text = f"# @package _global_\ndefaults:\n  - override /reading: attribution\n{more}"
        (tmp_path / "own" / "experiment" / f"{name}.yaml").write_text(text)
        own = ["model=tiny", "source=arithmetic", "source.documents=40", f"store={tmp_path}/s", "permutations=0"]
        main(["find", *own, "--config-dir", str(tmp_path / "own"), f"+experiment={name}", f"hydra.run.dir={name}"])
    assert load("causes").scorers == ["paired_difference", "mean_present"]
    assert load("both").scorers == ["paired_difference", "auc"]


def saved(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return ["model=pretrained", f"model.name={folder}"]


@pytest.mark.parametrize("readings", [["reading=attribution"], ["reading=activation", "beside=attribution"]], ids=str)
def test_a_model_without_a_head_ends_in_one_message_before_anything_is_read(said, tmp_path, readings):
    model, tokenizer = tiny_model()
    base = model.model
    base.config.architectures = ["Qwen2Model"]
    code, error = said(*saved(tmp_path / "headless", base, tokenizer), *readings)
    assert code == 2
    assert "has no LM head" in error
    assert not list((tmp_path / "s").rglob("*.safetensors"))


def test_weights_whose_gradients_are_not_finite_end_in_one_message(said, tmp_path):
    model, tokenizer = tiny_model()
    with torch.no_grad():  # No site sees the head: activations are finite.
        model.lm_head.weight[5] = torch.nan
    code, error = said(*saved(tmp_path / "broken", model, tokenizer))
    assert code == 2
    assert "gave gradients that are NaN or infinite, in layer 0, 1, 2; nothing was scored" in error


def test_a_behaviour_that_starts_every_text_ends_in_one_message(planted, tmp_path):
    from tokenizers import processors

    model, tokenizer = tiny_model()
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    texts = [
        Document(
            f"d{number}",
            f"Wait, {number} and {number}, so I add {number} apples to the {number} that I have, and then I count all",
            f"g{number}",
        )
        for number in range(20)
    ]
    with pytest.raises(DataError, match="starts at the first token of its texts alone in the ranking part"):
        find(
            model,
            texts,
            {"start": Regex(patterns=("^Wait",))},
            reading="attribution",
            control=Distant(same_kind=False),
            tokenizer=tokenizer,
            store=str(tmp_path / "store"),
            folder=tmp_path / "run",
        )
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_batch_that_does_not_fit_with_its_gradients_is_halved_and_a_text_that_does_not_is_named(planted, tmp_path):
    model, tokenizer = tiny_model()
    most = {"rows": 1}

    def out_of_memory(_, given):
        if torch.is_grad_enabled() and len(given[0]) > most["rows"]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    choices = {"detectors": {"slip": Annotations()}, "reading": "attribution", "tokenizer": tokenizer}
    whole = find(model, driven_texts(), **choices, store=str(tmp_path / "a"), folder=tmp_path / "whole")
    hook = model.lm_head.register_forward_pre_hook(out_of_memory)
    halved = find(model, driven_texts(), **choices, store=str(tmp_path / "b"), folder=tmp_path / "halved")
    assert halved.run["reading"]["halvings"] > 0
    assert any("read in halves" in text for text in halved.run["warnings"])
    both = whole.neurons.merge(halved.neurons, on=["layer", "neuron"])
    assert (both.paired_difference_x - both.paired_difference_y).abs().max() < 1e-5
    most["rows"] = 0
    with pytest.raises(ModelError, match=r"document `d\d+`, \d+ tokens, does not fit into the memory of cpu"):
        find(model, driven_texts(), **choices, store=str(tmp_path / "c"), folder=tmp_path / "none")
    hook.remove()
