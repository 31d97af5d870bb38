"""Sums made from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Annotated

from annotated_types import Ge, Le

from neurosieve import ConfigError, Problem, Problems, check_fields

__all__ = ["Sums"]


@dataclass(frozen=True)
class Sums(Problems):
    """Sums and differences with a number of one digit, made offline: small models get some of them right.

    Their level is the number of digits of the first number, their type addition or subtraction. No sum comes twice.
    Problem 7 of a seed does not depend on how many there are.

    >>> problem = next(iter(Sums(count=1)))
    >>> problem.text, problem.answer, problem.level, problem.type
    ('7 - 1', '6', 'Level 1', 'Subtraction')
    """

    count: Annotated[int, Ge(1)] = 100
    seed: int = 1
    digits: tuple[Annotated[int, Ge(1), Le(12)], ...] = (1, 2)
    """The digits of the first number; where there are several, each is as frequent as the others."""

    def __post_init__(self) -> None:
        check_fields(self, "the problems `sums`: ")
        if not self.digits:
            raise ConfigError("`digits` of the problems `sums` is empty: give the lengths of numbers, such as [2,3]")
        if self.count > (most := 9 * 10 ** min(self.digits) * len(set(self.digits))):
            raise ConfigError(
                f"`count` of the problems `sums` is {self.count:,}: there are few different sums where `digits` is "
                f"{min(self.digits)}; ask for at most {most:,}, or give more digits"
            )

    def __iter__(self) -> Iterator[Problem]:
        seen = set[str]()
        for number in range(self.count):
            rng = Random(f"{self.seed}/{number}")
            while (problem := self._drawn(number, rng)).text in seen:
                pass
            seen.add(problem.text)
            yield problem

    def _drawn(self, number: int, rng: Random) -> Problem:
        digits = self.digits[number % len(self.digits)]
        left, adds = rng.randrange(10 ** (digits - 1), 10**digits), rng.random() < 0.5
        right = rng.randrange(1, 10 if adds else 1 + min(9, left))
        sign, answer = ("+", left + right) if adds else ("-", left - right)
        return Problem(
            id=f"sum-{number:04d}",
            text=f"{left} {sign} {right}",
            answer=str(answer),
            level=f"Level {digits}",
            type="Addition" if adds else "Subtraction",
        )
