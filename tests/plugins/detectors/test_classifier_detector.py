"""`classifier` marks the sentences that a model of Hugging Face gives a label, as its own pipeline does."""

import gc
import json
import shutil
from collections import OrderedDict
from weakref import WeakValueDictionary

import numpy as np
import pytest
import torch
from classifiers import LABELS, classifier_model, save_classifier
from families import family_model
from transformers import AutoModelForSequenceClassification, pipeline

from neurosieve import ConfigError, Document, Model, ModelError, Passage, Span, detect, sentences, shared_classifier
from neurosieve.models import classifiers, kept_arrays, shared
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.detectors.classifier import Classifier

TEXT = "So it is 7. Wait, is it not right? Let me add again! The answer is 9, so it is. Not 3, not 1, not 2, but 7."
KINDS = ["bert", "distilbert", "roberta", "llama"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIEVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shared, "_OPENED", WeakValueDictionary())
    monkeypatch.setattr(shared, "_UNLOADED", OrderedDict())
    monkeypatch.setattr(classifiers, "_CLASSIFIERS", WeakValueDictionary())


@pytest.fixture
def forward_passes(monkeypatch):
    """Collect how many sentences are read together, each time."""
    sizes = []
    forward = classifiers.TextClassifier._forward

    def counting(self, encoded):
        sizes.append(len(encoded["input_ids"]))
        return forward(self, encoded)

    monkeypatch.setattr(classifiers.TextClassifier, "_forward", counting)
    return sizes


def document(text=TEXT, number=0, **fields):
    return Document(id=str(number), group=str(number), text=text, **fields)


def sentences_of(text):
    return [text[start:end] for start, end in sentences(text)]


def by_pipeline(folder, texts):
    """Return the probability of each label, as the pipeline of transformers gives them, text by text."""
    classify = pipeline("text-classification", model=folder, device="cpu", top_k=None)
    rated = [{each["label"]: each["score"] for each in of_text} for of_text in classify(texts)]
    return np.array([[each[label] for label in LABELS] for each in rated])


@pytest.mark.parametrize("problem_type", [None, "single_label_classification", "multi_label_classification"])
@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_those_of_the_pipeline_of_transformers(kind, problem_type, tmp_path):
    folder = save_classifier(tmp_path / "saved", kind, problem_type)
    texts = sentences_of(TEXT)
    [rated] = shared_classifier(Model(folder, device="cpu", dtype="float32")).rate([texts])
    np.testing.assert_allclose(rated, by_pipeline(folder, texts), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_sentence_is_read_with_makes_no_difference(kind, tmp_path, forward_passes, monkeypatch):
    folder = save_classifier(tmp_path / "saved", kind)
    texts = [sentences_of(f"It is {number}, so {'not ' * (number % 4)}right. " + TEXT) for number in range(9)]
    place = Model(folder, device="cpu", dtype="float32")
    together = list(shared_classifier(place).rate(texts))
    assert max(forward_passes) > 5
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setattr(kept_arrays, "_memory", type(kept_arrays._memory)())
    alone = list(shared_classifier(place).rate(texts, tokens_per_batch=1))
    for one_by_one, of_document in zip(alone, together, strict=True):
        np.testing.assert_allclose(one_by_one, of_document, atol=1e-5)


@pytest.mark.parametrize("problem_type", [None, "multi_label_classification"])
def test_a_sentence_has_the_label_that_the_model_would_give(problem_type, tmp_path):
    folder = save_classifier(tmp_path / "saved", problem_type=problem_type)
    rated = by_pipeline(folder, sentences_of(TEXT))
    for labels in (LABELS[:1], LABELS[1:], LABELS[::-1]):
        columns = [LABELS.index(label) for label in labels]
        expected = []
        for bounds, probabilities in zip(sentences(TEXT), rated, strict=True):
            best = labels[probabilities[columns].argmax()]
            given = probabilities.max() == probabilities[columns].max()
            if probabilities[columns].max() >= 0.5 if problem_type else given:
                expected.append(Span(*bounds, best))
        assert list(Classifier(folder, labels, device="cpu").detect(document())) == expected
    assert [span.start for span in Classifier(folder, LABELS, device="cpu").detect(document())] or problem_type


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.4, 0.9, 1.0])
def test_a_sentence_has_a_label_whose_probability_reaches_the_threshold(threshold, tmp_path):
    folder = save_classifier(tmp_path / "saved")
    rated = by_pipeline(folder, sentences_of(TEXT))[:, 0]
    spans = Classifier(folder, ("doubt",), threshold, device="cpu").detect(document())
    marked = [bounds for bounds, probability in zip(sentences(TEXT), rated, strict=True) if probability >= threshold]
    assert [(span.start, span.end) for span in spans] == marked


