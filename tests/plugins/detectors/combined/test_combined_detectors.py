"""Detectors made of detectors: what they find, where they look, and what they pass on to their parts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from told_detectors import Told, Whole

from neurosieve import ConfigError, DataError, Detector, Document, Passage, Span, detect
from neurosieve_plugins.detectors.annotations import Annotations
from neurosieve_plugins.detectors.combined.after import After
from neurosieve_plugins.detectors.combined.all_of import AllOf
from neurosieve_plugins.detectors.combined.any_of import AnyOf
from neurosieve_plugins.detectors.combined.first import First
from neurosieve_plugins.detectors.combined.near import Near
from neurosieve_plugins.detectors.combined.without import Without
from neurosieve_plugins.detectors.graded import Graded
from neurosieve_plugins.detectors.metadata import Metadata
from neurosieve_plugins.detectors.phrases import Phrases
from neurosieve_plugins.detectors.regex import Regex
from neurosieve_plugins.detectors.repeating import Repeating
from neurosieve_plugins.graders.boxed import Boxed

WAIT, QUOTED, SUM = Phrases(("wait",)), Regex(('"[^"]*"',)), Regex((r"\w+ = \w+",))


@dataclass(frozen=True)
class Counting(Detector):
    """The first word, and the last is not known; it keeps what it was asked."""

    asked: list[str] = field(default_factory=list)

    def detect(self, document: Document) -> Iterator[Span]:
        self.asked.append("detect")
        yield Span(0, document.text.index("."), "first")

    def near_misses(self, document: Document) -> Iterator[Span]:
        self.asked.append("near_misses")
        yield Span(document.text.index(".") + 2, len(document.text), "unsure")


def written(text: str, **metadata: object) -> Document:
    return Document("a", text, "a", metadata=metadata)


def found(detector: Detector, text: str | Document) -> list[str]:
    document = written(text) if isinstance(text, str) else text
    return [document.text[span.start : span.end] for span in detector.detect(document)]


def chat(*turns: tuple[str, str]) -> Document:
    text, passages = "", []
    for role, said in turns:
        passages.append(Passage(len(text), len(text) + len(said), role))  # type: ignore[arg-type]
        text += said
    return Document("a", text, "a", passages=tuple(passages))


def test_spans_that_overlap_are_one_occurrence_and_those_that_touch_are_two():
    joined = AnyOf((Told(spans=((0, 5), (10, 12))), Told(spans=((3, 8), (8, 10)))))
    assert list(joined.detect(written("x" * 20))) == [Span(0, 8, "told"), Span(8, 10, "told"), Span(10, 12, "told")]


def test_a_joined_span_has_the_labels_of_all():
    either = AnyOf((Phrases(("no, wait",)), WAIT, Phrases(("wait a bit",))))
    assert [span.label for span in either.detect(written("No, wait a bit. Wait!"))] == [
        "no, wait + wait + wait a bit",
        "wait",
    ]


def test_sentences_are_counted_from_one_span_to_the_other():
    text = "Wait, I am not so sure. Let me look at it. I try again: x = 9."
    for within, expected in ((0, []), (1, []), (2, ["Wait"])):
        assert found(Near(WAIT, SUM, within, side="before"), text) == expected
    assert found(Near(WAIT, SUM, 0, side="before"), "Wait, x = 9.") == ["Wait"]
    assert found(Near(WAIT, SUM, 5, side="after"), text) == []


def test_characters_are_counted_between_the_spans():
    for within, expected in ((1, []), (2, ["Wait"])):
        assert found(Near(WAIT, SUM, within, unit="characters"), "Wait, x = 9") == expected


def test_the_nearest_span_on_each_side_decides():
    text = "x = 1. " + "This is a filling sentence. " * 5 + "Wait, what? y = 2."
    assert found(Near(WAIT, SUM, 1, side="before"), text) == ["Wait"]
    assert found(Near(WAIT, SUM, 1, side="after"), text) == []
    assert found(Near(WAIT, SUM, 7, side="after"), text) == ["Wait"]


def test_nothing_is_near_across_what_another_author_wrote():
    document = chat(("completion", "I do not know. Wait."), ("user", "Go on."), ("completion", "So x = 9."))
    assert found(Near(WAIT, SUM, 100, unit="characters"), document) == []
    assert found(Near(WAIT, SUM, 100), document) == []
    assert found(After(SUM, WAIT), document) == ["x = 9"]


def test_the_first_of_a_chat_is_the_first_of_all_its_turns():
    document = chat(("user", "Wait!"), ("completion", "Wait. Wait."), ("user", "Wait!"), ("completion", "Wait."))
    assert [span.start for span in First(WAIT).detect(document)] == [5]


def test_what_follows_may_stand_in_another_place_than_what_it_follows():
    document = chat(("thought", "Wait, no. "), ("answer", "I made an error. Sorry."))
    answer = Phrases(("error",), scope="answer")
    assert After(answer, Phrases(("wait",), scope="thought")).scope == "answer"
    assert found(After(answer, Phrases(("wait",), scope="thought")), document) == ["error"]
    assert found(After(Phrases(("wait",), scope="thought"), answer), document) == []


def test_a_span_out_of_scope_is_no_condition_and_is_left_to_the_run_to_count():
    spans = (Span(0, 4, "doubt"), Span(20, 24, "doubt"))
    document = Document("a", "Wait! " + "x" * 14 + "Wait, so", "a", completion_start=10, annotations=spans)
    marked = Annotations()
    assert found(First(marked), document) == ["Wait", "Wait"]
    assert found(Without(WAIT, marked), document) == []
    run = detect([document], {"doubt": First(marked)}, reports=[])
    assert run.run["counts"]["spans_out_of_scope"] == 1
    assert list(run.table("spans").start) == [20]


def test_what_is_nearly_found_out_of_scope_leaves_nothing_unknown():
    document = Document("a", "x" * 20, "a", completion_start=10)
    detector = First(Told(spans=((12, 14),), unknown=((2, 4),)))
    assert [*detector.detect(document)] == [Span(12, 14, "told")]
    assert [*detector.near_misses(document)] == []


def test_a_span_within_another_hides_nothing_of_it():
    around = Told(spans=((0, 12), (3, 5)))
    assert found(Without(Told(spans=((8, 10),)), around), "x" * 20) == []
    assert found(AllOf((Told(spans=((8, 10),)), around)), "x" * 20) == ["xx"]


LOOP = "Let me check that once more, it is not so clear. " * 6
ANSWERS = (
    written(LOOP + r"\boxed{41}", answer="42"),
    written(r"I wait for it. \boxed{41}", answer="42"),
    written(LOOP + r"Wait. \boxed{42}", answer="42"),
    written("It has no end", answer="42"),
)


def texts_found(detector: Detector) -> list[int]:
    return [number for number, answer in enumerate(ANSWERS) if list(detector.detect(answer))]


def test_wrong_answers_that_loop_are_a_detector_of_whole_texts():
    wrong, looping = Graded("wrong", Boxed()), Repeating()
    both = AllOf((wrong, looping))
    assert both.whole_texts
    assert texts_found(both) == [0]
    assert texts_found(Without(wrong, looping)) == [1]
    assert [list(both.near_misses(answer)) for answer in ANSWERS] == [[]] * 4
    assert [len(list(AnyOf((wrong, Graded("right", Boxed()))).detect(each))) for each in ANSWERS] == [1, 1, 1, 0]


def test_a_whole_text_may_be_a_condition_for_spans():
    wrong = Graded("wrong", Boxed())
    assert not AllOf((WAIT, wrong)).whole_texts
    assert texts_found(AllOf((WAIT, wrong))) == [1]
    assert texts_found(Without(WAIT, wrong)) == [2]
    unsure = written("Wait. It has no end", answer="42")
    assert [span.label for span in Without(WAIT, wrong).near_misses(unsure)] == ["wait"]


def test_a_condition_on_the_prompt_holds_for_what_the_model_wrote():
    harmful = Metadata("kind", values=("harmful",), scope="prompt")
    document = Document("a", "Tell me! Wait.", "a", completion_start=9, metadata={"kind": "harmful"})
    assert found(AllOf((WAIT, harmful)), document) == ["Wait"]
    assert found(Without(WAIT, harmful), document) == []


def test_each_part_is_asked_once_for_what_is_found_and_what_is_nearly():
    first, second = Counting(), Counting()
    detectors, document = (Without(first, QUOTED), AnyOf((second, WAIT))), written("Wait. Seven!")
    for detector in detectors:  # As in a run: the spans of all behaviours, and then what is nearly each of them.
        assert [span.start for span in detector.detect(document)] == [0]
    for detector in detectors:
        assert [span.label for span in detector.near_misses(document)] == ["unsure"]
    assert first.asked == second.asked == ["detect", "near_misses"]


def test_what_was_found_before_stands_for_no_other_document_and_no_other_time():
    part = Counting()
    detector, document = Without(part, QUOTED), written("Wait. Seven!")
    list(detector.detect(document))
    assert [tuple(span)[:2] for span in detector.near_misses(written("No. It is seven!"))] == [(4, 16)]
    assert part.asked == ["detect", "near_misses"] * 2
    list(detector.detect(document))
    assert part.asked == ["detect", "near_misses"] * 3


def test_equal_parts_look_ahead_once():
    asked = Told(looks_ahead=True)
    other = Told(spans=((0, 1),), looks_ahead=True)
    detector = Without(AnyOf((asked, other, WAIT)), asked)
    heard: list[Mapping[str, Any]] = []
    assert detector.looks_ahead
    assert list(detector.prepare([written("a"), written("b")], lambda **told: heard.append(told))) == ["asked of 2"] * 2
    assert [told["done"] for told in heard] == [2, 2]
    assert detector.estimate([written("a")]) == "1 requests; 1 requests"
    assert not Without(WAIT, QUOTED).looks_ahead


def test_a_later_part_is_not_asked_where_the_first_finds_nothing():
    class NeverAsked(Told):
        def detect(self, document: Document) -> Any:
            raise AssertionError("it was asked")

    never = NeverAsked()
    for detector in (AllOf((WAIT, never)), Without(WAIT, never), Near(WAIT, never, 1), After(WAIT, never)):
        assert found(detector, "It is so.") == []


def test_settings_of_a_part_that_fit_no_document_are_refused_with_its_name():
    with pytest.raises(DataError, match=re.escape("in its part `excluded`, none of 1 document has the field `labl`")):
        Without(WAIT, Metadata("labl", values=("a",))).check([written("x", label="a")])


def test_a_span_of_a_part_that_is_not_in_the_text_is_refused():
    with pytest.raises(DataError, match=r"a part of the detector `any_of`, Told, found \(2, 9, 'told'\)"):
        AnyOf((WAIT, Told(spans=((2, 9),)))).detect(written("Wait"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AnyOf((WAIT,)), "`detectors` of the detector `any_of` holds fewer than two"),
        (lambda: AllOf(()), "`detectors` of the detector `all_of` holds fewer than two"),
        (lambda: AnyOf((WAIT, Whole())), "some `detectors` of the detector `any_of` label whole texts"),
        (
            lambda: AnyOf((WAIT, Phrases(("no",), scope="prompt"))),
            "look in the completion and in the prompt: controls are taken where a detector looks",
        ),
        (
            lambda: Without(Phrases(("no",), scope="thought"), Phrases(("no",), scope="answer")),
            "`of` of the detector `without` looks in the thought and `excluded` in the answer, so that their spans",
        ),
        (
            lambda: AllOf((WAIT, WAIT, Phrases(("no",), scope="prompt"))),
            "`detectors[0]` of the detector `all_of` looks in the completion and `detectors[2]` in the prompt",
        ),
        (lambda: Near(WAIT, Whole(), 1), "`to` of the detector `near` labels whole texts"),
        (lambda: First(Whole()), "`of` of the detector `first` labels whole texts"),
        (lambda: After(WAIT, Whole()), "`start` of the detector `after` labels whole texts"),
        (lambda: Near(WAIT, SUM, -1), "the detector `near`: within is -1: give a whole number, at least 0"),
    ],
)
def test_parts_that_make_no_sense_together_are_refused(make: Any, message: str):
    with pytest.raises(ConfigError, match=re.escape(message)):
        make()


def test_parts_of_the_completion_may_look_in_some_of_it():
    document = chat(("thought", 'They say "wait". Wait.'), ("answer", "Wait."))
    thought = Regex(('"[^"]*"',), scope="thought")
    assert [span.start for span in Without(WAIT, thought).detect(document)] == [17, 22]
