import re

import pytest

from neurosieve import ConfigError
from neurosieve.testing import check_problems
from neurosieve_plugins.problems.arithmetic import Arithmetic
from neurosieve_plugins.sources.arithmetic import Arithmetic as Stories

PROBLEMS = list(Arithmetic(300))


def test_it_keeps_what_a_source_of_problems_promises():
    check_problems(Arithmetic(30))


def test_a_problem_does_not_depend_on_how_many_are_asked_for():
    assert list(Arithmetic(20)) == PROBLEMS[:20]


def test_problems_and_answers_are_those_of_the_stories_of_the_same_seed():
    told = [(document.group, document.metadata["answer"]) for document in Stories(100, seed=5)]
    assert [(problem.text, problem.answer) for problem in Arithmetic(100, seed=5)] == told


def test_by_default_no_problem_is_one_of_the_stories():
    assert not {problem.text for problem in PROBLEMS} & {document.group for document in Stories(2000)}


def test_each_step_of_a_solution_is_right_and_the_last_is_the_answer():
    sign = {"+": "+", "-": "-", "×": "*", "÷": "//"}
    for problem in PROBLEMS:
        *steps, boxed = problem.solution.splitlines()
        for step in steps:
            left, operation, right, result = re.search(r": (\d+) (.) (\d+) = (\d+)$", step).groups()
            assert eval(f"{left} {sign[operation]} {right}") == int(result)
        assert boxed == f"\\boxed{{{problem.answer}}}" == f"\\boxed{{{result}}}"
        assert problem.level == f"Level {len(steps)}"


def test_there_are_several_levels_and_types():
    assert len({problem.level for problem in PROBLEMS}) >= 2
    assert {problem.type for problem in PROBLEMS} >= {"Addition", "Subtraction", "Multiplication"}


def test_fields_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="the problems `arithmetic`: count is 0: give a whole number, at least 1"):
        Arithmetic(0)
