import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosieve import ConfigError, DataError, Problem
from neurosieve.generation.problem_choice import choose_problems

PROBLEMS = [
    Problem(f"p{n}", f"What is {n} + 1?", str(n + 1), f"Level {n % 5 + 1}", "Algebra" if n % 2 else "Number Theory")
    for n in range(60)
]


@given(order=st.permutations(range(60)), n=st.integers(1, 60), seed=st.integers(0, 5))
def test_which_problems_are_drawn_does_not_depend_on_their_order(order, n, seed):
    drawn = choose_problems([PROBLEMS[place] for place in order], n, seed=seed)
    assert sorted(problem.id for problem in drawn) == sorted(one.id for one in choose_problems(PROBLEMS, n, seed=seed))
    assert drawn == [PROBLEMS[place] for place in order if PROBLEMS[place] in drawn]


@given(n=st.integers(1, 59), seed=st.integers(0, 5))
def test_more_problems_hold_those_that_fewer_are(n, seed):
    few, more = choose_problems(PROBLEMS, n, seed=seed), choose_problems(PROBLEMS, n + 1, seed=seed)
    assert (len(few), len(more)) == (n, n + 1)
    assert {one.id for one in few} < {one.id for one in more}


def test_each_problem_is_drawn_as_often_as_any_other():
    counts = dict.fromkeys((one.id for one in PROBLEMS), 0)
    for seed in range(400):
        for one in choose_problems(PROBLEMS, 6, seed=seed):
            counts[one.id] += 1
    assert min(counts.values()) > 15
    assert max(counts.values()) < 75


def test_all_are_taken_by_default_in_their_order():
    assert choose_problems(PROBLEMS) == choose_problems(PROBLEMS, 60) == PROBLEMS


@pytest.mark.parametrize("levels", [["Level 2"], ["2"], ["level 2"]])
def test_a_level_is_asked_for_by_its_name_or_its_number(levels):
    assert {one.level for one in choose_problems(PROBLEMS, levels=levels)} == {"Level 2"}


def test_levels_and_types_are_narrowed_down_together():
    found = choose_problems(PROBLEMS, 4, ["1", "3"], ["algebra"])
    assert len(found) == 4
    assert {one.level for one in found} <= {"Level 1", "Level 3"}
    assert {one.type for one in found} == {"Algebra"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"levels": ["6"]}, "no problem has the level `6`; they have `Level 1`, `Level 2`, .* `Level 5`"),
        ({"types": ["Geometry"]}, "no problem has the type `Geometry`; they have `Algebra`, `Number Theory`"),
        ({"n": 61}, "n is 61, and there are 60 problems: lower it, or set n=null for all"),
        ({"n": 13, "levels": ["1"]}, "n is 13, and there are 12 problems of these levels and types"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(asked, message):
    with pytest.raises(ConfigError, match=message):
        choose_problems(PROBLEMS, **asked)


def test_levels_and_types_that_no_problem_has_at_once_are_told():
    apart = [Problem("a", "a?", level="Level 1", type="x"), Problem("b", "b?", level="Level 2", type="y")]
    with pytest.raises(ConfigError, match=r"of levels .* and of types .* at once"):
        choose_problems(apart, levels=["1"], types=["y"])


def test_problems_without_levels_are_told_as_such():
    with pytest.raises(ConfigError, match="they have no level at all: set the field that holds it"):
        choose_problems([Problem("a", "a?")], levels=["1"])


@pytest.mark.parametrize(
    ("problems", "message"),
    [
        ([], "there are no problems"),
        (iter(["What is 1?"]), "which is not a `neurosieve.Problem`: wrap each in one"),
        ([Problem("a", " ")], "the problem `a` has no text"),
        ([Problem("a", "1?"), Problem("a", "2?")], "two problems have the id `a`"),
    ],
)
def test_problems_that_are_none_are_refused(problems, message):
    with pytest.raises(DataError, match=message):
        choose_problems(problems)
