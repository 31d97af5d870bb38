"""What a grader promises."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from neurosieve.contracts import Grader
from neurosieve.data import Verdict
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying

__all__ = ["GRADER_CHECKS", "check_grader"]

_COMPLETIONS = (
    "",
    " \n\t",
    "So it is \\boxed{7}.",
    "So it is \\boxed{8}.",
    "The answer is 7.",
    "First \\boxed{8}? No, wait.\n</think>\n\n\\[\n\\boxed{\\dfrac{14}{2}}\n\\]",
    "It is cut off: \\boxed{\\dfrac{14}{",
    "\\boxed{}",
    "\\boxed{{}}}}{{ $ \\[ \\",
    "<script>alert('\\boxed{7}')</script>&amp;",
    "\x1b[31m\\boxed{7}\x1b[0m\x00\r\x08",
    "İ🤔e\u0301 \\boxed{٧} \u202e\\boxed{seven}",
    "a lone surrogate \ud800 \\boxed{\udfff}",
    "Wait, no. " * 10_000,
    "\\boxed{" * 10_000,
)
_TRUTHS = (
    "7",
    "We add 3 and 4, which gives $\\boxed{7}$.",
    "\\frac{14}{2}",
    "seven",
    "<b>7</b>",
    "\\boxed{",
    "İ🤔",
)


def _verdict(grader: Grader, completion: str, truth: str) -> Verdict:
    with trying(grader, f"on the completion {shown(completion)} and the truth {shown(truth)}"):
        verdict = grader.grade(completion, truth)
    what = _described(grader, completion, truth, verdict)
    require(isinstance(verdict, Verdict), f"{what}: that is not a `neurosieve.Verdict`")
    return verdict


def _described(grader: Grader, completion: str, truth: str, verdict: object) -> str:
    texts = f"the completion {shown(completion)} where the truth is {shown(truth)}"
    return f"{shown(grader)} gives {shown(verdict)} for {texts}"


def verdicts_are_sound(grader: Grader) -> None:
    """Assert that each verdict is right, wrong, or none for a reason, whatever the texts are."""
    for truth in _TRUTHS:
        for completion in _COMPLETIONS:
            verdict = _verdict(grader, completion, truth)
            what = _described(grader, completion, truth, verdict)
            known = any(verdict.right is value for value in (True, False, None))
            require(known, f"{what}: `right` must be True, False or None")
            texts = isinstance(verdict.answer, str) and isinstance(verdict.reason, str)
            require(texts, f"{what}: its answer and its reason must be texts")
            explained = verdict.right is not None or verdict.reason.strip()
            require(explained, f"{what}, without a verdict: give the reason")


def without_a_truth_there_is_no_verdict(grader: Grader) -> None:
    """Assert that an answer is neither right nor wrong where there is nothing to compare it with."""
    for truth in ("", " \n"):
        for completion in ("", "So it is \\boxed{7}."):
            verdict = _verdict(grader, completion, truth)
            what = _described(grader, completion, truth, verdict)
            require(verdict.right is None, f"{what}: there is nothing to compare with, so give no verdict")


def no_answer_is_wrong(grader: Grader) -> None:
    """Assert that a completion without an answer is wrong: else a model that is silent is never wrong."""
    for completion in ("", " \n\t"):
        for truth in _TRUTHS[:2]:
            verdict = _verdict(grader, completion, truth)
            what = _described(grader, completion, truth, verdict)
            require(verdict.right is False, f"{what}: no answer is a wrong answer")


def a_boxed_answer_is_graded_correctly(grader: Grader) -> None:
    """Assert that the right answer in a box is never wrong, and no other right; a solution gives it in a box too."""
    for truth in _TRUTHS[:2]:
        for answer, right in (("7", True), ("8", False)):
            completion = f"So it is \\boxed{{{answer}}}."
            verdict = _verdict(grader, completion, truth)
            require(verdict.right is not (not right), _described(grader, completion, truth, verdict))


def _all(grader: Grader, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Verdict]:
    return {pair: _verdict(grader, *pair) for pair in pairs}


def order_and_threads_do_not_matter(grader: Grader) -> None:
    """Assert that a verdict is the same whatever was graded before, in whichever thread."""
    pairs = [(completion, truth) for truth in _TRUTHS[:4] for completion in _COMPLETIONS[:8]]
    first = _all(grader, pairs)
    # One that times itself by signals fails here: they reach the main thread alone.
    with ThreadPoolExecutor(1) as threads:
        in_a_thread = threads.submit(_all, grader, pairs[::-1]).result()
    for way, later in (("another time", _all(grader, pairs[::-1])), ("in another thread", in_a_thread)):
        for pair, verdict in first.items():
            what = _described(grader, *pair, verdict)
            require(later[pair] == verdict, f"{what}, and {shown(later[pair])} {way}")


GRADER_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    verdicts_are_sound,
    without_a_truth_there_is_no_verdict,
    no_answer_is_wrong,
    a_boxed_answer_is_graded_correctly,
    order_and_threads_do_not_matter,
)
check_grader = checker(GRADER_CHECKS)
