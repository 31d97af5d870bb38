"""Texts that loop are told from lists, tables, equations and code."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import Document, Span
from neurosieve_plugins.detectors.repeating import Repeating

PROSE = "First add the tens. Then add the ones, and carry. So it is 41, since 19 and 22 make 41."


def loops(text: str, **settings: object) -> bool:
    return any(True for _ in Repeating(**settings).detect(Document("a", text, "a")))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "loop",
    [
        "Wait, let me check that again. " * 6,
        "Wait. " * 40,
        "So the answer is 41, I think.\n" * 8 + "So the answer",
        "I add.  I\nadd " * 20,
        (" ".join(f"w{n}x word{n}" for n in range(100)) + ". ") * 3,
        "我认为答案是五。" * 8,
        "Therefore $x = 5$ holds, and $\\frac{1}{2}$ is half of it. " * 6,
    ],
)
def test_a_planted_loop_is_found_and_the_whole_text_marked(loop: str):
    text = f"{PROSE} {loop} {PROSE}"
    [span] = Repeating().detect(Document("a", text, "a"))
    assert (span.start, span.end) == (0, len(text))


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "Wait, no. Wait, no. Wait, no. That is right.",
        "\n".join(f"Step {n}: add {n} to the sum, and write down {n * n}." for n in range(60)),
        "\n".join(f"- the {name} is on the table" for name in "abcdefghijklmnopqrstuvwxyz"),
        "\n".join(f"x_{{{n}}} = {n} + {n + 1} = {2 * n + 1}" for n in range(80)),
        "x + x + x + " * 60,
        "0, 0, 0, 0, " * 60,
        "| name | value |\n|---|---|\n" + "| none | none |\n" * 60,
        "\\begin{pmatrix} " + "one & one & one \\\\ " * 40 + "\\end{pmatrix}",
        "\\sqrt{2} \\cdot \\sqrt{2} \\cdot " * 60,
        "```python\n" + "print('again and again')\n" * 30 + "```",
        "=" * 3000,
        "",
        " \n ",
    ],
)
def test_what_repeats_in_sound_texts_is_no_loop(text: str):
    assert not loops(text)


def test_the_loop_itself_can_be_marked():
    loop = "Wait, let me check that again. " * 6
    text = f"{PROSE} {loop}\n\n{PROSE}"
    [span] = Repeating(mark="loop").detect(Document("a", text, "a"))
    assert span == Span(len(PROSE) + 1, len(PROSE) + len(loop), "Wait, let me check that again.")


def test_a_loop_of_the_prompt_is_not_the_models():
    prompt = "Say it again and again and again. " * 8
    assert not list(Repeating().detect(Document("a", prompt + PROSE, "a", completion_start=len(prompt))))


def test_fewer_repeats_than_asked_for_are_no_loop():
    phrase = " ".join(f"word{'abcdefghijklmnopqrstuvwxyz'[n]}" for n in range(26)) + ". "
    assert not loops(phrase * 2)
    assert loops(phrase * 3)
    assert not loops(phrase * 3, times=4)
    assert not loops(phrase * 3, longest=20)


@given(
    st.lists(st.sampled_from(["add", "wait", "seven", "ones"]), min_size=1, max_size=5),
    st.integers(2, 6),
    st.integers(1, 12),
)
def test_a_phrase_that_is_repeated_loops_exactly_if_it_is_long_and_frequent_enough(
    phrase: list[str], times: int, repeats: int
):
    text = "Begin " + " ".join(phrase * repeats) + " end"
    assert loops(text, times=times, words=12) == brute_force(text.lower().split(), times, 12)


def brute_force(words: list[str], times: int, least: int) -> bool:
    """Return whether any stretch of words is a phrase that comes so often in a row, perhaps cut off at its end."""
    for start in range(len(words)):
        for behind in range(start + least, len(words) + 1):
            stretch = words[start:behind]
            for period in range(1, len(stretch) // times + 1):
                if stretch[period:] == stretch[:-period]:
                    return True
    return False


def test_a_long_text_takes_no_time():
    text = " ".join(f"word{n * n % 1009} and" for n in range(10_000))[:100_000]
    start = time.process_time()
    assert not loops(text)
    assert time.process_time() - start < 2.0
