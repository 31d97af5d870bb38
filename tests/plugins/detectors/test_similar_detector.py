"""Sentences that are like examples."""

import pytest
from tiny_embeddings import bert_model, packaged_model, static_model

pytest.importorskip("sentence_transformers", reason="the extra `embeddings` is not installed")

from neurosieve import ConfigError, DataError, Document, ModelError, Passage, Span
from neurosieve.config.configuration import build
from neurosieve.texts.near_misses import near_misses_of
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.similar import Similar

TEXT = "There is a big fox. The anvil is red. It was here. A small hen is there."


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return static_model(tmp_path_factory.mktemp("models") / "static")


@pytest.fixture(scope="module")
def reads_few(tmp_path_factory):
    return bert_model(tmp_path_factory.mktemp("models"))


def marked(detector, text=TEXT):
    return [text[span.start : span.end] for span in detector.detect(Document("a", text, "a"))]


def test_a_meaning_is_found_that_shares_no_word_with_the_examples(model):
    examples, others = ("the dog is here", "a horse, a cow!"), ("a hammer is here", "it was here, was it?")
    assert marked(Similar(examples, others, model)) == ["There is a big fox.", "A small hen is there."]
    assert marked(Similar(others[:1], (*examples, "it was here"), model)) == ["The anvil is red."]
    assert not marked(Phrases(("dog", "horse", "cow")))


def test_the_label_is_the_nearest_example_or_the_one_that_is_given(model):
    examples = ("the dog is here", "a hammer is here")
    document = Document("a", "The cat is here. The saw is here.", "a")
    spans = list(Similar(examples, model=model, threshold=0.5).detect(document))
    assert spans == [Span(0, 16, examples[0]), Span(17, 33, examples[1])]
    assert {span.label for span in Similar(examples, model=model, threshold=0.5, label="x").detect(document)} == {"x"}


def test_a_higher_threshold_marks_fewer(model):
    counts = [len(marked(Similar(("the dog",), ("a hammer",), model, threshold))) for threshold in (-2.0, 0.0, 1.99)]
    assert counts[0] == 4 > counts[1] > counts[2] == 0


def test_a_sentence_of_unknown_words_is_as_near_to_both_and_not_marked(model):
    assert not marked(Similar(("the dog",), ("a hammer",), model), "Zzz qqq xxx yyy")


def test_the_score_is_the_highest_cosine_less_the_highest_with_a_counter_example(model):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.util import cos_sim

    examples, others = ("the dog is here", "a small duck"), ("a hammer is here", "the file was big")
    loaded = SentenceTransformer(model, device="cpu")
    [sentence] = loaded.encode(["There is a big fox."])
    near, far = (float(cos_sim(sentence, loaded.encode(list(texts))).max()) for texts in (examples, others))
    for shift, expected in ((-1e-4, 1), (1e-4, 0)):
        assert len(marked(Similar(examples, others, model, near - far + shift), "There is a big fox.")) == expected


def test_only_the_scope_is_looked_at(model):
    turns = (Passage(0, 19, "user"), Passage(19, 38, "completion"))
    document = Document("a", "There is a big fox." * 2, "a", passages=turns)
    [span] = Similar(("the dog",), ("a hammer",), model).detect(document)
    assert span[:2] == (19, 38)


def test_a_sentence_longer_than_the_window_is_a_near_miss(reads_few):
    text = f"It is a dog. {'x' * 60} is the end."
    detector = Similar(("a dog",), (), reads_few, threshold=-1.0)
    document = Document("a", text, "a")
    assert [span[:2] for span in detector.detect(document)] == [(0, 12)]
    assert list(detector.near_misses(document)) == [Span(13, len(text), "longer than the 24 tokens that are read")]
    [near] = near_misses_of("dog", detector, document, list(detector.detect(document)))
    assert near.unknown


def test_an_example_longer_than_the_window_is_refused(reads_few):
    with pytest.raises(DataError, match=r"the example `xxx.*` of the detector `similar` is longer than the 24 tokens"):
        marked(Similar(("x" * 100,), ("a dog",), reads_few))


def test_an_example_of_unknown_words_is_refused(model):
    with pytest.raises(DataError, match="knows no token of the example `zzz`"):
        marked(Similar(("zzz",), ("a dog",), model))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"examples": ()}, "`examples` of the detector `similar` is empty"),
        ({"examples": ("a", " ")}, "`examples` of the detector `similar` holds a blank text"),
        ({"examples": ("A dog", "a  dog")}, "`examples` of the detector `similar` holds `a  dog`, twice"),
        ({"counter_examples": ("a dog",)}, "`counter_examples` .* holds `a dog`, in `examples` too"),
        ({"counter_examples": ()}, "neither `counter_examples` nor a `threshold`"),
        ({"threshold": 3.0}, "is 3.0: give a number from -2 to 2"),
        ({"threshold": float("nan")}, "give a number"),
        ({"model": " "}, "`model` of the detector `similar` is empty"),
    ],
    ids=str,
)
def test_mistakes_are_said_before_a_model_is_opened(fields, message):
    with pytest.raises(ConfigError, match=message):
        Similar(**{"examples": ("a dog",), "counter_examples": ("a saw",), "model": "./nothing"} | fields)


def test_a_text_in_place_of_a_list_is_said():
    with pytest.raises(ConfigError, match=r"`detectors.similar.examples` is `a dog`, where a list is wanted"):
        build({"_target_": "detector/similar", "examples": "a dog"}, "detector", "detectors.similar")


def test_a_model_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ModelError, match="there is no folder"):
        marked(Similar(("a dog",), ("a saw",), str(tmp_path / "nothing")))


@pytest.mark.slow
def test_real_weights_find_doubts_in_other_words():
    examples = ("I am not sure this is right.", "Hold on, that does not add up.")
    others = ("So the sum is 12 + 7 = 19.", "Next, I multiply both sides by 3.")
    text = "We get 3 + 4 = 7. Hmm, something seems off here. Then I divide by 2. Could this be a mistake?"
    assert marked(Similar(examples, others, packaged_model()), text) == [
        "Hmm, something seems off here.",
        "Could this be a mistake?",
    ]
