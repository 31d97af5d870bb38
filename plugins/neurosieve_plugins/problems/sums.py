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
    """Sums and differences of two numbers, made offline: easy enough that a small model gets some of them right.

    Their level is the number of digits, their type addition or subtraction. No sum comes twice. Problem 7 of a seed does
    not depend on how many there are.

    >>> problem = next(iter(Sums(count=1)))
    >>> problem.text, problem.answer, problem.level, problem.type
    ('What is 45 - 38?', '7', 'Level 2', 'Subtraction')
    """

    count: Annotated[int, Ge(1)] = 100
    seed: int = 1
    digits: tuple[Annotated[int, Ge(1), Le(12)], ...] = (2, 3)
    """The digits of the numbers, each as often as the others."""

    def __post_init__(self) -> None:
        check_fields(self, "the problems `sums`: ")
        if not self.digits:
            raise ConfigError("`digits` of the problems `sums` is empty: give the lengths of numbers, such as [2,3]")
        if self.count > (most := min(9 * 10 ** (2 * digits - 2) for digits in self.digits) * len(set(self.digits))):
            raise ConfigError(
                f"`count` of the problems `sums` is {self.count:,}: numbers with {min(self.digits)} as their `digits` give too few "
                f"different sums, ask for at most {most:,}, or give more digits"
            )

    def __iter__(self) -> Iterator[Problem]:
        seen = set[str]()
        for number in range(self.count):
            problem = self._drawn(number, 0)
            attempt = 0
            while problem.text in seen:
                attempt += 1
                problem = self._drawn(number, attempt)
            seen.add(problem.text)
            yield problem

    def _drawn(self, number: int, attempt: int) -> Problem:
        rng = Random(f"{self.seed}/{number}/{attempt}")
        digits = self.digits[number % len(self.digits)]
        left, right = sorted((rng.randrange(10 ** (digits - 1), 10**digits) for _ in "ab"), reverse=True)
        adds = rng.random() < 0.5
        sign, answer = ("+", left + right) if adds else ("-", left - right)
        return Problem(
            id=f"sum-{number:04d}",
            text=f"What is {left} {sign} {right}?",
            answer=str(answer),
            level=f"Level {digits}",
            type="Addition" if adds else "Subtraction",
            solution=f"{left} {sign} {right} = {answer}\n\\boxed{{{answer}}}",
        )
