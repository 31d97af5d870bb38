"""The whole way: planted neurons are found, and nothing that should not matter does."""

import dataclasses
import subprocess
import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from planted import plant, texts, words

from neurosieve import ConfigError, DataError, Span, find, hookimpl, load
from neurosieve.models.tiny import tiny_model
from neurosieve.registry import installed
from neurosieve.texts.selection import Selection
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.cohens_d import CohensD

PLANTED = {(0, 3), (0, 90), (1, 17), (2, 64)}
"""The neurons that are made to fire on every word of the behaviour."""


SETTINGS = {
    "detectors": {"slip": Annotations()},
    "scorers": {"auc": Auc(), "cohens_d": CohensD()},
    "interval_bootstraps": 50,
    "permutations": 99,
    "stability_bootstraps": 10,
}


@pytest.fixture(scope="module")
def planted():
    model, tokenizer = tiny_model()
    return plant(model, tokenizer, PLANTED), tokenizer


@pytest.fixture
def run(planted, tmp_path):
    def go(name="run", source=None, **changed):
        settings = SETTINGS | {"store": str(tmp_path / "store")} | changed
        model, tokenizer = settings.pop("model", planted)
        return find(model, source or texts(), tokenizer=tokenizer, folder=tmp_path / name, **settings)

    return go


@pytest.fixture(scope="module")
def finished(planted, tmp_path_factory):
    """Return a finished run under some settings, made once: for tests that only read it."""

    @cache
    def finished(**changed):
        folder, (model, tokenizer) = tmp_path_factory.mktemp("finished"), planted
        settings = SETTINGS | {"store": str(folder / "store"), "folder": folder / "run"} | changed
        return find(model, texts(), tokenizer=tokenizer, **settings)

    return finished


def test_planted_neurons_lead_the_ranking_and_replicate(finished):
    result = finished()
    best = result.top(len(PLANTED))
    assert set(zip(best.layer, best.neuron, strict=True)) == PLANTED
    assert (best.auc == 1).all()
    assert (best.auc_heldout == 1).all()
    assert best.replicates.notna().all()
    assert best.replicates.all()
    assert result.neurons.auc_minus_neutral.iloc[len(PLANTED) :].abs().max() < 0.5


def test_each_activation_of_the_best_neurons_joins_the_position_that_it_was_read_at(finished):
    result = finished()
    kept, keys = result.table("activations"), ["behaviour", "document", "token", "part", "label"]
    joined = kept.merge(result.table("positions"), on=keys, validate="many_to_one")
    assert len(joined) == len(kept)
    assert (joined.groupby(["layer", "neuron"]).size() == len(result.table("positions"))).all()


def scores(result):
    return result.neurons.sort_values(["behaviour", "layer", "neuron"]).reset_index(drop=True).drop(columns="rank")


@pytest.mark.parametrize(
    "changed",
    [
        {"tokens_per_batch": 1},
        {"tokens_per_batch": 100_000},
        {"source": texts()[::-1]},
        {"source": [*texts()[30:], *texts()[:30]]},
    ],
    ids=["one document a batch", "all in one batch", "documents reversed", "shards swapped"],
)
def test_batches_and_the_order_of_documents_change_no_score(run, finished, changed):
    expected = finished()
    found = run("other", **changed)
    pd.testing.assert_frame_equal(expected.positions, found.positions)
    pd.testing.assert_frame_equal(scores(expected), scores(found), rtol=1e-3, atol=1e-3)


