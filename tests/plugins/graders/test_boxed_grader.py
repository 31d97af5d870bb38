import json
import re

import pytest

from neurosieve import NO_ANSWER, ConfigError, Verdict, load
from neurosieve.cli import main
from neurosieve_plugins.graders.boxed import Boxed

CASES = {
    "the same": (r"\boxed{7}", "7", True),
    "in a solution": (r"\boxed{7}", r"We add, and get $\boxed{7}$.", True),
    "case and spaces": (r"\boxed{X +\;1}", r"\boxed{x+ \; 1}", True),
    "nested braces": (r"\boxed{\frac{3}{4}}", r"\boxed{ \frac{3} {4} }", True),
    "nested braces that differ behind the first": (r"\boxed{\frac{3}{4}}", r"\boxed{\frac{3}{5}}", False),
    "any box of the completion": (r"\boxed{8}, no: \boxed{7}. Or \boxed{9}?", "7", True),
    "any box of the truth": (r"\boxed{-7}", r"\boxed{7} or else \boxed{-7}", True),
    "written otherwise": (r"\boxed{0.5}", r"\boxed{\frac12}", False),
    "not boxed, and not announced": ("It is 7.", "7", None),
    "nothing at all": ("", "7", None),
    "an empty box is no answer": (r"\boxed{}", "7", None),
    "announced where nothing is boxed": ("So.\n</think>\n#### -1,234", "-1234", True),
    "announced as another": ("So.\n</think>\n#### 1,234", "-1234", False),
    "announced beside a box": (r"\boxed{8} Answer: 7", "7", False),
    "announced before a box that is cut off": (r"Answer: 7 \boxed{\frac{", "7", False),
    "with a unit": ("The answer is 18 dollars.", "18", True),
    "with another unit": ("The answer is 5 m.", "5 cm", False),
    "in a sentence": ("</think>**Answer:** There are 23 parrots on it.", "23", True),
    "in a sentence with several numbers": ("</think>Answer: Of 48 parrots there are 23 left.", "23", None),
    "announced where the right answer is boxed": ("Answer: 7", r"We get $\boxed{7}$.", None),
    "a solution of GSM8K": (r"\boxed{112}", "He sells 8 * 14 = 112.\n#### 112", True),
    "another than that of GSM8K": (r"\boxed{14}", "He sells 8 * 14 = 112.\n#### 112", False),
    "announced, as the right answer is": ("So.\n</think>\n#### 112", "8 * 14 = 112\n#### 112\n", True),
    "thousands of GSM8K": (r"\boxed{1080}", "It is 2 * 540.\n#### 1,080", True),
    "thousands of GSM8K as they stand": (r"\boxed{1,080}", "It is 2 * 540.\n#### 1,080", True),
    "four hashes that end nothing": (r"\boxed{2}", "#### 2 cases\nThe first gives 7.", False),
    "a number behind a space, as base models begin": (" 53\n", "53", True),
    "words": ("**Answer:** Monday.", "monday", True),
    "cut off": (r"\boxed{\frac{3}{4}", r"\frac{3}{4}", False),
}


@pytest.mark.parametrize(("completion", "truth", "right"), CASES.values(), ids=CASES)
def test_any_box_written_as_the_truth_is_right(completion, truth, right):
    assert Boxed().grade(completion, truth).right is right


def test_the_answer_is_the_one_that_is_right_or_the_last():
    assert Boxed().grade(r"\boxed{7} \boxed{8}", "7") == Verdict(True, "7")
    assert Boxed().grade(r"\boxed{6} \boxed{8}", "7") == Verdict(False, "8")


def test_no_answer_is_told_apart_from_a_wrong_one():
    assert Boxed().grade("It is 7.", "7") == NO_ANSWER
    assert Boxed().grade("Answer: 8", "7") == Verdict(False, "8")
    assert Boxed().grade(r"\boxed{", "7") == NO_ANSWER


def test_fields_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="`thought_end` of the grader `boxed` is empty"):
        Boxed(thought_end="")


@pytest.mark.parametrize("truth", ["", "  ", r"It is \boxed{", r"\boxed{}"])
def test_without_a_right_answer_there_is_no_verdict(truth):
    verdict = Boxed().grade(r"\boxed{7}", truth)
    assert verdict.right is None
    assert verdict.reason


def notebooks_rule(text, solution):
    """The founding notebook's comparison: up to the first closing brace."""
    found = [re.findall(r"\\boxed{([^}]*)}", one) for one in (text, solution)]
    given, right = ({re.sub(r"\s+", "", answer.lower()) for answer in answers} for answers in found)
    return bool(given & right)


@pytest.mark.parametrize(("name", "right"), [("t=0.4_mnt=1500", 13), ("t=0.6_mnt=1500", 233)])
def test_it_finds_right_what_the_founding_notebook_found_right(name, right, founding):
    pairs = founding(name)
    verdicts = [Boxed().grade(*pair).right is True for pair in pairs]
    assert verdicts == [notebooks_rule(*pair) for pair in pairs]
    assert verdicts.count(True) == right


@pytest.mark.parametrize("grader", ["boxed", "math_verify"])
def test_answers_of_gsm8k_grade_completions_on_the_command_line(tmp_path, monkeypatch, grader):
    monkeypatch.chdir(tmp_path)
    truth = "She packs 8 * 14 = <<8*14=112>>112 books.\n#### 112"
    said = (r"<think>8 * 14.</think>It is \boxed{112}.", "<think>Hm.</think>The answer is 114.", "112 * 1\n#### 112")
    records = [{"question": f"q{n}", "response": text, "answer": truth} for n, text in enumerate(said)]
    (tmp_path / "records.jsonl").write_text("\n".join(map(json.dumps, records)))
    choices = ["source=chat", "source.path=records.jsonl", f"grader={grader}", "detectors=[]", "reports=[]"]
    main(["analyze", *choices, "hydra.run.dir=run"])
    assert load(tmp_path / "run").table("traces").right.tolist() == [True, False, True]
