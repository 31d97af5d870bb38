import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosieve import ConfigError, DataError, Document, Span
from neurosieve.testing import check_detector
from neurosieve_plugins.detectors.regex import Regex


def found(text: str, *patterns: str, begin: int = 0, **fields: object) -> list[Span]:
    return list(Regex(patterns, **fields).detect(Document("a", text, "a", completion_start=begin)))


def test_it_keeps_what_a_detector_promises():
    check_detector(Regex((r"\bwait\b", r"(?<=\w)!", "İ|that.s")))


@settings(deadline=None)
@given(
    st.text(alphabet="ab1 .\n", max_size=30), st.sampled_from(["a+", r"\b\w", "(?<=a)b", "a|ab", r"\d*", "^a", "b$"])
)
def test_it_finds_what_the_standard_library_finds(text, pattern):
    expected = [match.span() for match in re.finditer(pattern, text) if match.group()]
    assert [(span.start, span.end) for span in found(text, pattern)] == expected


def test_any_case_matches_unless_asked_otherwise():
    assert found("Wait wait", "wait") == [Span(0, 4, "wait"), Span(5, 9, "wait")]
    assert found("Wait wait", "wait", ignore_case=False) == [Span(5, 9, "wait")]


def test_each_pattern_labels_what_it_finds():
    assert found("no, wait", "wait", r"\w+") == [Span(4, 8, "wait"), Span(0, 2, r"\w+"), Span(4, 8, r"\w+")]


def test_matches_of_no_characters_are_passed_over():
    assert found("bab", "a*") == [Span(1, 2, "a*")]


def test_nothing_is_looked_for_before_the_completion_but_what_is_there_is_seen():
    assert found("wait wait", "wait", begin=1) == [Span(5, 9, "wait")]
    assert found("ab", "(?<=a)b", begin=1) == [Span(1, 2, "(?<=a)b")]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+$", "a" * 20_000 + "b"),
        ("(a|aa)+$", "a" * 100 + "b"),
        ("((a|aa)+b?)+$", "a" * 100 + "c"),
        ("(?:x|xx)+(?:x|xx)+y?$", "x" * 100 + "!"),
    ],
)
def test_a_pattern_that_runs_away_is_stopped_and_named(pattern, text):
    began = time.process_time()
    with pytest.raises(DataError) as caught:
        found(text, pattern, seconds=0.2)
    assert time.process_time() - began < 5
    assert f"the pattern `{pattern}` of the detector `regex` has not ended after 0.2 seconds on document `a`" in str(
        caught.value
    )


def test_patterns_share_the_time():
    text, slow = "a" * 400 + "b", [f"(a+)+(?:{number})?$" for number in range(200)]
    assert found(text, slow[0], seconds=30.0) == []
    began = time.process_time()
    with pytest.raises(DataError, match="has not ended"):
        found(text, *slow, seconds=1.0)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(("pattern", "at"), [("ab(c", 4), ("[a", 2), ("*a", 0), (r"a\p{Nothing}", 12), ("a{2,1}", 2)])
def test_an_invalid_pattern_is_told_with_its_number_and_position(pattern, at):
    with pytest.raises(ConfigError) as caught:
        Regex(("fine", pattern))
    assert f"pattern 2 of the detector `regex`, `{pattern}`, is not a regular expression" in str(caught.value)
    assert f"at position {at};" in str(caught.value)


@pytest.mark.parametrize("fields", [{"patterns": ()}, {"patterns": ("",)}, {"seconds": 0.0}, {"seconds": float("nan")}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError):
        Regex(**{"patterns": ("a",)} | fields)
