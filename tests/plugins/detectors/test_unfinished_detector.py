"""Texts that hit a token limit, or never close their thought, are told from those that ended."""

from typing import Any

import pytest

from neurosieve import Document, Passage
from neurosieve_plugins.detectors.unfinished import Unfinished
from neurosieve_plugins.sources.authorship import Authorship


def a_text(text: str, **metadata: Any) -> Document:
    words = Authorship("<think>").words_of(text, None, False, "")
    return Document("a", text, "a", words.completion_start, passages=words.passages, metadata=metadata)


def verdict(document: Document) -> str:
    detector = Unfinished()
    spans, unknown = list(detector.detect(document)), list(detector.near_misses(document))
    assert not (spans and unknown)
    return "unfinished" if spans else "unknown" if unknown else "finished"


OPEN, CLOSED, PLAIN = "1 + 1? <think> One and", "1 + 1? <think> Two. </think> 2", "It is 2."


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (a_text(OPEN), "unfinished"),
        (a_text(CLOSED), "finished"),
        (a_text("1 + 1? <think> Two. </think>"), "finished"),
        (a_text(PLAIN), "unknown"),
        (a_text(PLAIN, ended=True), "finished"),
        (a_text(PLAIN, ended=False), "unfinished"),
        (a_text(PLAIN, ended="False"), "unfinished"),
        (a_text(PLAIN, truncated=True), "unfinished"),
        (a_text(PLAIN, truncated="false"), "finished"),
        (a_text(PLAIN, finish_reason="length"), "unfinished"),
        (a_text(PLAIN, finish_reason="stop"), "finished"),
        (a_text(PLAIN, finishReason="MAX_TOKENS"), "unfinished"),
        (a_text(PLAIN, stop_reason="end_turn"), "finished"),
        (a_text(PLAIN, stop_reason="max_tokens"), "unfinished"),
        (a_text(PLAIN, finish_reason="content_filter"), "unknown"),
        (a_text(PLAIN, finish_reason="content_filter", stop_reason="max_tokens"), "unfinished"),
        (a_text(PLAIN, finish_reason="tool_calls", stop_reason="end_turn"), "finished"),
        (a_text(PLAIN, finish_reason=None, stop_reason="max_tokens"), "unfinished"),
        (a_text(PLAIN, response={"body": {"incomplete_details": {"reason": "max_output_tokens"}}}), "unfinished"),
        (a_text(PLAIN, response={"body": {"incomplete_details": None, "status": "completed"}}), "finished"),
        (a_text(CLOSED, finish_reason="length"), "unfinished"),
        (a_text(OPEN, finish_reason="stop"), "unfinished"),
        (a_text(CLOSED, finish_reason="content_filter"), "finished"),
    ],
)
def test_how_a_text_ended(document: Document, expected: str):
    assert verdict(document) == expected


def test_the_whole_completion_is_marked_and_labelled_with_the_reason():
    [span] = Unfinished().detect(a_text(PLAIN, finish_reason="length"))
    assert span == (0, len(PLAIN), "`finish_reason` is `length`")


def test_a_thought_of_its_own_marks_is_closed_by_them():
    text = "One. DONE"
    document = Document("a", text, "a", passages=(Passage(0, len(text), "thought"),))
    assert verdict(document) == "unfinished"
    assert not list(Unfinished(thought_end="DONE").detect(document))
