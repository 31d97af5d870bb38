"""What a source of problems promises."""

from neurosieve.contracts import Problems
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown
from neurosieve.testing.replaying import it_replays_the_same, read, require_different_ids

__all__ = ["PROBLEMS_CHECKS", "check_problems"]


def problems_are_sound(problems: Problems) -> None:
    """Assert that each problem has an id of its own and a text, and an answer that is a text or None."""
    items = read(problems)
    for number, problem in enumerate(items):
        what = f"{shown(problems)} yields as number {number}"
        require(problem.id, f"{what} a problem without an id: {shown(problem.text)}")
        require(problem.text.strip(), f"{what} a problem without a text: `{problem.id}`")
        for name in ("level", "type", "solution"):
            value = getattr(problem, name)
            require(isinstance(value, str), f"{what} `{problem.id}`, whose {name} is {shown(value)}, not a text")
        answer = problem.answer
        require(
            answer is None or (isinstance(answer, str) and answer.strip()),
            f"{what} `{problem.id}`, whose answer is {shown(answer)}: give a text, or None where it is not known",
        )
    require_different_ids(problems, items)


# All of it is read a few times: check it on something small.
PROBLEMS_CHECKS: tuple[Check, ...] = (*PLUGIN_CHECKS, problems_are_sound, it_replays_the_same)
check_problems = checker(PROBLEMS_CHECKS)
