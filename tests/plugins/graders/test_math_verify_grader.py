import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from neurosieve import NO_ANSWER, ConfigError, Verdict
from neurosieve_plugins.graders import math_verify
from neurosieve_plugins.graders.boxed import Boxed
from neurosieve_plugins.graders.boxes import boxes
from neurosieve_plugins.graders.math_verify import MathVerify
from neurosieve_plugins.graders.subprocess_script import SilentError, Subprocess

RIGHT = {
    "a fraction": (r"\boxed{0.75}", r"\frac{3}{4}"),
    "two ways to write a fraction": (r"\boxed{\dfrac{3}{4}}", r"It is $\boxed{\frac34}$."),
    "a fraction that can be reduced": (r"\boxed{\frac{132}{55}}", r"\frac{12}{5}"),
    "factors in another order": (r"\boxed{(x+1)(3x+7)}", "(3x+7)(x+1)"),
    "a set in another order": (r"\boxed{9, 1}", r"The radii are $\boxed{1}$ and $\boxed{9}$."),
    "two boxes in a row": (r"$\boxed{1}$ and $\boxed{9}$", "1, 9"),
    "an equation for its value": (r"\boxed{x = 5}", "5"),
    "units": (r"\boxed{80 \text{ cm}}", "80"),
    "degrees": (r"\boxed{62}", r"62^\circ"),
    "money": (r"\boxed{\$1.05}", "1.05"),
    "percent": (r"\boxed{50\%}", r"\boxed{50\%}"),
    "percent for a share": (r"\boxed{50\%}", "0.5"),
    "thousands": (r"\boxed{95,\!040}", "95040"),
    "in dollars": (r"\boxed{$5$}", "5.0"),
    "any of several solutions": (r"\boxed{-0.5}", r"\boxed{\frac12}, and with the other sign it is \boxed{-\frac12}"),
    "words": (r"\boxed{\text{Even}}", "even"),
    "an answer without a box, after the thought": ("So.\n</think>\n\n**Answer:** There are 0.5 of them.", r"\frac12"),
    "a solution of GSM8K": (r"\boxed{112.0}", "He sells 8 * 14 = 112.\n#### 112"),
    "thousands of GSM8K": (r"\boxed{1080}", "It is 2 * 540.\n#### 1,080"),
    "both as GSM8K writes": ("So.\n#### 1080", "It is 2 * 540.\n#### 1,080"),
    "a box in a solution": (r"\boxed{112.0}", r"He sells $8 \cdot 14 = \boxed{112}$ of them, not \$7."),
    "a fraction that is announced": ("#### 3/4", "0.75"),
    "a formula that is announced": (r"</think> The answer is \(\frac{6}{8}\) of it.", r"\boxed{\frac34}"),
    "a number in words": ("The answer is 42 apples, not 43.", "42.0"),
    "with a sign and thousands": ("#### -1,234", "-1234"),
    "a box in a box": (r"\boxed{\fbox{7}}", "7"),
    "a letter in parentheses": ("Answer: (B)", "B"),
    "an answer without a box, in the last line": ("First I add.\nThe answer is 7.\n", "7"),
}
WRONG = {
    "another number": (r"\boxed{8}", "7"),
    "not the last box": (r"\boxed{7}, no, \n\n it is \boxed{8}", "7"),
    "a pair in another order": (r"\boxed{(9, 1)}", "(1, 9)"),
    "words of the same letters": (r"\boxed{silent}", "listen"),
    "words for a number": (r"\boxed{\text{even}}", "4"),
    "announced as another": ("So.\n</think>\n#### 8", "7"),
    "another number with a unit": (r"The answer is 8 \text{ cm}.", "7"),
    "with another sign": ("#### 1,234", "-1,234"),
    "a box that was cut off": ("I think the answer is \n\\boxed{\\dfrac{4}{", r"\frac{4}{5}"),
}


UNANSWERED = {
    "no answer": "",
    "a number that announces nothing": "So we have 3 and 4, which is 7",
    "an answer on the way": "The answer is 7? Let me check that.\nNow 3 times 4 is",
    "an answer of the thought, and none behind it": "The answer is 7.\n</think>\n\nI cannot say.",
}


@pytest.mark.parametrize("completion", UNANSWERED.values(), ids=UNANSWERED)
def test_no_answer_is_told_apart_from_a_wrong_one(completion):
    assert MathVerify().grade(completion, "7") == NO_ANSWER


@pytest.mark.parametrize(("completion", "truth"), RIGHT.values(), ids=RIGHT)
def test_an_answer_is_right_that_is_the_same_mathematics(completion, truth):
    assert MathVerify().grade(completion, truth).right is True


@pytest.mark.parametrize(("completion", "truth"), WRONG.values(), ids=WRONG)
def test_an_answer_is_wrong_that_is_another(completion, truth):
    assert MathVerify().grade(completion, truth).right is False


