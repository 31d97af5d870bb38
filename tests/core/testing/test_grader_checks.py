import re
import threading
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from neurosieve import Grader, Verdict
from neurosieve.testing import GRADER_CHECKS, PLUGIN_CHECKS, check_grader


@dataclass(frozen=True)
class Sound(Grader):
    """Right if the last box of the completion holds what the truth's last box does, or the truth."""

    def grade(self, completion: str, truth: str) -> Verdict:
        right = _last(truth) or truth.strip()
        if not right:
            return Verdict(None, "", "nothing to compare with")
        return Verdict(_last(completion) == right, _last(completion))


def _last(text: str) -> str:
    return ([*re.findall(r"\\boxed{([^{}]*)}", text)] or [""])[-1].strip()


@dataclass(frozen=True)
class Crashing(Sound):
    """Completions with a first character."""

    def grade(self, completion: str, truth: str) -> Verdict:
        return super().grade(completion[0] and completion, truth)


@dataclass(frozen=True)
class Bare(Sound):
    """A bare tuple."""

    def grade(self, completion: str, truth: str) -> Any:
        return tuple(super().grade(completion, truth))


@dataclass(frozen=True)
class Rating(Sound):
    """A number for a verdict."""

    def grade(self, completion: str, truth: str) -> Any:
        verdict = super().grade(completion, truth)
        return verdict._replace(right=None if verdict.right is None else float(verdict.right))


@dataclass(frozen=True)
class Numbering(Sound):
    """An answer that is no text."""

    def grade(self, completion: str, truth: str) -> Any:
        return super().grade(completion, truth)._replace(answer=7)


@dataclass(frozen=True)
class Sure(Sound):
    """Wrong, also where there is nothing to compare with."""

    def grade(self, completion: str, truth: str) -> Verdict:
        verdict = super().grade(completion, truth)
        return verdict if verdict.right is not None else Verdict(False)


@dataclass(frozen=True)
class Lenient(Sound):
    """No verdict where there is no answer."""

    def grade(self, completion: str, truth: str) -> Verdict:
        verdict = super().grade(completion, truth)
        return verdict if verdict.answer else Verdict(None, "", "there is no answer")


@dataclass(frozen=True)
class Literal(Sound):
    """The truth as it is given, a whole solution too."""

    def grade(self, completion: str, truth: str) -> Verdict:
        return (
            Verdict(_last(completion) == truth, _last(completion)) if truth.strip() else Verdict(None, "", "no truth")
        )


@dataclass(frozen=True)
class Friendly(Sound):
    """Every answer is right."""

    def grade(self, completion: str, truth: str) -> Verdict:
        verdict = super().grade(completion, truth)
        return verdict._replace(right=bool(verdict.answer)) if verdict.right is not None else verdict


@dataclass(frozen=True)
class Signalling(Sound):
    """Fails where a signal cannot be set: in any thread but the main one."""

    def grade(self, completion: str, truth: str) -> Verdict:
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("signal only works in main thread of the main interpreter")
        return super().grade(completion, truth)


@dataclass(frozen=True)
class Tiring(Sound):
    """Right once, and not again."""

    graded: ClassVar[list[str]] = []

    def grade(self, completion: str, truth: str) -> Verdict:
        verdict = super().grade(completion, truth)
        self.graded.append(completion)
        return verdict._replace(answer=f"{verdict.answer}{len(self.graded)}")


BROKEN = [
    (
        Crashing(),
        {
            "verdicts_are_sound",
            "without_a_truth_there_is_no_verdict",
            "no_answer_is_never_right",
            "order_and_threads_do_not_matter",
        },
        r"Crashing\(\) raises IndexError on the completion '' and the truth",
    ),
    (
        Bare(),
        {check.__name__ for check in GRADER_CHECKS if check not in PLUGIN_CHECKS},
        r"Bare\(\) gives \(.*\) for the completion .*: that is not a `neurosieve.Verdict`",
    ),
    (
        Rating(),
        {"verdicts_are_sound", "no_answer_is_never_right"},
        "`right` must be True, False or None|there is no answer, so give",
    ),
    (Numbering(), {"verdicts_are_sound"}, "its answer and its reason must be texts"),
    (Sure(), {"without_a_truth_there_is_no_verdict"}, "there is nothing to compare with, so give no verdict"),
    (
        Lenient(),
        {"no_answer_is_never_right"},
        "for the completion '' where the truth is '7': there is no answer, so give",
    ),
    (
        Literal(),
        {"a_boxed_answer_is_graded_correctly"},
        r"gives Verdict\(right=False, answer='7', reason='', unanswered=False\) .* where the truth is 'We add",
    ),
    (
        Friendly(),
        {"a_boxed_answer_is_graded_correctly"},
        r"gives Verdict\(right=True, answer='8', reason='', unanswered=False\)",
    ),
    (Signalling(), {"order_and_threads_do_not_matter"}, "signal only works in main thread"),
    (Tiring(), {"order_and_threads_do_not_matter"}, "another time"),
]


@pytest.mark.parametrize(("grader", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_grader_that_breaks_a_promise_fails_the_checks_of_that_promise(
    grader: Grader, checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(GRADER_CHECKS, grader)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed
    with pytest.raises(AssertionError, match=message):
        check_grader(grader)


def test_a_grader_that_gives_no_verdict_says_why(failures: Any) -> None:
    @dataclass(frozen=True)
    class Silent(Grader):
        """No verdict, and no reason."""

        def grade(self, completion: str, truth: str) -> Verdict:
            return Verdict(None)

    assert "give the reason" in failures(GRADER_CHECKS, Silent())["verdicts_are_sound"]


def test_every_check_has_a_grader_that_fails_it() -> None:
    own = {check.__name__ for check in GRADER_CHECKS if check not in PLUGIN_CHECKS}
    assert own == set().union(*(checks for _, checks, _ in BROKEN))


def test_a_grader_that_keeps_its_promises_passes() -> None:
    check_grader(Sound())
