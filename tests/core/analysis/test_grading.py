import math
from dataclasses import dataclass

import pytest

from neurosieve import DataError, Document, Grader, PluginError, Verdict
from neurosieve.analysis.grading import grade_documents, truth_of, verdict_on


@dataclass(frozen=True)
class Exact(Grader):
    """Right if the completion is the truth; fails on a question mark, and is no grader on an exclamation mark."""

    def grade(self, completion, truth):
        if completion == "?":
            raise ArithmeticError("there is a question in it")
        return "right" if completion == "!" else Verdict(completion == truth, completion)


def document(text, prompt="", **metadata):
    return Document(f"d{text}", prompt + text, "g", len(prompt), metadata=metadata)


def test_a_completion_is_graded_without_its_prompt():
    assert grade_documents([document("7", prompt="3 + 4 = ", answer="7")], Exact()) == [Verdict(True, "7")]


def test_the_first_field_that_is_there_holds_the_truth():
    both = document("", ground_truth_solution="7", answer="8")
    assert truth_of(both) == "7"
    assert truth_of(both, ("answer", "ground_truth_solution")) == "8"
    assert truth_of(document("", ground_truth_solution=" ", answer=8)) == "8"
    assert truth_of(document("", ground_truth_solution=None, answer=["8"])) == ""


def test_a_grader_that_fails_on_an_answer_is_counted_with_its_reason_and_the_others_are_grade_documents():
    documents = [document(text, answer="7") for text in ("7", "?", "8")]
    first, failed, last = grade_documents(documents, Exact())
    assert (first.right, last.right) == (True, False)
    assert failed == Verdict(None, "", "the grader failed (ArithmeticError: there is a question in it)")


def test_a_document_without_a_right_answer_has_no_verdict_among_others_that_have_one():
    verdicts = grade_documents([document("7", answer="7"), document("8")], Exact())
    assert [one.right for one in verdicts] == [True, None]
    assert verdicts[1].reason == "there is no right answer to compare with"


def test_no_right_answer_at_all_is_an_error_that_says_what_there_is():
    with pytest.raises(DataError, match=r"none of 2 documents has `solution` .* holds `level`; .* `grader=none`"):
        grade_documents([document("7", level=3), document("8", answer="8")], Exact(), ("solution",))


def test_what_is_no_verdict_is_the_graders_fault():
    with pytest.raises(PluginError, match=r"returned 'right' for `d!`, which is not a `neurosieve.Verdict`"):
        verdict_on(document("!", answer="7"), Exact())


def test_one_hears_how_far_grading_has_come():
    heard = []
    documents = [document(str(number), answer=math.pi) for number in range(3)]
    grade_documents(documents, Exact(), announce=lambda hook, **event: heard.append((hook, *event.values())))
    assert heard == [("stage_progressed", "grading", done, 3, "answers") for done in (1, 2, 3)]
