"""What a source of problems promises."""

from collections import Counter
from typing import Any

from neurosieve.contracts import Problems
from neurosieve.data import Problem
from neurosieve.errors import NeurosieveError
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, shown, trying

__all__ = ["PROBLEMS_CHECKS", "check_problems"]


def _read(problems: Problems) -> list[Any]:
    """Return all problems, having checked that there is one."""
    # A file or a library that is not there is a mistake of whoever checks.
    with trying(problems, "as it is read", but=NeurosieveError):
        found = list(problems)
    if not found:
        raise AssertionError(f"{shown(problems)} yields no problem: check it on one that does, each time it is read")
    for number, problem in enumerate(found):
        if not isinstance(problem, Problem):
            raise AssertionError(
                f"{shown(problems)} yields as number {number} {shown(problem)}, which is no `neurosieve.Problem`"
            )
    return found


def problems_are_sound(problems: Problems) -> None:
    """Assert that each problem has an id of its own and a text, and an answer that is a text or None."""
    found = _read(problems)
    for number, problem in enumerate(found):
        what = f"{shown(problems)} yields as number {number}"
        if not problem.id:
            raise AssertionError(f"{what} a problem without an id: {shown(problem.text)}")
        if not problem.text.strip():
            raise AssertionError(f"{what} a problem without a text: `{problem.id}`")
        for name in ("level", "type", "solution"):
            if not isinstance(getattr(problem, name), str):
                raise AssertionError(f"{what} `{problem.id}`, whose {name} is {shown(getattr(problem, name))}, no text")
        if problem.answer is not None and not (isinstance(problem.answer, str) and problem.answer.strip()):
            raise AssertionError(
                f"{what} `{problem.id}`, whose answer is {shown(problem.answer)}: give a text, or None where it is "
                "not known"
            )
    [(most, times)] = Counter(problem.id for problem in found).most_common(1)
    if times != 1:
        raise AssertionError(f"{shown(problems)} yields {times} problems with the id `{most}`")


def they_replay_the_same(problems: Problems) -> None:
    """Assert that the problems are the same ones in the same order each time, even when read twice at once."""
    first, second = _read(problems), _read(problems)
    with trying(problems, "as it is read twice at once"):
        at_once = list(zip(problems, problems, strict=False))
    for way, others in (
        ("the next time", second),
        ("read twice at once", [left for left, _ in at_once]),
        ("read twice at once", [right for _, right in at_once]),
    ):
        if len(others) != len(first):
            raise AssertionError(f"{shown(problems)} yields {len(first)} problems, and {len(others)} {way}")
        for number, (once, again) in enumerate(zip(first, others, strict=True)):
            if once != again:
                raise AssertionError(
                    f"{shown(problems)} yields as number {number} {shown(once)}, and {way} {shown(again)}"
                )


PROBLEMS_CHECKS: tuple[Check, ...] = (*PLUGIN_CHECKS, problems_are_sound, they_replay_the_same)
"""What a source of problems promises."""


def check_problems(problems: Problems) -> None:
    """Check all that a source of problems promises. Reads all of it a few times: give it something small to read.

    Raises:
        AssertionError: it breaks a promise; the message says which, and with what problem.
    """
    for check in PROBLEMS_CHECKS:
        check(problems)
