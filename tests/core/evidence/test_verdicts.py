"""Each planted kind of neuron gets its own verdict."""

import dataclasses

import numpy as np
import pytest
from planted import KINDS, cued_texts, plant_kinds, words

from neurosieve import ConfigError, Document, Span, find
from neurosieve.models.tiny import tiny_model
from neurosieve.texts.selection import Selection
from neurosieve_plugins.controls.distant import Distant
from neurosieve_plugins.detectors.annotations import Annotations


@pytest.fixture(scope="module")
def planted():
    model, tokenizer = tiny_model()
    return plant_kinds(model, tokenizer), tokenizer


@pytest.fixture
def run(planted, tmp_path):
    def go(name="run", source=None, **changed):
        settings = {"detectors": {"slip": Annotations()}, "scorers": ["auc"], "test_top": 384} | changed
        model, tokenizer = planted
        store = str(tmp_path / "store")
        return find(model, source or cued_texts(), tokenizer=tokenizer, folder=tmp_path / name, store=store, **settings)

    return go


@pytest.fixture(scope="module")
def finished(planted, tmp_path_factory):
    """A run by the defaults, made once: for tests that only read it."""
    folder, (model, tokenizer) = tmp_path_factory.mktemp("finished"), planted
    settings = {"detectors": {"slip": Annotations()}, "scorers": ["auc"], "test_top": 384}
    places = {"folder": folder / "run", "store": str(folder / "store")}
    return find(model, cued_texts(), tokenizer=tokenizer, **places, **settings)


def verdicts(result):
    table = result.neurons.set_index(["layer", "neuron"])
    return {kind: table.verdict[place] for kind, place in KINDS.items()}


def test_each_kind_of_neuron_gets_its_own_verdict(finished):
    assert verdicts(finished) == {kind: kind for kind in KINDS}


def test_every_verdict_can_be_read_off_its_intervals(finished):
    table = finished.neurons
    tested = table[table.replicates.fillna(False).astype(bool)]
    sign = np.sign(tested.auc_minus_neutral)
    ends = {
        look: np.where(
            sign > 0, tested[f"within_token{look}_simultaneous_low"], -tested[f"within_token{look}_simultaneous_high"]
        )
        for look in ("", "_prediction")
    }
    assert (ends["_prediction"][tested.verdict == "anticipates"] > 0).all()
    assert (ends[""][tested.verdict == "behaviour"] > 0).all()
    assert (ends["_prediction"][tested.verdict == "behaviour"] <= 0).all()
    for look in ("", "_prediction"):
        sure = tested[f"within_token{look}_simultaneous_high"] - tested[f"within_token{look}_simultaneous_low"]
        assert (sure >= tested[f"within_token{look}_high"] - tested[f"within_token{look}_low"] - 1e-9).all()
    ahead = tested[tested.verdict == "anticipates"]
    assert (np.sign(ahead.auc_minus_neutral_prediction) == np.sign(ahead.auc_minus_neutral)).all()


def test_a_plain_word_is_anticipated_by_no_neuron_of_random_weights(tmp_path):
    # The behaviour is a word that stands anywhere: nothing before it tells it, and no control holds it.
    model, tokenizer = tiny_model()
    known = words(tokenizer, 25)
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        source = []
        for number in range(100):
            chosen = rng.choice(known[:8], 30)
            starts = np.cumsum([0, *(len(one) + 1 for one in chosen[:-1])]) + 1
            places = np.flatnonzero(chosen == known[0])
            spans = tuple(Span(int(starts[i]), int(starts[i]) + len(known[0]), "") for i in places)
            source.append(Document(f"d{number}", "".join(f" {one}" for one in chosen), f"p{number}", 0, spans))
        result = find(
            model,
            source,
            {"word": Annotations()},
            ["auc"],
            tokenizer=tokenizer,
            folder=tmp_path / str(seed),
            store=str(tmp_path / "store"),
            control=Distant(tokens=1),
            permutations=0,
            stability_bootstraps=0,
        )
        found += result.neurons.verdict.dropna().tolist()
    assert found.count("replicated") > 100  # It does not say that they detect a word: no control holds it.
    assert found.count("anticipates") <= 1
    assert "behaviour" not in found


def test_without_the_token_before_a_neuron_that_anticipates_is_one_of_the_behaviour(run):
    found = verdicts(run(selection=Selection(extra_positions=())))
    assert found == {kind: kind for kind in KINDS} | {"anticipates": "behaviour"}


def test_where_no_control_holds_the_same_word_it_is_not_known_whether_a_neuron_tells_more(run):
    detector = Distant(tokens=5)
    source = [one for one in cued_texts() if one.annotations]
    words_that_slip = {one.text[slice(*one.annotations[0][:2])] for one in source}
    kept = []
    for one in source:
        before = " ".join(word for word in one.text[: one.annotations[0].start].split() if word not in words_that_slip)
        slip = one.text[slice(*one.annotations[0][:2])]
        span = Span(len(before) + 2, len(before) + 2 + len(slip))
        kept.append(dataclasses.replace(one, text=f" {before} {slip}", annotations=(span,)))
    found = verdicts(run(source=kept, control=detector, selection=Selection(extra_positions=())))
    assert found["token detector"] == found["behaviour"] == "replicated"


def test_with_too_few_held_out_groups_there_is_no_verdict(run):
    result = run(source=cued_texts(24))
    assert result.neurons.verdict.isna().all()


def test_without_a_word_check_there_is_no_verdict_and_an_unknown_one_is_refused_before_anything_is_read(run):
    assert "verdict" not in run(within_token_scorer=None).neurons
    with pytest.raises(ConfigError, match="did you mean `auc_within_token`"):
        run("other", within_token_scorer="auc_within_tokn")
