"""Stories with their numbers drawn, and their steps computed."""

import operator
from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

from neurosieve_plugins.sources.stories import NAMES, STORIES, Step, Story

__all__ = ["DrawnStory", "draw_story", "equation"]

_OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "×": operator.mul,
    "÷": operator.floordiv,
}
_VERBS = {"+": "plus", "-": "minus", "×": "times", "÷": "divided by"}
_TYPES = {"+": "Addition", "-": "Subtraction", "×": "Multiplication", "÷": "Division"}


class DrawnStory(NamedTuple):
    """A word problem with its numbers."""

    story: Story
    name: str
    """Whom it is about."""
    values: dict[str, int]
    """Its numbers, to which `equation` adds the result of each step."""

    @property
    def problem(self) -> str:
        """Its text."""
        return self.story.problem.format(name=self.name, **self.values)

    @property
    def goal(self) -> str:
        """What is asked for."""
        return self.story.goal.format(name=self.name)

    @property
    def level(self) -> str:
        """How many steps it takes."""
        return f"Level {len(self.story.steps)}"

    @property
    def type(self) -> str:
        """What its last step does."""
        return _TYPES[self.story.steps[-1].sign]


def draw_story(rng: Random) -> DrawnStory:
    """Return a story with its name and its numbers drawn."""
    story = rng.choice(STORIES)
    name = rng.choice(NAMES)
    return DrawnStory(story, name, {key: rng.choice(choices) for key, choices in story.numbers.items()})


def equation(step: Step, values: dict[str, int]) -> dict[str, str]:
    """Return the parts of a step's equation, and add its result to `values`."""
    left, right = values[step.left], values[step.right]
    values[step.result] = _OPERATIONS[step.sign](left, right)
    return {
        "left": str(left),
        "right": str(right),
        "sign": step.sign,
        "verb": _VERBS[step.sign],
        "result": str(values[step.result]),
    }
