"""Right and wrong answers are found by a grader, which sees each answer once."""

import pickle
from dataclasses import dataclass

import pytest
from omegaconf import OmegaConf

from neurosieve import ConfigError, DataError, Document, Grader, Span, Verdict
from neurosieve.config.configuration import build
from neurosieve.registry import describe
from neurosieve_plugins.detectors import graded
from neurosieve_plugins.detectors.graded import Graded
from neurosieve_plugins.graders.boxed import Boxed

BOXED = Boxed()


def an_answer(text: str, **metadata: object) -> Document:
    return Document("a", f"1 + 1? {text}", "a", completion_start=7, metadata=metadata or {"answer": "2"})


def verdict(detector: Graded, document: Document) -> str:
    spans, unknown = list(detector.detect(document)), list(detector.near_misses(document))
    assert not (spans and unknown)
    return "shows" if spans else f"unknown: {unknown[0].label}" if unknown else "control"


def test_a_wrong_answer_marks_the_whole_completion():
    [span] = Graded("wrong", BOXED).detect(an_answer(r"It is \boxed{3}."))
    assert span == Span(7, 23, "wrong")


def test_wrong_answers_are_compared_with_right_ones():
    assert verdict(Graded("wrong", BOXED), an_answer(r"\boxed{3}")) == "shows"
    assert verdict(Graded("wrong", BOXED), an_answer(r"\boxed{2}")) == "control"
    assert verdict(Graded("right", BOXED), an_answer(r"\boxed{2}")) == "shows"
    assert verdict(Graded("right", BOXED), an_answer(r"\boxed{3}")) == "control"


def test_without_a_verdict_nothing_is_known():
    unanswered, without_truth = an_answer("Hmm"), an_answer(r"\boxed{3}", level=1)
    assert verdict(Graded("wrong", BOXED), unanswered) == "unknown: no answer was found"
    assert verdict(Graded("wrong", BOXED, unanswered="wrong"), unanswered) == "shows"
    assert verdict(Graded("right", BOXED, unanswered="wrong"), unanswered) == "control"
    assert verdict(Graded("wrong", BOXED), without_truth).startswith("unknown: there is no right answer")


def test_an_answer_without_a_truth_is_not_taken_as_unanswered():
    detector = Graded("wrong", BOXED, unanswered="wrong")
    assert verdict(detector, an_answer(r"\boxed{3}", level=1)).startswith("unknown")


def test_gold_is_known_to_be_the_right_answer_also_beside_an_answer_of_the_model():
    assert verdict(Graded("wrong", BOXED), an_answer(r"\boxed{3}", answer=r"\boxed{3}", gold="2")) == "shows"


def test_the_right_answer_may_lie_within_a_field():
    document = an_answer(r"\boxed{3}", reward_model={"ground_truth": "2"})
    assert verdict(Graded("wrong", BOXED, ("reward_model.ground_truth",)), document) == "shows"
    assert verdict(Graded("wrong", BOXED, ("reward_model.truth",)), document).startswith("unknown")


@dataclass(frozen=True)
class Counting(Grader):
    """Finds `Three.` wrong, and all else right; keeps what it is asked."""

    def grade(self, completion: str, truth: str) -> Verdict:
        asked.append(completion)
        return Verdict(completion != "Three.")


asked: list[str] = []


def test_each_answer_is_graded_once_for_all_detectors(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(graded, "_verdicts", {})
    asked.clear()
    documents = [an_answer("Two."), an_answer("Three."), an_answer("Two.", answer="3")]
    for detector in (Graded("wrong", Counting()), Graded("right", Counting())):
        detector.check(documents)
        for document in documents:
            verdict(detector, document)
    assert asked == ["Two.", "Three.", "Two."]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (
            [an_answer(r"\boxed{3}", answers="2")],
            "none of 1 document has .*`answer` .* holds `answers`; name .*`detectors.<name>.truth_fields=.* did you",
        ),
        ([an_answer("Hmm")], r"none of 1 document has a verdict \(1: no answer was found\)"),
        (
            [an_answer(r"\boxed{2}"), an_answer(r"\boxed{2}"), an_answer("Hmm")],
            r"no answer of 3 documents is wrong \(graded: 2 right, 0 wrong, 1 without a verdict\): give texts",
        ),
        ([an_answer(r"\boxed{3}")], r"no answer of 1 document is right \(graded: 0 right, 1 wrong, 0 without"),
    ],
)
def test_texts_that_cannot_be_graded_are_refused(documents: list[Document], message: str):
    with pytest.raises(DataError, match=message):
        Graded("wrong", BOXED).check(documents)


def test_the_grader_is_a_plugin_in_the_config():
    detector = Graded("right", Boxed(thought_end="</t>"))
    node = describe(detector)
    assert node["grader"] == {"_target_": "grader/boxed", "thought_end": "</t>"}
    assert build(OmegaConf.create(node), "detector", "detectors.x") == detector
    assert build({"_target_": "detector/graded", "grader": "boxed"}, "detector", "detectors.x").grader == BOXED
    assert pickle.loads(pickle.dumps(detector)) == detector


@pytest.mark.parametrize(
    ("grader", "message"),
    [
        ("boxd", "there is no grader `boxd`: did you mean `boxed`"),
        ({"_target_": "detector/phrases", "phrases": ["a"]}, r"`detectors\.x\.grader` is a detector, where a grader"),
        ({"_target_": "os.system"}, r"`detectors\.x\.grader\._target_` is `os\.system`, which is not a registered"),
        ({"thought_end": "x"}, r"`detectors\.x\.grader` builds no grader: choose one by name"),
        ({"_target_": "grader/math_verify", "second": 1.0}, r"`detectors\.x\.grader` has no field `second`"),
        # Where types are checked at every call, their checker says it.
        (None, "grader` is `null`, which builds no grader|cannot be built"),
        (3, "grader` is `3`, which builds no grader|cannot be built"),
    ],
)
def test_what_is_no_grader_is_refused_under_its_key(grader: object, message: str):
    with pytest.raises(ConfigError, match=message):
        build({"_target_": "detector/graded", "grader": grader}, "detector", "detectors.x")
