"""What detectors nearly find: counted, told, and no control."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import pytest

from neurosieve import DataError, Detector, Document, Passage, Scope, Span
from neurosieve.texts.near_misses import NearMiss, near_miss_warnings, near_misses_of, near_misses_table


@dataclass(frozen=True)
class Near(Detector):
    """Nearly finds what it is given."""

    nearly: tuple[Span, ...]
    scope: Scope = "completion"

    def detect(self, document: Document) -> Iterable[Span]:
        return ()

    def near_misses(self, document: Document) -> Iterable[Span]:
        return self.nearly


class Plain(Detector):
    """Says nothing of what it nearly finds."""

    def detect(self, document: Document) -> Iterable[Span]:
        return ()


DOCUMENT = Document("a", "0123456789", "a", passages=(Passage(0, 4, "user"), Passage(4, 10, "answer")))


def test_a_detector_has_no_near_misses_unless_it_says_so():
    assert near_misses_of("b", Plain(), DOCUMENT, []) == []


def test_near_misses_lie_in_the_scope_and_touch_nothing_that_is_found():
    detector = Near((Span(8, 9, "late"), Span(1, 2), Span(3, 5), Span(5, 7, "early")))
    assert near_misses_of("b", detector, DOCUMENT, []) == [
        NearMiss("a", 5, 7, "early", "56"),
        NearMiss("a", 8, 9, "late", "8"),
    ]
    assert [near.label for near in near_misses_of("b", detector, DOCUMENT, [Span(6, 8)])] == ["late"]
    assert [near.start for near in near_misses_of("b", Near(detector.nearly, "prompt"), DOCUMENT, [])] == [1]


def test_a_near_miss_outside_the_text_is_an_error_with_its_behaviour_and_document():
    with pytest.raises(DataError, match=r"the detector of `b` found \(9, 11, ''\) in document `a`"):
        near_misses_of("b", Near((Span(9, 11),)), DOCUMENT, [])


def test_a_warning_counts_documents_and_shows_the_first_example():
    near = [
        NearMiss("7", 0, 9, "wait, no", "wait\n“no”"),
        NearMiss("7", 9, 12, "x", "y"),
        NearMiss("8", 0, 1, "x", "z"),
    ]
    [warning] = near_miss_warnings({"none": [], "slip": near})
    assert warning.startswith("in 2 documents something is nearly `slip`, such as “wait⏎“no”” in document `7`, where ")
    [long] = near_miss_warnings({"slip": [NearMiss("7", 0, 500, "x", "y" * 500)]})
    assert len(long) < 350


def test_stretches_that_are_not_known_are_counted_by_their_reasons_with_an_example():
    near = [NearMiss("7", 0, 9, "too long", "wait", unknown=True), NearMiss("8", 0, 1, "no answer", "z", unknown=True)]
    near.append(NearMiss("8", 3, 4, "no answer", "u", unknown=True))
    [warning] = near_miss_warnings({"none": [], "slip": near})
    assert warning == (
        "of 3 stretches in 2 documents, such as “wait” in document `7`, it is not known whether they show `slip` "
        "(2: no answer; 1: too long): they count neither as the behaviour nor as controls"
    )


def test_a_detector_says_whether_its_near_misses_are_what_it_cannot_tell():
    class Doubting(Near):
        near_misses_are_unknown = True

    [near] = near_misses_of("b", Doubting((Span(5, 7, "too long"),)), DOCUMENT, [])
    assert near == NearMiss("a", 5, 7, "too long", "56", unknown=True)


def test_whole_texts_that_are_not_known_are_counted_once_each_by_their_reasons():
    texts = [
        NearMiss("7", 0, 9, "it has no `label`", "a", whole_text=True),
        NearMiss("7", 12, 20, "it has no `label`", "b", whole_text=True),
        *(NearMiss(f"x{number}", 0, 1, f"reason {number}", "x", whole_text=True) for number in range(6)),
    ]
    [warning] = near_miss_warnings({"slip": texts})
    assert warning.startswith(
        "of 7 documents it is not known whether they show `slip` (1: it has no `label`; 1: reason 0"
    )
    assert warning.endswith("2 further reasons): they count neither as the behaviour nor as controls")


def test_the_table_has_a_line_for_each():
    table = near_misses_table({"none": [], "slip": [NearMiss("7", 1, 3, "ab", "a-b")]})
    expected = {"behaviour": ["slip"], "document": ["7"], "start": [1], "end": [3], "label": ["ab"], "text": ["a-b"]}
    pd.testing.assert_frame_equal(table, pd.DataFrame(expected), check_dtype=False)
