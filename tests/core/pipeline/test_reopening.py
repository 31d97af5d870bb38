"""A finished run is opened again as it was, or not at all."""

import json

import numpy as np
import pandas as pd
import pytest

from neurosieve import ConfigError, DataError, Document, ModelError, find
from neurosieve.data import Neuron
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import hand_over
from neurosieve.models.tiny import tiny_model
from neurosieve.pipeline.reopening import parse_neurons, reopen


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "traces.jsonl"
    path.write_text("".join(json.dumps(record(number)) + "\n" for number in range(24)), encoding="utf-8")
    return path


def record(number):
    turn = " Wait, that's not right." if number % 2 else ""
    return {
        "problem_id": number,
        "problem_text": f"What is {number} and 2?",
        "generated_cot": f"{number} and 2? <think> I have {number} apples and I buy 2 more.{turn} So the answer is 42.",
    }


@pytest.fixture
def run(traces, tmp_path):
    def go(**settings):
        from neurosieve_plugins.sources.traces import Traces

        few = {"permutations": 0, "interval_bootstraps": 20, "stability_bootstraps": 0}
        places = {"folder": tmp_path / "run", "store": str(tmp_path / "store")}
        return find("tiny", Traces(str(traces)), **places, **few | settings)

    return go


def test_a_run_opens_again_with_its_positions_and_their_activations(run):
    result = run()
    opened = reopen(result.folder)
    pd.testing.assert_frame_equal(opened.positions.table.convert_dtypes(), result.positions.convert_dtypes())
    assert sum(len(one.spans["backtracking"]) for one in opened.documents) == len(result.table("spans"))
    best = result.top(1).iloc[0]
    from neurosieve.activations.capture import batches_at
    from neurosieve.data import Site
    from neurosieve.texts.positions import PARTS

    [batch] = batches_at(opened.space, opened.positions, Site(int(best.layer)))
    # Of the places that are read, the run's own: both parts of its one behaviour.
    own = (batch.labels[:, [opened.positions.column("backtracking", part) for part in PARTS]] >= 0).any(dim=1)
    column = batch.activations[own, int(best.neuron)].numpy()
    kept = result.table("activations").query("layer == @best.layer and neuron == @best.neuron")
    np.testing.assert_array_equal(np.sort(column), np.sort(kept.activation.to_numpy()))
    positions = opened.positions
    ids = [positions.documents[number].id for number in positions.document_of_row[own.numpy()]]
    of_place = dict(zip(zip(ids, positions.token_of_row[own.numpy()], strict=True), column, strict=True))
    places = zip(kept.document, kept.token, strict=True)
    assert [of_place[place] for place in places] == kept.activation.tolist(), "each is at its document and token"


def test_texts_that_changed_since_are_refused(run, traces):
    result = run()
    before = traces.read_text(encoding="utf-8")
    try:
        traces.write_text(before.replace("5 apples", "five big apples"), encoding="utf-8")
        with pytest.raises(DataError, match="have changed since it was made"):
            reopen(result)
    finally:
        traces.write_text(before, encoding="utf-8")


def test_another_models_run_is_refused(run):
    model, tokenizer = tiny_model(seed=1)
    with pytest.raises(ModelError, match="has other weights than `tiny`"):
        reopen(run(), model=hand_over(model, tokenizer))


def test_what_was_handed_over_must_be_handed_over_again(run, tmp_path):
    model, tokenizer = tiny_model()
    texts = [Document(f"d{n}", f"I buy {n}.{' Wait, that is it.' * (n % 2)} The end.", f"g{n}") for n in range(12)]
    from neurosieve_plugins.detectors.phrases import Phrases

    settings = {"detectors": {"wait": Phrases(("wait",))}, "folder": tmp_path / "run", "store": str(tmp_path / "s")}
    result = find(model, texts, tokenizer=tokenizer, **settings)
    with pytest.raises(ConfigError, match=r"the model of .* was handed over"):
        reopen(result)
    with pytest.raises(ConfigError, match=r"the texts of .* were handed over"):
        reopen(result, model=hand_over(model, tokenizer))
    opened = reopen(result, model=hand_over(model, tokenizer), documents=texts)
    assert [one.tokens.id for one in opened.documents] == [one.id for one in texts]


def test_a_folder_that_is_no_run_of_find_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no finished run: it lacks `run.json`"):
        reopen(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        reopen(tmp_path / "nothing")
    (tmp_path / "run.json").write_text('{"format": 2, "command": "analyze"}')
    with pytest.raises(DataError, match="is a run of `neurosieve analyze`: give one of `neurosieve find`"):
        reopen(tmp_path)


def test_neurons_are_named_by_pairs_or_as_people_write_them():
    atlas = atlas_of(hand_over(*tiny_model()))
    assert parse_neurons([[2, 17], "L0N5", "l2n17"], atlas, "tiny") == (Neuron(2, 17), Neuron(0, 5))


@pytest.mark.parametrize("one", [[3, 0], [0, 128], [-1, 0], "L9N9"])
def test_a_neuron_that_the_model_does_not_have_is_refused_with_those_it_has(one):
    atlas = atlas_of(hand_over(*tiny_model()))
    with pytest.raises(ConfigError, match="it has layers 0 to 2, each with MLP neurons 0 to 127"):
        parse_neurons([one], atlas, "tiny")


@pytest.mark.parametrize("one", [[3], "neuron 7", "L3", 7, [1, 2, 3], ["a", "b"]])
def test_what_names_no_neuron_is_refused(one):
    atlas = atlas_of(hand_over(*tiny_model()))
    with pytest.raises(ConfigError, match="names no neuron"):
        parse_neurons([one], atlas, "tiny")
