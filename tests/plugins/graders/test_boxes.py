import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve_plugins.graders.boxes import boxes, in_a_row, normalised

TEXTS = {
    "plain": (r"So it is \boxed{7}.", ["7"]),
    "nested braces": (r"\boxed{\frac{3}{\sqrt{4}}} and more }", [r"\frac{3}{\sqrt{4}}"]),
    "escaped braces": (r"\boxed{\{1, 2\}}", [r"\{1, 2\}"]),
    "a brace that is escaped and never closed": (r"\boxed{\{1}", [r"\{1"]),
    "never closed": (r"\boxed{\dfrac{4}{", []),
    "one never closed before one that is": (r"\boxed{\frac{ no: \boxed{5}", ["5"]),
    "empty": (r"Put it in \boxed{} or \boxed{ }.", []),
    "without braces": (r"our answer is $\boxed 2$.", ["2"]),
    "framed": (r"\fbox{x}", ["x"]),
    "escaped once more": (r"\\boxed{5}", ["5"]),
    "another command": (r"\boxedtext{5} boxed{6}", []),
    "over lines": ("\\boxed{\n1\n}", ["\n1\n"]),
    "stray braces": (r"}}{ \boxed{1} {{", ["1"]),
    "a box in a box": (r"\boxed{\boxed{5}}", ["5", r"\boxed{5}"]),
}


@pytest.mark.parametrize(("text", "answers"), TEXTS.values(), ids=TEXTS)
def test_boxes_hold_what_stands_between_their_own_braces(text, answers):
    assert [box.answer for box in boxes(text)] == answers


ROWS = {
    "joined by and": (r"radii $\boxed{1}$ and $\boxed{9}$.", ["1, 9"]),
    "joined by a comma": (r"\boxed{1}, \boxed{9}", ["1, 9"]),
    "joined by text": (r"$\boxed{1} \text{ or } \boxed{9}$", ["1, 9"]),
    "far apart": (r"so \boxed{1}. Another way to see this gives \boxed{1} too", ["1", "1"]),
    "paragraphs": ("\\boxed{1}\n\n\\boxed{9}", ["1", "9"]),
    "the same twice": (r"\boxed{4} \boxed{4}", ["4"]),
    "over the thought's end": ("\\boxed{8}\n</think>\n\\boxed{9}", ["8", "9"]),
    "a box in a box": (r"\boxed{1} so \boxed{\boxed{5}}", ["1", r"\boxed{5}"]),
    "two in a box": (r"\boxed{\boxed{5}\boxed{6}}", [r"\boxed{5}\boxed{6}"]),
    "none": ("nothing", []),
}


@pytest.mark.parametrize(("text", "answers"), ROWS.values(), ids=ROWS)
def test_boxes_in_a_row_are_one_answer(text, answers):
    assert in_a_row(text) == answers


PARTS = ["\\boxed{", "\\boxed ", "{", "}", "\\", "$", " ", "7", "x", "and", ",", "\n"]
awkward = st.lists(st.sampled_from(PARTS)).map("".join)


@given(awkward)
def test_every_box_lies_in_its_text_and_holds_its_answer(text):
    for start, end, answer in boxes(text):
        assert "boxed" in text[start:end]
        assert answer in text[start:end]
        assert answer.strip()


@given(awkward, st.recursive(st.just("a"), lambda inner: inner.map("{{{}}}".format), max_leaves=5))
def test_a_whole_box_is_found_whatever_stands_before_it(before, inner):
    found = boxes(f"{before} \\boxed{{{inner}}}")
    assert inner in [box.answer for box in found]


def test_time_grows_with_the_text_and_not_with_its_square():
    began = time.process_time()
    for text in (
        "\\boxed{" * 30_000,
        "\\boxed{1}" * 30_000,
        "{" * 200_000,
        "\\" * 200_000,
        "\\boxed{1}" + " $" * 100_000,
    ):
        in_a_row(text)
    assert time.process_time() - began < 5


@given(st.text())
def test_answers_that_differ_in_case_and_spaces_alone_are_the_same(answer):
    spread = " ".join(answer.upper())
    assert normalised(spread) == normalised(answer.upper())
    assert not any(character.isspace() for character in normalised(answer))
