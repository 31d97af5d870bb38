"""Slips in the worked solutions of stories: the numbers that they give, and how likely they are."""

from random import Random
from typing import NamedTuple

from neurosieve_plugins.sources.drawn import DrawnStory, equation

__all__ = ["UnnoticedSlip", "chance_of_slip", "unnoticed_slip", "worked_values", "wrong_result"]

_TYPICAL_WORK = 9.0
"""The work of a problem that has a slip as often as problems have on average."""


class UnnoticedSlip(NamedTuple):
    """A wrong result that the solution goes on with, so that its answer is wrong."""

    step: int
    result: int


def chance_of_slip(drawn: DrawnStory, share: float) -> float:
    """Return how likely a slip is in a problem, where it is as likely as `share` in one of typical work.

    The work is counted in digits: a product takes the digits of one number times those of the other, a sum those of the
    longer number. The log of the chance that all goes well falls with the square of the work, so that hard problems,
    with more steps and larger numbers, have several times as many slips as easy ones.
    """
    values = worked_values(drawn)
    work = 0
    for step in drawn.story.steps:
        left, right = len(str(values[step.left])), len(str(values[step.right]))
        work += left * right if step.sign in "×÷" else max(left, right)
    return float(1 - (1 - share) ** ((work / _TYPICAL_WORK) ** 2))


def unnoticed_slip(rng: Random, drawn: DrawnStory, noticed: int | None) -> UnnoticedSlip:
    """Return a slip in a step of a story, but not in that of the `noticed` one.

    What is computed from the wrong result stays a whole number above 0, and the answer is wrong.
    """
    true = worked_values(drawn)
    steps = [at for at in range(len(drawn.story.steps)) if at != noticed]
    for at in rng.sample(steps, len(steps)):
        results = _wrong_results(true[drawn.story.steps[at].result])
        for result in rng.sample(results, len(results)):
            slip = UnnoticedSlip(at, result)
            if _leads_to_a_wrong_answer(drawn, slip, true):
                return slip
    raise AssertionError(f"no step of `{drawn.problem}` can go wrong unnoticed")  # Tests go through all stories.


def worked_values(drawn: DrawnStory, slip: UnnoticedSlip | None = None) -> dict[str, int]:
    """Return all numbers of a story, with the result of each step, as they follow from a slip."""
    values = dict(drawn.values)
    for at, step in enumerate(drawn.story.steps):
        equation(step, values)
        if slip is not None and at == slip.step:
            values[step.result] = slip.result
    return values


def wrong_result(rng: Random, result: int) -> int:
    """Return a number that somebody might get in place of `result`."""
    return rng.choice(_wrong_results(result))


def _wrong_results(result: int) -> list[int]:
    swapped = int(str(result)[:-2] + str(result)[-1] + str(result)[-2]) if result > 9 else result
    slips = {result - 10, result + 10, result - 1, result + 2, result + 100, result - 100, swapped}
    return sorted(slip for slip in slips if slip > 0 and slip != result)


def _leads_to_a_wrong_answer(drawn: DrawnStory, slip: UnnoticedSlip, true: dict[str, int]) -> bool:
    values = worked_values(drawn, slip)
    steps = drawn.story.steps
    whole = all(step.sign != "÷" or values[step.left] % values[step.right] == 0 for step in steps)
    positive = all(values[step.result] > 0 for step in steps)
    return whole and positive and values[steps[-1].result] != true[steps[-1].result]
