"""Grade answers by how they are written."""

from dataclasses import dataclass

from neurosieve import NO_ANSWER, ConfigError, Grader, Verdict
from neurosieve_plugins.graders.announced import announced_answer, bare
from neurosieve_plugins.graders.boxes import begins_a_box, boxes, normalised, truths
from neurosieve_plugins.graders.numbers import numbers_said, same_number

__all__ = ["Boxed"]


@dataclass(frozen=True)
class Boxed(Grader):
    r"""Right if any boxed answer is written as the right one is, but for case and spaces: the founding notebook's rule.

    `\dfrac{3}{4}` and `0.75` are two answers here; the grader `math_verify` takes them as equal. Where neither the
    right answer nor one of the completion is boxed, the completion's is the last one that it announces, as in
    `#### 42`, `Answer: 42` or `The answer is \(42\).`: after the thought's end, or in the last line of a completion
    without one. It is right too if it is the same number, with or without a unit. A completion without an answer has no
    verdict; one whose box is never closed is wrong.

    >>> Boxed().grade(r"So it is \boxed{X + 1}.", r"Hence $\boxed{x+1}$.")
    Verdict(right=True, answer='X + 1', reason='', unanswered=False)
    """

    thought_end: str = "</think>"
    """What the model writes as its thought ends."""

    def __post_init__(self) -> None:
        if not self.thought_end:
            raise ConfigError("`thought_end` of the grader `boxed` is empty: give what ends a thought")

    def grade(self, completion: str, truth: str) -> Verdict:
        """Compare every boxed answer of `completion` with each of `truth`, or with `truth` itself where it has none."""
        right, lacking = truths(truth, [box.answer for box in boxes(truth)])
        given = [box.answer.strip() for box in boxes(completion)]
        if lacking:
            return Verdict(None, given[-1] if given else "", lacking)
        known = {normalised(answer) for answer in right}
        if given:
            matching = [answer for answer in given if normalised(answer) in known]
            return Verdict(bool(matching), next(iter([*matching, *reversed(given)])))
        if begins_a_box(completion):
            return Verdict(False)
        announced = "" if boxes(truth) else announced_answer(completion, self.thought_end)
        if not announced:
            return NO_ANSWER
        if normalised(announced) in {normalised(bare(answer)) for answer in right}:
            return Verdict(True, announced)
        numbers = numbers_said(announced)
        if len(numbers) > 1:
            return Verdict(None, announced, "the answer is a sentence with several numbers")
        return Verdict(any(same_number(numbers[0], bare(answer)) for answer in right), announced)
