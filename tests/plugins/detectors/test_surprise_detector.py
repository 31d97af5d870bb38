"""`surprise` marks the tokens that a model finds unlikely, and reads each text once."""

from collections import OrderedDict
from weakref import WeakValueDictionary

import numpy as np
import pytest
import torch

from neurosieve import ConfigError, Document, Model, ModelError, Passage, detect, find, load, shared_model
from neurosieve.cli import main
from neurosieve.models import shared
from neurosieve.models import token_log_probabilities as reading
from neurosieve.models.loading import open_model
from neurosieve_plugins.detectors.surprise import Surprise
from neurosieve_plugins.sources.arithmetic import Arithmetic

TEXT = "So 12 + 7 = 19. Wait, that's not right: let me recalculate 🤔 İ. She takes the bus home."
LENGTH = 40


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shared, "_OPENED", WeakValueDictionary())
    monkeypatch.setattr(shared, "_UNLOADED", OrderedDict())


@pytest.fixture
def forward_passes(monkeypatch):
    """Collect the length of each text that the model reads."""
    lengths = []
    forward = reading._forward

    def counting(ids, model):
        lengths.append(len(ids))
        return forward(ids, model)

    monkeypatch.setattr(reading, "_forward", counting)
    return lengths


def tiny(below, **fields):
    return Surprise("tiny", below, format="tiny", device="cpu", **fields)


def document(text=TEXT, **fields):
    return Document(id="a", group="a", text=text, **fields)


def log_p_by_token(text=TEXT):
    """Return each token's characters and log-probability, as transformers gives them."""
    lm = shared_model(Model("tiny", "tiny", device="cpu"))
    encoded = lm.tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    ids = encoded["input_ids"]
    with torch.no_grad():
        log_p = lm.module(input_ids=ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
    return [(*bounds, value) for bounds, value in zip(encoded["offset_mapping"][0, 1:].tolist(), log_p, strict=True)]


@pytest.mark.parametrize("below", [-9.0, -8.0, -7.0, -6.0, -4.0])
def test_the_characters_of_its_spans_are_those_of_the_tokens_below_the_threshold(below):
    expected = np.zeros(len(TEXT), dtype=bool)
    for start, end, log_p in log_p_by_token():
        expected[start:end] |= bool(log_p < below)
    marked = np.zeros(len(TEXT), dtype=bool)
    spans = list(tiny(below).detect(document()))
    for start, end, _ in spans:
        assert not marked[start:end].any(), "two spans overlap"
        marked[start:end] = True
    assert marked.any()
    spaces = np.array([character.isspace() for character in TEXT])
    np.testing.assert_array_equal(marked[~spaces], expected[~spaces])
    # A span starts with a word, and not with the space before it, unless that is a token of its own.
    alone = {start for start, end, _ in log_p_by_token() if TEXT[start:end].isspace()}
    assert not [start for start, *_ in spans if TEXT[start].isspace() and start not in alone]


def test_every_token_is_one_span_where_the_whole_text_is_surprising():
    assert [tuple(span) for span in tiny(0.0).detect(document())] == [(0, len(TEXT), "")]


def test_it_looks_in_its_scope_and_reads_what_is_before():
    middle = TEXT.index(" Wait")
    whole = [span for span in tiny(-7.0).detect(document()) if span.start > middle]
    assert [span for span in tiny(-7.0).detect(document(completion_start=middle)) if span.start > middle + 1] == whole
    passages = (Passage(0, middle, "thought"), Passage(middle, len(TEXT), "answer"))
    spans = list(tiny(-5.0, scope="thought").detect(document(passages=passages)))
    assert spans
    assert all(span.end <= middle for span in spans)


def test_what_is_behind_the_models_length_is_not_known():
    text = "So it is. " * 2000
    [near] = tiny(-8.0).near_misses(document(text))
    assert near.end == len(text.rstrip()) or near.end == len(text)
    assert near.label == "behind the length of text that the model was made for"
    assert all(span.end <= near.start for span in tiny(-5.0).detect(document(text)))


def test_a_run_reads_each_text_once_for_all_its_detectors(tmp_path, forward_passes):
    texts = [document(f"{number} and {number} is {2 * number}. " + TEXT) for number in range(3)]
    texts = [Document(id=str(number), group=str(number), text=each.text) for number, each in enumerate(texts)]
    detectors = {"odd": tiny(-8.0), "rare": tiny(-9.0)}
    run = detect(source=texts, detectors=detectors, reports={}, folder=tmp_path / "run")
    assert len([length for length in forward_passes if length > LENGTH]) == len(texts)
    notes = " ".join(run.run["notes"])
    assert "`odd`: `tiny` finds " in notes
    assert "less likely than -9 nats" in notes
    del forward_passes[:]
    detect(source=texts, detectors=detectors, reports={}, folder=tmp_path / "again")
    assert not forward_passes


def test_a_run_over_the_same_model_opens_it_once(tmp_path, monkeypatch):
    opened = []

    def counting(model):
        opened.append(model)
        return open_model(model)

    monkeypatch.setattr(shared, "open_model", counting)
    find(
        model=Model("tiny", "tiny", device="cpu"),
        source=Arithmetic(documents=40),
        detectors={"odd": tiny(-8.0)},
        permutations=19,
        reports={},
        folder=tmp_path / "run",
    )
    assert len(opened) == 1
    assert not shared._OPENED, "the run has ended, and somebody holds its model"


def test_looking_ahead_says_how_far_it_has_come_and_what_is_left():
    documents, steps = [document(), document("Another text.")], []
    detector = tiny(-7.0)
    assert detector.estimate(documents) == "`tiny` has yet to read 2 documents"
    list(detector.prepare(documents, lambda **step: steps.append((step["done"], step["total"]))))
    assert steps == [(1, 2), (2, 2)]
    assert detector.estimate(documents) == ""


def test_the_preset_reads_the_model_of_the_run(tmp_path, capsys):
    run = tmp_path / "run"
    main(
        [
            *("find", "model=tiny", "model.device=cpu", "source.documents=40", "detectors=[surprising]"),
            *("detectors.surprising.below=-8", "permutations=19", "reports=[]", f"hydra.run.dir={run}"),
        ]
    )
    assert "`tiny` finds " in "".join(capsys.readouterr())
    assert load(run).run["config"]["detectors"]["surprising"]["format"] == "tiny"


def test_a_model_that_is_not_there_is_said_to_be_so(tmp_path):
    with pytest.raises(ModelError, match="cannot open"):
        list(Surprise(str(tmp_path)).detect(document()))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"below": 1.0}, "the detector `surprise`: below is 1.0: give a number, at most 0"),
        ({"model": ""}, "the detector `surprise`: model is ''"),
    ],
)
def test_what_it_may_not_hold_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Surprise(**{"model": "tiny"} | fields)


def test_a_device_that_is_not_there_is_the_detectors():
    with pytest.raises(ConfigError, match="the detector `surprise`: device is `cuda:77`, which this machine does not"):
        list(Surprise("tiny", format="tiny", device="cuda:77").detect(document()))