def test_the_same_seed_gives_the_same_files(run, finished):
    first, second = finished(), run("second")
    for name in ("neurons.parquet", "positions.parquet"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_another_seed_holds_out_other_groups_and_reads_nothing_again(run, finished):
    first = finished()
    second = run("second", seed=1, store=first.run["config"]["store"])
    parts = [result.positions.drop_duplicates("group").set_index("group").part for result in (first, second)]
    assert (parts[0] != parts[1].loc[parts[0].index]).any()
    assert second.run["reading"]["forward_passes"] == 0


def test_more_scorers_from_the_store_run_no_forward_pass(run):
    first = run("first", scorers=["auc"])
    assert first.run["reading"]["forward_passes"] > 0
    second = run("second", scorers=["cohens_d", "welch_t", "mean_difference", "average_precision"])
    assert second.run["reading"]["forward_passes"] == 0
    assert {"cohens_d", "welch_t", "mean_difference", "average_precision"} <= set(second.neurons.columns)


def test_a_second_run_from_a_folder_does_not_even_load_the_weights(planted, tmp_path, monkeypatch):
    model, tokenizer = planted
    model.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    settings = SETTINGS | {"store": str(tmp_path / "store")}
    first = find(str(tmp_path / "saved"), texts(), folder=tmp_path / "first", **settings)
    (tmp_path / "saved" / "model.safetensors").chmod(0o600)
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", lambda *_, **__: pytest.fail("loaded"))
    second = find(str(tmp_path / "saved"), texts(), folder=tmp_path / "second", **settings)
    pd.testing.assert_frame_equal(first.neurons, second.neurons)


class Interrupting:
    """A listener that ends the run after some batches, as Ctrl-C would."""

    def __init__(self, after):
        self.left = after

    @hookimpl
    def batch_read(self, documents, tokens, positions):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [1, 2, 5])
def test_a_run_that_was_interrupted_goes_on_and_ends_with_the_same_files(run, finished, tmp_path, after):
    whole = finished(tokens_per_batch=300)
    listener = Interrupting(after)
    manager = installed().manager
    manager.register(listener)
    try:
        with pytest.raises(KeyboardInterrupt):
            run("broken", tokens_per_batch=300)
    finally:
        manager.unregister(listener)
    assert not (tmp_path / "broken").exists()
    resumed = run("resumed", tokens_per_batch=300)
    assert resumed.run["reading"]["forward_passes"] == whole.run["reading"]["forward_passes"] - after
    assert (resumed.folder / "neurons.parquet").read_bytes() == (whole.folder / "neurons.parquet").read_bytes()


def test_a_damaged_shard_is_noticed_and_captured_again(run, tmp_path):
    whole = run("whole")
    (shard,) = (tmp_path / "store").rglob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-1000] ^= 255
    shard.write_bytes(content)
    again = run("again")
    assert again.run["reading"]["forward_passes"] > 0
    assert any("damaged" in warning for warning in again.run["warnings"])
    pd.testing.assert_frame_equal(whole.neurons, again.neurons)


def test_several_detectors_are_several_behaviours_of_one_pass(run):
    both = run("both", detectors={"slip": Annotations(), "many": Phrases((words(tiny_model()[1])[15],))})
    alone = run("alone", detectors={"slip": Annotations()}, seed=0)
    assert both.behaviours == ["slip", "many"]
    assert alone.run["reading"]["forward_passes"] == 0
    mine = both.positions[both.positions.behaviour == "slip"].drop(columns="part").reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, alone.positions.drop(columns="part"))


def test_a_model_that_runs_out_of_memory_is_read_in_halves_and_says_so(run, finished, planted):
    model, _ = planted
    expected = finished()
    forward = model.model.forward

    def small(input_ids, **kwargs):
        if input_ids.numel() > 400:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(input_ids=input_ids, **kwargs)

    model.model.forward = small
    try:
        found = run("found")
    finally:
        model.model.forward = forward
    assert found.run["reading"]["halvings"] > 0
    assert any("memory ran out" in warning for warning in found.run["warnings"])
    pd.testing.assert_frame_equal(scores(expected), scores(found), rtol=1e-3, atol=1e-3)


def test_some_layers_alone_can_be_read(run):
    result = run(layers=(2, 0))
    assert set(result.neurons.layer) == {0, 2}


def test_without_a_heldout_part_nothing_replicates(run):
    result = run(selection=Selection(held_out_fraction=0.0))
    assert result.neurons.auc_heldout.isna().all()
    assert result.neurons.replicates.isna().all()
    assert set(result.positions.part) == {"ranking"}