def test_it_looks_in_its_scope(tmp_path):
    folder, middle = save_classifier(tmp_path / "saved"), TEXT.index("Let me")
    passages = (Passage(0, middle, "thought"), Passage(middle, len(TEXT), "answer"))
    every = Classifier(folder, LABELS, device="cpu", scope="answer")
    assert next(span.start for span in every.detect(document(passages=passages))) == middle


@pytest.mark.parametrize(("kind", "longest"), [("bert", 64), ("roberta", 40)])
def test_a_sentence_longer_than_what_the_model_reads_is_not_known(kind, longest, tmp_path):
    folder = save_classifier(tmp_path / "saved", kind)
    detector = Classifier(folder, LABELS, device="cpu")
    fits, too_long = "so " * (longest - 2), "so " * (longest - 1)
    assert list(detector.near_misses(document(fits))) == []
    assert len(list(detector.detect(document(fits)))) == 1
    [near] = detector.near_misses(document(too_long + ". It is right, so it is."[1:]))
    assert near.label == "longer than what the classifier reads at once"
    assert list(detector.detect(document(too_long))) == []


def test_a_run_reads_each_sentence_once_for_all_its_detectors(tmp_path, forward_passes):
    folder = save_classifier(tmp_path / "saved")
    texts = [document(f"It is {number}, so it is. {TEXT} {'so ' * 70}", number) for number in range(5)]
    detectors = {
        "doubt": Classifier(folder, ("doubt",), device="cpu"),
        "rest": Classifier(folder, ("work", "plan"), device="cpu"),
    }
    run = detect(source=texts, detectors=detectors, reports={}, folder=tmp_path / "run")
    assert sum(forward_passes) == 5 * 6
    notes = " ".join(run.run["notes"])
    assert f"`doubt`: `{folder}` gives `doubt` to " in notes
    assert "of 35 sentences" in notes
    [warning] = [line for line in run.run["warnings"] if "`doubt`" in line and "not known" in line]
    assert warning.startswith("of 5 stretches in 5 documents, such as “so so")
    both = run.table("spans").groupby(["document", "start"]).size()
    assert len(both) == 5 * 6
    assert (both == 1).all()
    del forward_passes[:]
    detect(source=texts, detectors=detectors, reports={}, folder=tmp_path / "again")
    assert not forward_passes


def test_looking_ahead_says_how_far_it_has_come_and_what_is_left(tmp_path):
    folder, steps = save_classifier(tmp_path / "saved"), []
    detector, documents = Classifier(folder, LABELS, device="cpu"), [document(), document("It is right, so it is.", 1)]
    assert detector.estimate(documents) == f"`{folder}` has yet to read 6 sentences"
    list(detector.prepare(documents, lambda **step: steps.append((step["done"], step["total"]))))
    assert steps[-1] == (2, 2)
    assert detector.estimate(documents) == ""
    gc.collect()
    assert not classifiers._CLASSIFIERS, "all is read, and somebody holds the model"


# Bad input.


