"""The presets of detectors and sources, as Hydra composes them."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from neurosieve import Detector, Document
from neurosieve.config.configuration import CONF, build, publish
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.graded import Graded
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.similar import Similar
from neurosieve_plugins.graders.boxed import Boxed
from neurosieve_plugins.graders.math_verify import MathVerify
from neurosieve_plugins.sources.arithmetic import Arithmetic
from neurosieve_plugins.sources.traces import Traces

SHARED = Path(__file__).parents[4] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"there is no data beside the project, in {SHARED}")


def detector(preset: str) -> Detector:
    publish({})
    with initialize_config_module(CONF, version_base="1.3"):
        config = compose(overrides=[f"+detectors={preset}"])
    return build(config.detectors[preset], "detector", f"detectors.{preset}")


def finds(detector: Detector, text: str) -> bool:
    return any(True for _ in detector.detect(Document("a", text, "a")))


def test_backtracking_is_the_founding_list():
    preset = detector("backtracking")
    assert isinstance(preset, Phrases)
    assert len(set(preset.phrases)) == 51
    assert not preset.words
    assert {"i made a mistake", "oh, this doesn't", "i'm not sure if", "let me try a different approach"} < {
        *preset.phrases
    }


def test_backtracking_broad_adds_to_the_founding_list():
    narrow, broad = detector("backtracking"), detector("backtracking_broad")
    assert broad.phrases[:51] == narrow.phrases
    assert len(set(broad.phrases)) == 51 + 17
    assert finds(broad, "An alternative way, then.")
    assert not finds(narrow, "An alternative way, then.")


def test_presets_can_stand_side_by_side_and_be_changed():
    publish({})
    with initialize_config_module(CONF, version_base="1.3"):
        config = compose(
            overrides=["+detectors=[backtracking,hedging,arithmetic_truth]", "detectors.hedging.words=true"]
        )
    assert set(config.detectors) == {"backtracking", "hedging", "arithmetic_truth"}
    assert config.detectors.hedging.words
    assert not config.detectors.backtracking.words


def test_hedging_finds_hedges():
    assert finds(detector("hedging"), "Maybe it may be so.")
    assert not finds(detector("hedging"), "It is so.")


def test_doubting_has_ten_examples_and_ten_of_work_in_our_own_words():
    preset = detector("doubting")
    assert isinstance(preset, Similar)
    assert (len(preset.examples), len(preset.counter_examples)) == (10, 10)
    assert preset.threshold is None


def test_the_truth_of_the_arithmetic_is_what_its_source_says():
    preset = detector("arithmetic_truth")
    assert isinstance(preset, Annotations)
    for document in Arithmetic(50):
        assert tuple(preset.detect(document)) == document.annotations


@needs_shared
def test_the_founding_list_finds_nine_of_the_forty_one_founding_documents():
    preset = detector("backtracking")
    documents = list(Traces(str(SHARED / "founding" / "math_cot_results_t=0.4_mnt=1500_tp=0.92.json")))
    assert len(documents) == 41
    assert sum(any(True for _ in preset.detect(document)) for document in documents) == 9


@needs_shared
def test_the_founding_list_finds_what_the_notebook_finds():
    # As the founding notebook looks: the lower-case completion, and each phrase in it.
    preset = detector("backtracking")
    documents = list(Traces(str(SHARED / "founding" / "math_cot_results_t=0.6_mnt=1500_tp=0.92.json")))
    for document in documents:
        completion = document.text.partition("<think>")[2].lower()
        assert any(True for _ in preset.detect(document)) == any(phrase in completion for phrase in preset.phrases)


@needs_shared
def test_thought_anchors_are_read_by_their_preset():
    publish({})
    path = SHARED / "thought_anchors" / "labelled_spans.jsonl"
    with initialize_config_module(CONF, version_base="1.3"):
        config = compose(overrides=["+source=thought_anchors", f"source.path={path}"])
    source = build(config.source, "source", "source")
    assert isinstance(source, Traces)
    assert sum(len(document.annotations) for document in source) == 5814


def answer(text: str, **metadata: object) -> Document:
    return Document("a", text, "a", metadata=metadata)


def test_hallucinated_is_told_from_faithful_by_the_label():
    preset = detector("hallucinated")
    assert list(preset.detect(answer("Lyon.", label="hallucinated")))
    assert not list(preset.near_misses(answer("Lyon.", label="faithful")))
    assert list(preset.near_misses(answer("Lyon.", label="unsure")))


def test_wrong_and_right_answers_are_graded_and_the_grader_is_chosen_by_name():
    wrong, right = answer(r"\boxed{\frac12}", answer="0.25"), answer(r"\boxed{\frac12}", answer="0.5")
    assert [bool(list(detector("wrong_answer").detect(each))) for each in (wrong, right)] == [True, False]
    assert [bool(list(detector("right_answer").detect(each))) for each in (wrong, right)] == [False, True]
    publish({})
    with initialize_config_module(CONF, version_base="1.3"):
        config = compose(
            overrides=[
                "+detectors=[wrong_answer,right_answer]",
                "detectors.wrong_answer.grader=boxed",
                "detectors.right_answer.grader.seconds=3",
            ]
        )
    as_strings, soon = (build(config.detectors[name], "detector", name) for name in ("wrong_answer", "right_answer"))
    assert isinstance(as_strings, Graded)
    assert isinstance(soon, Graded)
    assert as_strings.grader == Boxed()
    assert soon.grader == MathVerify(seconds=3.0)
