"""Where sentences begin and end."""

import json
import re
import time
from itertools import pairwise
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import sentences
from neurosieve_plugins.sources.traces import Traces

SHARED = Path(__file__).parents[4] / "shared" / "data" / "thought_anchors" / "labelled_spans.jsonl"
FOUNDING = SHARED.parents[1] / "founding" / "math_cot_results_t=0.4_mnt=1500_tp=0.92.json"
needs_founding = pytest.mark.skipif(not FOUNDING.is_file(), reason=f"there is no founding file beside it, {FOUNDING}")
needs_shared = pytest.mark.skipif(not SHARED.is_file(), reason=f"there are no annotated traces beside it, in {SHARED}")


@given(
    st.text(alphabet=st.sampled_from(list("aB7 .?!$`\\[](。\n\r\tİ🤔</>think\u0301")), max_size=80), st.integers(0, 80)
)
def test_sentences_are_in_order_apart_and_leave_out_nothing_but_space_and_tags(text, start):
    found = sentences(text, start)
    assert all(start <= begin < end <= len(text) for begin, end in found)
    assert all(left[1] <= right[0] for left, right in pairwise(found))
    assert all(text[begin:end] == text[begin:end].strip() for begin, end in found)
    rest = list(text)
    for begin, end in found:
        rest[begin:end] = " " * (end - begin)
    assert not "".join(rest[start:]).replace("<think>", "").replace("</think>", "").strip()


# All that ends a piece, or holds what ends none, in one expression that is searched for from left to right.
ENDS = regex.compile(
    r"(?P<end>(?<=[.?!])(?<!\b(?:al|approx|cf|Dr|e\.g|Eqs?|Figs?|i\.e|Mrs?|Ms|Prof|resp|Sec|St|viz|vs)\.)"
    r"(?<!(?:^|\n)[ \t]*\d{1,3}\.)(?=\s)|(?<=[。！？])|(?=\r?\n\r?\n)|(?=\n[ \t]*\d{1,3}\.[ \t]))"
    r"|(?P<code>^```.{0,20000}?^```)"
    r"|\\\[.{0,1000}?\\\]|\\\([^\n]{0,500}?\\\)|\$\$.{0,1000}?\$\$|`[^`\n]{1,500}`"
    r"|(?<![\\$\w])\$(?=[^\s$])[^$\n]{1,500}(?<=[^\s$\\])\$(?![\d$])",
    regex.DOTALL | regex.MULTILINE,
)
PIECES = (
    "Wait",
    ". ",
    ".",
    "? ",
    "\n",
    "\r\n",
    "\n\n",
    "$x$",
    "$",
    "`a.b`",
    "`",
    "\n```\n",
    "\\[",
    "\\]",
    "\\(",
    "\\)",
    "$$",
)
PIECES += ("。", "！", "e.g. ", "1. ", "\n2. ", "\n 13. a", " ", "\t", "abc def", "3.5", "\\", "Dr. ", "\x1c", "\u3000")


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_pieces_end_where_one_expression_says(text):
    ends = set()
    for match in ENDS.finditer(text):
        ends |= {match.start()} if match["end"] is not None else set(match.span()) if match["code"] else set()
    edges = sorted({0, *ends, len(text)})
    long = [(left, right) for left, right in pairwise(edges) if len(text[left:right].strip()) >= 10]
    # A long piece is a sentence, or ends one to whose start short pieces belong.
    assert {text[:right].rstrip() for _, right in long[:-1]} <= {text[:end] for _, end in sentences(text)}


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
        ("So, e.g. Dr. Who. And i.e. Fig. 3 it is.", ["So, e.g. Dr. Who.", "And i.e. Fig. 3 it is."]),
        (
            r"Then \[ x = 3. \] and so on. Is $y! = 3. 5$ so?",
            [r"Then \[ x = 3. \] and so on.", "Is $y! = 3. 5$ so?"],
        ),
        ("It costs $5. I have $3. So I wait.", ["It costs $5.", "I have $3.", "So I wait."]),
        ("1. Add the two\n2. Then halve it\n- so", ["1. Add the two", "2. Then halve it\n- so"]),
        (
            "Here it is:\n```python\nx = 3. \n\nprint('a. b')\n```\nUse `a. b` for it.",
            ["Here it is:", "```python\nx = 3. \n\nprint('a. b')\n```", "Use `a. b` for it."],
        ),
        ("", []),
        ("</think>", []),
    ],
)
def test_sentences_end_where_the_rule_says(text, expected):
    assert [text[begin:end] for begin, end in sentences(text)] == expected


@needs_shared
def test_annotated_traces_are_cut_as_their_annotators_did_but_for_abbreviations_formulas_and_lists():
    agreeing = annotated = cut = 0
    for document in Traces(str(SHARED), "text", group_field=None, id_field="trace_id", spans_field="spans"):
        theirs = {(span.start, span.end) for span in document.annotations}
        last = max(end for _, end in theirs)  # The answer after the thoughts is not annotated.
        ours = {where for where in sentences(document.text, document.completion_start) if where[0] < last}
        agreeing, annotated, cut = agreeing + len(theirs & ours), annotated + len(theirs), cut + len(ours)
    assert annotated == 5814
    assert cut == pytest.approx(annotated, rel=0.02)
    assert agreeing > 0.95 * annotated


@needs_founding
def test_in_the_founding_traces_no_sentence_ends_within_a_formula():
    texts = [record["generated_cot"] for record in json.loads(FOUNDING.read_text(encoding="utf-8"))]
    pieces = [text[begin:end] for text in texts for begin, end in sentences(text, text.index("<think>"))]
    assert len(pieces) > 2000
    for left, right in ((r"\\\[", r"\\\]"), (r"\\\(", r"\\\)")):
        torn = [piece for piece in pieces if len(re.findall(left, piece)) != len(re.findall(right, piece))]
        assert len(torn) <= 2  # The traces that were cut off end within one.


@pytest.mark.parametrize("text", ["\\[ ", "$a ", "```\n", "`a", "\\( ", "\n1. ", "e.g. ", "$$ ", "Wait. "])
def test_a_long_text_is_cut_quickly(text):
    began = time.process_time()
    sentences(text * 30_000)
    assert time.process_time() - began < 5
