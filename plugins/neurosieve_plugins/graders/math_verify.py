"""Grade answers as mathematics."""

import re
from dataclasses import dataclass
from pathlib import Path

from neurosieve import ConfigError, Grader, Verdict
from neurosieve_plugins.graders.boxes import in_a_row, normalised, truths
from neurosieve_plugins.graders.subprocess_script import SilentError, Subprocess

__all__ = ["MathVerify"]

_COMPARISON = Subprocess(Path(__file__).with_name("mathematics.py"))
_WRAPPED = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_WORDS = re.compile(r"(?=.*[^\W\d_]{3})[^\d_\\^+*/=<>(){}\[\]|-]+", re.DOTALL)


@dataclass(frozen=True)
class MathVerify(Grader):
    r"""Right if the answer is the right one as mathematics, by the library `math-verify`: `0.75` is `\frac{3}{4}`.

    The answer is what the last box holds. Where nothing is boxed, it is what words announce ("the answer is 7") after
    the thought's end, or in the last line of a completion without one: what a thought says before its end does not
    count. A completion without an answer is wrong. An answer that cannot be read as mathematics has no verdict. Neither
    has one that takes too long to compare. Words, such as `Monday`, are compared as they are written.

    >>> MathVerify().grade(r"So it is \boxed{0.75}.", r"Hence $\boxed{\frac34}$.")
    Verdict(right=True, answer='0.75', reason='')
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
        given = in_a_row(completion)[-1:]
        right, lacking = truths(truth, in_a_row(truth))
        if lacking:
            return Verdict(None, "".join(given), lacking)
        closing = _closing(completion, self.thought_end)
        if not given and not closing:
            return Verdict(False)
        if given:
            [answer] = given
            same = normalised(_unwrapped(answer)) in {normalised(_unwrapped(truth_answer)) for truth_answer in right}
            # As mathematics `listen` and `silent` would be the same product of six symbols.
            if same or any(_WORDS.fullmatch(_unwrapped(truth_answer)) for truth_answer in right):
                return Verdict(same, answer)
        try:
            reply = _COMPARISON.ask(
                {"right": right, **({"given": given[0]} if given else {"closing": closing})}, self.seconds
            )
        except SilentError as error:
            return Verdict(None, "".join(given), str(error))
        return Verdict(reply["right"], reply["answer"], reply["reason"])


def _closing(completion: str, thought_end: str) -> str:
    _, ended, after = completion.rpartition(thought_end)
    return after.strip() if ended else next((line for line in reversed(completion.splitlines()) if line.strip()), "")


def _unwrapped(answer: str) -> str:
    return _WRAPPED.sub(r"\1", answer)
