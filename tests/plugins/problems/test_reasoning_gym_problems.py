import sys

import pytest

from neurosieve import ConfigError
from neurosieve.testing import check_problems
from neurosieve_plugins.problems.reasoning_gym import ReasoningGym

TASKS = ("chain_sum", "gsm_symbolic", "leg_counting")


def test_it_keeps_what_a_source_of_problems_promises():
    pytest.importorskip("reasoning_gym", reason="the extra `problems` is not installed")
    check_problems(ReasoningGym(TASKS, count=4))


def test_its_own_judge_finds_every_answer_right():
    gym = pytest.importorskip("reasoning_gym", reason="the extra `problems` is not installed")
    for problem in ReasoningGym(TASKS, count=10, seed=3):
        made = gym.create_dataset(problem.type, size=10, seed=3)
        entry = made[problem.metadata["source_index"]]
        assert entry["question"] == problem.text
        assert made.score_answer(problem.answer, entry) == 1.0


def test_a_problem_does_not_depend_on_how_many_are_asked_for_nor_on_the_other_tasks():
    pytest.importorskip("reasoning_gym", reason="the extra `problems` is not installed")
    few, many = list(ReasoningGym(("chain_sum",), count=3)), list(ReasoningGym(TASKS[::-1], count=6))
    assert few == [problem for problem in many if problem.type == "chain_sum"][:3]
    assert list(ReasoningGym(("chain_sum",), count=3, seed=1)) != few


def test_a_task_with_many_right_answers_comes_without_one():
    pytest.importorskip("reasoning_gym", reason="the extra `problems` is not installed")
    assert [problem.answer for problem in ReasoningGym(("rush_hour",), count=2)] == [None, None]


def test_a_task_that_there_is_not_is_told_with_the_nearest():
    pytest.importorskip("reasoning_gym", reason="the extra `problems` is not installed")
    with pytest.raises(ConfigError, match="has no task `chain_sums`: did you mean `chain_sum`"):
        list(ReasoningGym(("chain_sums",)))


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(ConfigError, match=r"pip install neurosieve\[problems\].*problems=arithmetic"):
        list(ReasoningGym())


@pytest.mark.parametrize("fields", [{"tasks": ()}, {"tasks": ("a", "a")}, {"count": 0}])
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ConfigError, match="the problems `reasoning_gym`"):
        ReasoningGym(**fields)
