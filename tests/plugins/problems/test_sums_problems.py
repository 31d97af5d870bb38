import re

import pytest

from neurosieve import ConfigError
from neurosieve.testing import check_problems
from neurosieve_plugins.problems.sums import Sums

PROBLEMS = list(Sums(180))


def test_it_keeps_what_a_source_of_problems_promises():
    check_problems(Sums(30))


def test_a_problem_does_not_depend_on_how_many_are_asked_for():
    assert list(Sums(20)) == PROBLEMS[:20]


def test_no_sum_comes_twice_even_where_there_are_few():
    assert len({problem.text for problem in Sums(900, digits=(2,))}) == 900


def test_each_answer_is_right_and_no_difference_is_negative():
    for problem in PROBLEMS:
        left, sign, right = re.fullmatch(r"(\d+) ([+-]) (\d+)", problem.text).groups()
        assert int(problem.answer) == (int(left) + int(right) if sign == "+" else int(left) - int(right)) >= 0
        assert problem.type == ("Addition" if sign == "+" else "Subtraction")
        assert problem.level == f"Level {len(left)}"
        assert len(right) == 1


def test_levels_and_types_are_as_often_as_each_other():
    levels = [problem.level for problem in PROBLEMS]
    assert levels.count("Level 1") == levels.count("Level 2") == 90
    assert 60 < sum(problem.type == "Addition" for problem in PROBLEMS) < 120


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"count": 0}, "count is 0"),
        ({"digits": ()}, "`digits` of the problems `sums` is empty"),
        (
            {"count": 901, "digits": (2,)},
            "is 901: there are few different sums where `digits` is 2; ask for at most 900",
        ),
    ],
)
def test_fields_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Sums(**fields)
