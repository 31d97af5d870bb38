import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from neurosieve import Problem, Problems
from neurosieve.testing import PLUGIN_CHECKS, PROBLEMS_CHECKS, check_problems


@dataclass(frozen=True)
class Sound(Problems):
    """Some sums."""

    count: int = 5

    def __iter__(self) -> Iterator[Problem]:
        return (Problem(f"n{n}", f"{n} + 1?", f"{n + 1}") for n in range(self.count))


@dataclass(frozen=True)
class Unsound(Sound):
    """Sums of which the last has something amiss."""

    amiss: str = "id"
    to: Any = ""

    def __iter__(self) -> Iterator[Problem]:
        *sound, last = super().__iter__()
        object.__setattr__(last, self.amiss, self.to)  # Past the type checks that tests run.
        yield from [*sound, last]


@dataclass(frozen=True)
class Bare(Sound):
    """Sums as bare strings."""

    def __iter__(self) -> Iterator[Any]:
        return (problem.text for problem in super().__iter__())


@dataclass(frozen=True)
class Draining(Sound):
    """Sums that can be read once."""

    left: ClassVar[dict[int, Iterator[Problem]]] = {}

    def __iter__(self) -> Iterator[Problem]:
        return self.left.setdefault(id(self), super().__iter__())


@dataclass(frozen=True)
class Shuffling(Sound):
    """Sums in any order."""

    chance: ClassVar[random.Random] = random.Random(0)

    def __iter__(self) -> Iterator[Problem]:
        problems = list(super().__iter__())
        self.chance.shuffle(problems)
        return iter(problems)


@dataclass(frozen=True)
class OneCursor(Sound):
    """Sums with one place where reading is, whoever reads."""

    at: ClassVar[list[int]] = [0]

    def __iter__(self) -> Iterator[Problem]:
        problems = list(super().__iter__())
        self.at[0] = 0
        while self.at[0] < len(problems):
            self.at[0] += 1
            yield problems[self.at[0] - 1]


ALL = {check.__name__ for check in PROBLEMS_CHECKS if check not in PLUGIN_CHECKS}

BROKEN = [
    (Sound(count=0), ALL, "yields no problem: check it on one that does"),
    (Unsound(), {"problems_are_sound"}, r"yields as number 4 a problem without an id: '4 \+ 1\?'"),
    (Unsound(to="n1"), {"problems_are_sound"}, "yields 2 problems with the id `n1`"),
    (Unsound(amiss="text", to=" \n"), {"problems_are_sound"}, "number 4 a problem without a text: `n4`"),
    (Unsound(amiss="answer", to=5), {"problems_are_sound"}, "`n4`, whose answer is 5: give a text, or None"),
    (Unsound(amiss="answer", to=" "), {"problems_are_sound"}, "`n4`, whose answer is ' ': give a text, or None"),
    (Unsound(amiss="level", to=3), {"problems_are_sound"}, "`n4`, whose level is 3, not a text"),
    (Bare(), ALL, r"yields as number 0 '0 \+ 1\?', which is not a `neurosieve.Problem`"),
    (Draining(), {"it_replays_the_same"}, "yields no problem.* each time it is read"),
    (Shuffling(), {"it_replays_the_same"}, "yields as number"),
    (OneCursor(), {"it_replays_the_same"}, "read twice at once"),
]


@pytest.mark.parametrize(("problems", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_problems_that_break_a_promise_fail_the_checks_of_that_promise(
    problems: Problems, checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(PROBLEMS_CHECKS, problems)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed
    with pytest.raises(AssertionError, match=message):
        check_problems(problems)


def test_every_check_has_problems_that_fail_it() -> None:
    assert set().union(*(checks for _, checks, _ in BROKEN)) == ALL


@pytest.mark.parametrize("count", [1, 2, 40])
def test_problems_that_keep_their_promises_pass(count: int) -> None:
    check_problems(Sound(count))