def test_pure_noise_does_not_replicate(run):
    """Spans at random places: no neuron of a random model should hold on other groups, but for the 5 % of chance."""
    rng = np.random.default_rng(1)
    source = []
    for document in texts(200):
        spaces = [place for place, character in enumerate(document.text) if character == " "]
        chosen = int(rng.integers(len(spaces) - 1))
        span = Span(spaces[chosen] + 1, spaces[chosen + 1])
        source.append(dataclasses.replace(document, annotations=(span,), group=document.id))
    result = run(source=source, control=Distant(tokens=1), test_top=384, interval_bootstraps=200)
    assert result.neurons.replicates.mean() < 0.1


def test_a_run_folder_is_loaded_again(finished):
    result = finished()
    pd.testing.assert_frame_equal(load(result.folder).neurons, result.neurons)


def test_unknown_settings_and_presets_are_refused_with_the_nearest_name(run):
    with pytest.raises(ConfigError, match="did you mean `seed`"):
        run(sede=1)
    with pytest.raises(ConfigError, match="did you mean `auc`"):
        run(scorers=["aucc"])


def test_a_behaviour_that_shows_nowhere_is_refused(run, tmp_path):
    with pytest.raises(DataError, match="no span of `gone` was found in 60 documents"):
        run(detectors={"gone": Phrases(("zebra",))})
    assert not (tmp_path / "run").exists()


def test_too_few_positions_are_warned_of_first(finished):
    assert finished().run["warnings"][0].startswith("`slip` is ranked on")


def test_too_few_held_out_groups_give_no_verdict_and_say_so(run):
    result = run(source=texts(24))
    assert result.neurons.replicates.isna().all()
    assert result.neurons.auc_minus_neutral_heldout_low.isna().all()
    assert any("held-out groups" in warning and "no verdict" in warning for warning in result.run["warnings"])


def test_a_score_whose_noise_is_not_centred_gives_no_verdict_and_says_so(run):
    result = run(scorers=["average_precision", "auc"], stability_bootstraps=5)
    assert result.neurons.replicates.isna().all()
    assert any("`average_precision` gives no verdict" in warning for warning in result.run["warnings"])


def test_a_behaviour_that_shows_nowhere_is_left_out_and_said(run):
    result = run(detectors={"gone": Phrases(("zebra",)), "slip": Annotations()})
    assert result.behaviours == ["slip"]
    assert "`gone` shows nowhere in 60 documents, and was left out" in result.run["warnings"]


def test_scarce_controls_are_said(run):
    result = run(selection=Selection(controls_per_position=1000.0))
    assert any("control positions for" in warning for warning in result.run["warnings"]), result.run["warnings"]


def test_a_finished_run_is_not_written_over(run):
    first = run()
    before = (first.folder / "run.json").read_bytes()
    with pytest.raises(ConfigError, match="holds a finished run already"):
        run(seed=1)
    assert (first.folder / "run.json").read_bytes() == before


def test_a_model_that_was_handed_over_is_left_in_its_mode(run):
    model, tokenizer = tiny_model()
    model.train()
    run(model=(model, tokenizer))
    assert model.training


@pytest.mark.slow
def test_what_python_callers_mistake_is_refused_with_a_message(tmp_path):
    """In a process of its own, since under pytest beartype refuses wrong types before neurosieve can."""
    script = """
import sys
from neurosieve import NeurosieveError, find
from neurosieve_plugins.detectors.phrases import Phrases
for asked in (
    {"detectors": {}}, {"scorers": {}}, {"detectors": {"a": Phrases}},
    {"source": ["a", "b"]}, {"seed": "a"}, {"model": 5},
):
    try:
        find(**{"model": "tiny", "store": sys.argv[1] + "/store", "folder": sys.argv[1] + "/run"} | asked)
    except NeurosieveError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    expected = [
        "no detector is given",
        "no scorer is given",
        "which is not a Detector",
        "which is not a `neurosieve.Document`",
        "seed is 'a'",
        "model is a int",
    ]
    assert len(said) == len(expected), said
    assert all(part in line for part, line in zip(expected, said, strict=True)), said
    assert not (tmp_path / "run").exists()