@pytest.mark.parametrize(
    ("completion", "truth", "reason"),
    [
        (r"\boxed{7}", "", "there is no right answer to compare with"),
        (r"\boxed{7}", r"\boxed{", "is empty, or is never closed"),
        (r"\boxed{<b>7</b>}", "7", "the answer `<b>7</b>` cannot be read as mathematics"),
        (r"\boxed{7}", "<b>7</b>", "the right answer `<b>7</b>` cannot be read as mathematics"),
    ],
)
def test_what_cannot_be_compared_has_no_verdict_and_a_reason(completion, truth, reason):
    verdict = MathVerify().grade(completion, truth)
    assert verdict.right is None
    assert reason in verdict.reason


@pytest.mark.parametrize("runaway", [pytest.param("9^{9^{9^9}}", marks=pytest.mark.slow), "(10^7)!"])
def test_a_comparison_that_runs_away_is_stopped_and_the_next_is_not_harmed(runaway):
    grader = MathVerify(seconds=1.0)
    grader.grade(r"\boxed{1}", "2")  # Now the process is there, and its start is not timed.
    began = time.perf_counter()
    verdict = grader.grade(rf"\boxed{{{runaway}}}", "5")
    assert time.perf_counter() - began < 10
    assert verdict == Verdict(None, runaway, "the comparison had not ended after 1 seconds, and was stopped")
    assert grader.grade(r"\boxed{10/2}", "5").right is True


def test_threads_get_each_their_own_verdict():
    found = {}

    def grade(number):
        found[number] = [
            MathVerify().grade(rf"\boxed{{{number}/{2 - step % 2}}}", f"{number}.0").right for step in range(8)
        ]

    threads = [threading.Thread(target=grade, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [False, True] * 4 for number in range(1, 5)}


@pytest.mark.timeout(0)  # The alarm is the one of pytest-timeout otherwise.
def test_the_callers_alarm_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    MathVerify().grade(r"\boxed{0.5}", r"\frac12")
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("fields", [{"seconds": 0.0}, {"seconds": -1.0}, {"thought_end": ""}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError, match=next(iter(fields))):
        MathVerify(**fields)


def test_boxed_answers_are_compared_as_the_library_compares_them(founding):
    from math_verify import parse, verify

    judged = 0
    for completion, solution in founding("t=0.4_mnt=1500"):
        if not boxes(completion):
            continue
        right = verify(parse(solution), parse(f"$\\boxed{{{boxes(completion)[-1].answer}}}$"))
        assert MathVerify().grade(completion, solution).right is right, (completion[-100:], solution)
        judged += 1
    assert judged == 18


def test_it_knows_more_answers_to_be_right_than_their_writing_tells(founding):
    pairs = founding("t=0.4_mnt=1500")
    by_writing, as_mathematics = ([grader.grade(*pair) for pair in pairs] for grader in (Boxed(), MathVerify()))
    assert all(verdict.right is not None or verdict.unanswered for verdict in as_mathematics)
    by_writing, as_mathematics = ([verdict.right for verdict in given] for given in (by_writing, as_mathematics))
    assert [one for one, other in zip(by_writing, as_mathematics, strict=True) if one and not other] == []
    assert as_mathematics.count(True) == 17


@pytest.fixture
def program(tmp_path):
    """A program that answers each question with it, unless it is told to do something else."""
    script = tmp_path / "program.py"
    script.write_text(
        "import json, os, sys, time\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    asked = json.loads(line)\n"
        "    time.sleep(asked.get('sleep', 0))\n"
        "    if asked.get('end'):\n"
        "        os._exit(3)\n"
        "    print(json.dumps(asked), flush=True)\n",
        encoding="utf-8",
    )
    program = Subprocess(script)
    yield program
    program.end()


def test_a_script_in_another_process_answers_each_question(program):
    for question in ({"a": 1}, {"a": "İ🤔\ud800\n"}, {"a": "x" * 200_000}):
        assert program.ask(question, 30.0) == question


def test_a_program_that_ends_says_nothing_and_is_started_again(program):
    with pytest.raises(SilentError, match="ended without an answer \\(exit code 3\\)"):
        program.ask({"end": True}, 30.0)
    assert program.ask({"a": 2}, 30.0) == {"a": 2}


def test_a_program_that_takes_too_long_is_ended_and_started_again(program):
    with pytest.raises(SilentError, match=r"not ended after 0\.5 seconds"):
        program.ask({"sleep": 60}, 0.5)
    assert program.ask({"a": 3}, 30.0) == {"a": 3}


@pytest.mark.timeout(0)
@pytest.mark.skipif(os.name != "posix", reason="interrupts itself by a signal")
def test_an_answer_that_was_not_waited_for_is_never_taken_for_another(program):
    def interrupt(number, frame):
        raise KeyboardInterrupt

    program.ask({"a": 4}, 30.0)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            program.ask({"sleep": 1, "a": 5}, 30.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert program.ask({"a": 6}, 30.0) == {"a": 6}


def test_the_graders_own_file_is_not_taken_for_the_library():
    assert Path(math_verify.__file__).name == "math_verify.py"
    assert Path(sys.modules["neurosieve_plugins.graders.math_verify"].__file__).parent.name == "graders"
    assert MathVerify().grade(r"\boxed{2/4}", "0.5").right is True
