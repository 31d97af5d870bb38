"""Grade answers as mathematics."""

import re
from dataclasses import dataclass
from pathlib import Path

from neurosieve import NO_ANSWER, ConfigError, Grader, Verdict
from neurosieve_plugins.graders.announced import announced_answer, bare
from neurosieve_plugins.graders.boxes import begins_a_box, in_a_row, normalised, truths
from neurosieve_plugins.graders.numbers import numbers_said, same_number
from neurosieve_plugins.graders.subprocess_script import SilentError, Subprocess

__all__ = ["MathVerify"]

_COMPARISON = Subprocess(Path(__file__).with_name("mathematics.py"))
_WRAPPED = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_WORDS = re.compile(r"(?=.*[^\W\d_]{3})[^\d_\\^+*/=<>(){}\[\]|-]+", re.DOTALL)


@dataclass(frozen=True)
class MathVerify(Grader):
    r"""Right if the answer is the right one as mathematics, by the library `math-verify`: `0.75` is `\frac{3}{4}`.

    The answer is what the last box holds. Where nothing is boxed, it is the last one that is announced, as in
    `#### 42`, `Answer: 42` or `The answer is \(42\).`: after the thought's end, or in the last line of a completion
    without one. What a thought says before its end does not count. A completion without an answer has no verdict; one
    whose box is never closed is wrong. An answer that cannot be read as mathematics, or that takes too long to compare,
    has no verdict. Words, such as `Monday`, are compared as they are written.

    >>> MathVerify().grade(r"So it is \boxed{0.75}.", r"Hence $\boxed{\frac34}$.")
    Verdict(right=True, answer='0.75', reason='', unanswered=False)
    """

    seconds: float = 5.0
    """How long one comparison may take before it is stopped."""
    thought_end: str = "</think>"
    """What the model writes as its thought ends."""

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ConfigError(f"`seconds` of the grader `math_verify` is {self.seconds}: it must be above 0")
        if not self.thought_end:
            raise ConfigError("`thought_end` of the grader `math_verify` is empty: give what ends a thought")

    def grade(self, completion: str, truth: str) -> Verdict:
        """Compare the last answer of `completion` with those that `truth` gives, any of which is right."""
        boxed = in_a_row(completion)[-1:]
        right, lacking = truths(truth, in_a_row(truth))
        if lacking:
            return Verdict(None, "".join(boxed), lacking)
        if not boxed and begins_a_box(completion):
            return Verdict(False)
        answer = boxed[0] if boxed else announced_answer(completion, self.thought_end)
        if not answer:
            return NO_ANSWER
        given, known = _unwrapped(bare(answer)), [_unwrapped(bare(known)) for known in right]
        same = normalised(given) in map(normalised, known)
        if not boxed and not same:  # The library reads no unit in words, and takes any number of a sentence.
            numbers = numbers_said(given)
            if len(numbers) > 1:
                return Verdict(None, answer, "the answer is a sentence with several numbers")
            given = numbers[0]
            same = any(same_number(given, number) for number in known)
        # As mathematics `listen` and `silent` would be the same product of six symbols.
        if same or any(_WORDS.fullmatch(words) for words in known):
            return Verdict(same, answer)
        try:
            reply = _COMPARISON.ask(
                {"right": right, "given": answer if boxed else given, "announced": not boxed}, self.seconds
            )
        except SilentError as error:
            return Verdict(None, answer, str(error))
        return Verdict(reply["right"], answer, reply["reason"])


def _unwrapped(answer: str) -> str:
    return _WRAPPED.sub(r"\1", answer)