def refused(detector, error=ModelError):
    with pytest.raises(error) as caught:
        list(detector.detect(document()))
    return str(caught.value)


def test_a_label_that_the_model_does_not_have_is_refused_with_the_nearest(tmp_path):
    folder = save_classifier(tmp_path / "saved")
    message = refused(Classifier(folder, ("doubts",), device="cpu"), ConfigError)
    assert "has no label `doubts`, which the detector `classifier` is to look for" in message
    assert "doubt" in message.partition("look for")[2]


def test_a_language_model_without_such_a_head_is_refused(tmp_path):
    family_model("Llama").save_pretrained(tmp_path / "saved")
    tiny_model()[1].save_pretrained(tmp_path / "saved")
    message = refused(Classifier(str(tmp_path / "saved"), ("LABEL_0",), device="cpu"))
    assert "has no trained head that classifies texts: 1 tensor of LlamaForSequenceClassification is missing" in message
    assert "such as `score.weight`, and would be random numbers; its config says that it was saved as" in message


def test_an_encoder_without_its_head_is_refused(tmp_path):
    model, tokenizer = classifier_model("bert")
    model.base_model.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    assert "has no trained head" in refused(Classifier(str(tmp_path / "saved"), ("doubt",), device="cpu"))


def test_an_adapter_is_said_to_be_one(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "a/b"}))
    assert "holds an adapter (LORA) of `a/b`" in refused(Classifier(str(tmp_path), ("doubt",), device="cpu"))


def test_a_pickle_is_not_opened(tmp_path):
    folder = save_classifier(tmp_path / "saved")
    torch.save(AutoModelForSequenceClassification.from_pretrained(folder).state_dict(), f"{folder}/pytorch_model.bin")
    (tmp_path / "saved" / "model.safetensors").unlink()
    message = refused(Classifier(folder, ("doubt",), device="cpu"))
    assert "its weights are a pickle (`pytorch_model.bin`), which may run code as it is read: save the model" in message


def test_an_architecture_that_classifies_no_texts_is_refused(tmp_path):
    family_model("Mamba").save_pretrained(tmp_path / "saved")
    tiny_model()[1].save_pretrained(tmp_path / "saved")
    message = refused(Classifier(str(tmp_path / "saved"), ("LABEL_0",), device="cpu"))
    assert "it is not a model that classifies texts: take one that does" in message


def test_a_model_that_gives_a_number_is_refused(tmp_path):
    folder = save_classifier(tmp_path / "saved", problem_type="regression")
    assert "gives a number for a text, and no labels" in refused(Classifier(folder, ("doubt",), device="cpu"))


def test_two_labels_of_one_name_are_refused(tmp_path):
    folder = save_classifier(tmp_path / "saved", id2label={0: "doubt", 1: "work", 2: "doubt"}, label2id={})
    assert "has two labels of the name `doubt`" in refused(Classifier(folder, ("doubt",), device="cpu"))


def test_a_model_that_is_not_there_is_said_to_be_so(tmp_path):
    message = refused(Classifier(str(tmp_path / "nowhere"), ("doubt",), device="cpu"))
    assert "cannot open" in message


def test_logits_that_are_no_numbers_are_refused(tmp_path):
    model, tokenizer = classifier_model("bert")
    with torch.no_grad():
        model.classifier.weight[0] = torch.nan
    model.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    assert "gave logits that are NaN" in refused(Classifier(str(tmp_path / "saved"), ("doubt",), device="cpu"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ()}, "the detector `classifier`: labels is"),
        ({"model": ""}, "the detector `classifier`: model is ''"),
        ({"threshold": 1.5}, "the detector `classifier`: threshold is 1.5"),
        ({"tokens_per_batch": 0}, "the detector `classifier`: tokens_per_batch is 0"),
    ],
)
def test_what_it_may_not_hold_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Classifier(**{"model": "a", "labels": ("doubt",)} | fields)
