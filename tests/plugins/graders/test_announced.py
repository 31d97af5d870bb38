import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve_plugins.graders.announced import announced_answer, bare
from neurosieve_plugins.graders.numbers import number, numbers_said, same_number

END = "</think>"
ANNOUNCED = {
    "as in GSM8K": ("I add.\n#### 42", "42"),
    "negative, with thousands": ("#### -1,234", "-1,234"),
    "money": ("#### $18", "$18"),
    "with a unit": ("#### 5 apples", "5 apples"),
    "a fraction": ("#### 3/4", "3/4"),
    "after a word": ("Answer: 42", "42"),
    "in bold": ("**42**", "42"),
    "the word in bold": ("**Answer:** 42", "42"),
    "both in bold": ("**Final Answer: 42**", "42"),
    "in a sentence": ("The answer is 42.", "42"),
    "in a sentence and in bold": ("The answer is **42**.", "42"),
    "in LaTeX": (r"The answer is \(42\) apples.", "42"),
    "between dollars": ("Answer: $42$", "42"),
    "as LaTeX text": (r"The answer is \text{42}", "42"),
    "with a clause behind": ("The answer is 42 apples, not 43.", "42 apples"),
    "a decimal": ("The answer to the question is 3.5.", "3.5"),
    "under a heading": ("I add.\n**Final Answer**\n\n42", "42"),
    "displayed": ("So.</think>\n### Answer\n\n$$\n42\n$$\nI hope so.", "42"),
    "in a table": ("</think>\n| step | 40 |\n| **Answer** | 42 |", "42"),
    "a word": ("Answer: Monday.", "Monday"),
    "a formula": ("The answer is therefore x = 5.", "x = 5"),
    "a last line that is a number": ("I add.</think>So:\n-5", "-5"),
    "a last line that is a formula": ("I add.</think>So:\n\\[ 42 \\]", "42"),
    "a last line in bold": ("I add.\n**-5**", "-5"),
    "in bold in the last line": ("Therefore, she pays **$18** per day.", "$18"),
    "the last of several": (r"x</think>The answer is 41. No, the answer is 42.", "42"),
    "the last of several, of two kinds": ("x</think>#### 41\nAnswer: 42", "42"),
    "after the thought": ("The answer is 41.</think>The answer is 42.", "42"),
}
NOTHING = {
    "nothing": "",
    "an ended thought": "The answer is 42.</think>",
    "a number on the way": "So 12 + 30 = 42",
    "a heading of four hashes": "x</think>#### Step 2: add 4\nThen",
    "a numbered heading": "x</think>#### 1. Compute the sum\nThen",
    "no answer": "I cannot answer this question: the sum is 5",
    "what the answer is not": "The answer is not 5.",
    "the word alone": "The answer",
    "a list that was cut off": "I go through the cases:\n1.",
    "a formula on the way": "So we have\n\\( x^2 = 9 \\)",
    "a formula that was cut off": "x</think>**Final Answer:**\n\\",
    "before the last line of a thought": "The answer is 7? Let me see.\nNow",
}


@pytest.mark.parametrize(("completion", "answer"), ANNOUNCED.values(), ids=ANNOUNCED)
def test_an_announced_answer_is_found(completion, answer):
    assert announced_answer(completion, END) == answer


@pytest.mark.parametrize("completion", NOTHING.values(), ids=NOTHING)
def test_where_nothing_is_announced_there_is_no_answer(completion):
    assert announced_answer(completion, END) == ""


@given(st.integers(-(10**9), 10**9), st.sampled_from(["#### {}", "Answer: {}", "The answer is {}.", "**{}**", "${}$"]))
def test_whole_numbers_are_read_in_every_form_with_and_without_thousands(value, form):
    for written in (f"{value}", f"{value:,}"):
        assert same_number(announced_answer(f"So.</think>\n{form.format(written)}", END), str(value))


@given(st.text("answer is:=#*$\\()[]{}|0123456789.,-\n </think>", max_size=60))
def test_an_answer_stands_in_its_text(completion):
    assert announced_answer(completion, END) in completion


def test_time_grows_with_the_text_and_not_with_its_square():
    began = time.process_time()
    for text in (
        "answer " * 30_000,
        "answer to " * 20_000,
        "#### 1" * 30_000,
        "**" * 50_000,
        "$" * 100_000,
        "\n#" * 50_000,
    ):
        announced_answer(f"{END}{text}", END)
        announced_answer(text, END)
        bare(text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("written", "wrapped"),
    [
        ("even", r"**\(\text{\boxed{\fbox{even}}}\)**."),
        ("1,5", "$1,5$"),
        ("", "$$"),
        (r"\frac{1}{2}", r"`\frac{1}{2}`"),
    ],
)
def test_what_stands_around_an_answer_is_left_out(written, wrapped):
    assert bare(wrapped) == written


SAME = [
    ("1,234", "1234"), ("1\u202f234", "1234"), (r"95,\!040", "95040"), ("1{,}000", "1000"), ("$18", "18.00"),
    (r"\$18", "18"), ("5 m", "5"), ("5", "5 m"), (r"80 \text{ cm}", "80cm"), ("50%", "50"), (r"62^\circ", "62"),
    ("−7", "-7"), ("42 (forty-two)", "42"), ("12 per day", "12"),
]  # fmt: skip
OTHER = [
    ("5 m", "5 cm"), ("1,23", "123"), ("12 34", "1234"), ("2x", "2"), (r"5\pi", "5"), (r"2 \frac{1}{2}", "2"),
    ("5 and 7", "5"), ("5 million", "5"), ("3/4", "3"), ("7:00", "7"), ("-7", "7"), ("5 + 3", "5"), ("x", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), SAME)
def test_a_number_is_the_same_however_it_is_written(first, second):
    assert same_number(first, second)
    assert same_number(second, first)


@pytest.mark.parametrize(("first", "second"), OTHER)
def test_another_number_is_not_the_same(first, second):
    assert not same_number(first, second)
    assert not same_number(second, first)


SAID = {
    "x = 5": ["5"],
    "There are 23 parrots on the island": ["23"],
    "8 customers would buy what costs $750": ["8", "$750"],
    "42 apples": ["42 apples"],
    r"\frac{1}{2} x + 3": [r"\frac{1}{2} x + 3"],
    "none of the given numbers": ["none of the given numbers"],
    "The ratio of both is -1/4": ["-1/4"],
}


@pytest.mark.parametrize(("answer", "numbers"), SAID.items())
def test_a_sentence_says_one_number_or_several(answer, numbers):
    assert numbers_said(answer) == numbers


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12))
def test_decimals_are_read_with_and_without_thousands(value):
    for written in (f"{value}", f"{value:,}"):
        read = number(written)
        assert read is not None
        assert read.value == value
