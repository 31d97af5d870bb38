"""Problems made from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Annotated

from annotated_types import Ge

from neurosieve import Problem, Problems, check_fields
from neurosieve_plugins.sources.drawn import draw_story, equation

__all__ = ["Arithmetic"]


@dataclass(frozen=True)
class Arithmetic(Problems):
    """Word problems in two to four steps, with their answers, made offline.

    Their level is the number of steps, their type what the last step does. Problem 7 of a seed does not depend on
    how many there are. The source `arithmetic` has the same problems for the same seed.

    >>> problem = next(iter(Arithmetic(count=1)))
    >>> problem.level, problem.type, problem.solution.splitlines()[-1] == f"\\\\boxed{{{problem.answer}}}"
    ('Level 2', 'Subtraction', True)
    """

    count: Annotated[int, Ge(1)] = 100
    seed: int = 1
    """Not the seed of the source `arithmetic`, so that these problems are new to what was found there."""

    def __post_init__(self) -> None:
        check_fields(self, "the problems `arithmetic`: ")

    def __iter__(self) -> Iterator[Problem]:
        return (self._problem(number) for number in range(self.count))

    def _problem(self, number: int) -> Problem:
        drawn = draw_story(Random(f"{self.seed}/{number}"))
        steps = drawn.story.steps
        text = drawn.problem
        parts = [equation(step, drawn.values) for step in steps]
        worked = [
            f"{step.what}: {part['left']} {part['sign']} {part['right']} = {part['result']}"
            for step, part in zip(steps, parts, strict=True)
        ]
        answer = parts[-1]["result"]
        return Problem(
            id=f"arithmetic-{number:04d}",
            text=text,
            answer=answer,
            level=drawn.level,
            type=drawn.type,
            solution="\n".join([*worked, f"\\boxed{{{answer}}}"]),
        )
