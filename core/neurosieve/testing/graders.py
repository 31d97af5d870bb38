"""What a grader promises."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

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


def _verdict(grader: Grader, completion: str, truth: str) -> tuple[Verdict, str]:
    """Return a grader's verdict, and how a message begins that describes it."""
    with trying(grader, f"on the completion {shown(completion)} and the truth {shown(truth)}"):
        verdict = grader.grade(completion, truth)
    texts = f"the completion {shown(completion)} where the truth is {shown(truth)}"
    what = f"{shown(grader)} gives {shown(verdict)} for {texts}"
    require(isinstance(verdict, Verdict), f"{what}: that is not a `neurosieve.Verdict`")
    return verdict, what


def verdicts_are_sound(grader: Grader) -> None:
    """Assert that each verdict is right, wrong, or none for a reason, whatever the texts are."""
    for truth, completion in product(_TRUTHS, _COMPLETIONS):
        verdict, what = _verdict(grader, completion, truth)
        known = any(verdict.right is value for value in (True, False, None))
        require(known, f"{what}: `right` must be True, False or None")
        texts = isinstance(verdict.answer, str) and isinstance(verdict.reason, str)
        require(texts, f"{what}: its answer and its reason must be texts")
        explained = verdict.right is not None or verdict.reason.strip()
        require(explained, f"{what}, without a verdict: give the reason")
        require(verdict.right is None or not verdict.unanswered, f"{what}: without an answer, `right` must be None")


def without_a_truth_there_is_no_verdict(grader: Grader) -> None:
    """Assert that an answer is neither right nor wrong where there is nothing to compare it with."""
    for truth, completion in product(("", " \n"), ("", "So it is \\boxed{7}.")):
        verdict, what = _verdict(grader, completion, truth)
        require(verdict.right is None, f"{what}: there is nothing to compare with, so give no verdict")


def no_answer_is_never_right(grader: Grader) -> None:
    """Assert that a completion without an answer is wrong, or said to be unanswered: a silent model is not ignored."""
    for completion, truth in product(("", " \n\t"), _TRUTHS[:2]):
        verdict, what = _verdict(grader, completion, truth)
        advice = "there is no answer, so give `neurosieve.NO_ANSWER`, or a verdict of wrong"
        require(verdict.right is False or verdict.unanswered, f"{what}: {advice}")


def a_boxed_answer_is_graded_correctly(grader: Grader) -> None:
    """Assert that the right answer in a box is never wrong, and no other right; a solution gives it in a box too."""
    for truth, (answer, right) in product(_TRUTHS[:2], (("7", True), ("8", False))):
        verdict, what = _verdict(grader, f"So it is \\boxed{{{answer}}}.", truth)
        require(verdict.right is not (not right), what)


def order_and_threads_do_not_matter(grader: Grader) -> None:
    """Assert that a verdict is the same whatever was graded before, in whichever thread."""
    pairs = [(completion, truth) for truth in _TRUTHS[:4] for completion in _COMPLETIONS[:8]]

    def verdicts(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[Verdict, str]]:
        return {pair: _verdict(grader, *pair) for pair in pairs}

    first = verdicts(pairs)
    # One that times itself by signals fails here: they reach the main thread alone.
    with ThreadPoolExecutor(1) as threads:
        in_a_thread = threads.submit(verdicts, pairs[::-1]).result()
    for way, later in (("another time", verdicts(pairs[::-1])), ("in another thread", in_a_thread)):
        for pair, (verdict, what) in first.items():
            again, _ = later[pair]
            require(again == verdict, f"{what}, and {shown(again)} {way}")


GRADER_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    verdicts_are_sound,
    without_a_truth_there_is_no_verdict,
    no_answer_is_never_right,
    a_boxed_answer_is_graded_correctly,
    order_and_threads_do_not_matter,
)
check_grader = checker(GRADER_CHECKS)
