"""Where sentences begin and end."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import sentences
from neurosieve_plugins.sources.traces import Traces

SHARED = Path(__file__).parents[4] / "shared" / "data" / "thought_anchors" / "labelled_spans.jsonl"
needs_shared = pytest.mark.skipif(not SHARED.is_file(), reason=f"there are no annotated traces beside it, in {SHARED}")


@given(st.text(alphabet=st.sampled_from(list("aB7 .?!。\n\r\tİ🤔</>think\u0301")), max_size=80), st.integers(0, 80))
def test_sentences_are_in_order_apart_and_leave_out_nothing_but_space_and_tags(text, start):
    found = sentences(text, start)
    assert all(start <= begin < end <= len(text) for begin, end in found)
    assert all(left[1] <= right[0] for left, right in pairwise(found))
    assert all(text[begin:end] == text[begin:end].strip() for begin, end in found)
    rest = list(text)
    for begin, end in found:
        rest[begin:end] = " " * (end - begin)
    assert not "".join(rest[start:]).replace("<think>", "").replace("</think>", "").strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is 3.14 or so. Is it odd? It is!", ["One is 3.14 or so.", "Is it odd? It is!"]),
        ("First line\nsame sentence\n\nnext sentence", ["First line\nsame sentence", "next sentence"]),
        ("2. Next, we add\r\n\r\nand we stop here", ["2. Next, we add", "and we stop here"]),
        ("A longer sentence. Ok.", ["A longer sentence. Ok."]),
        ("Ok.", ["Ok."]),
        (
            "这样不对吗？让我们再仔细想一想吧朋友。好的好的好的好的好的好的",
            ["这样不对吗？让我们再仔细想一想吧朋友。", "好的好的好的好的好的好的"],
        ),
        ("", []),
        ("</think>", []),
    ],
)
def test_sentences_end_where_the_rule_says(text, expected):
    assert [text[begin:end] for begin, end in sentences(text)] == expected


@needs_shared
def test_the_rule_cuts_annotated_traces_as_their_annotators_did():
    agreeing = annotated = cut = 0
    for document in Traces(str(SHARED), "text", group_field=None, id_field="trace_id", spans_field="spans"):
        theirs = {(span.start, span.end) for span in document.annotations}
        last = max(end for _, end in theirs)  # The answer after the thoughts is not annotated.
        ours = {where for where in sentences(document.text, document.completion_start) if where[0] < last}
        agreeing, annotated, cut = agreeing + len(theirs & ours), annotated + len(theirs), cut + len(ours)
    assert (agreeing, annotated, cut) == (5814, 5814, 5814)
