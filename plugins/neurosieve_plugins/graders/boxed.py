"""Grade boxed answers by how they are written."""

from dataclasses import dataclass

from neurosieve import Grader, Verdict
from neurosieve_plugins.graders.boxes import boxes, normalised, truths

__all__ = ["Boxed"]


@dataclass(frozen=True)
class Boxed(Grader):
    r"""Right if any boxed answer is written as the right one is, but for case and spaces: the founding notebook's rule.

    `\dfrac{3}{4}` and `0.75` are two answers here; the grader `math_verify` takes them as equal. A completion without a
    boxed answer is wrong.

    >>> Boxed().grade(r"So it is \boxed{X + 1}.", r"Hence $\boxed{x+1}$.")
    Verdict(right=True, answer='X + 1', reason='')
    """

    def grade(self, completion: str, truth: str) -> Verdict:
        """Compare every boxed answer of `completion` with each of `truth`, or with `truth` itself where it has none."""
        right, lacking = truths(truth, [box.answer for box in boxes(truth)])
        given = [box.answer.strip() for box in boxes(completion)]
        if lacking:
            return Verdict(None, given[-1] if given else "", lacking)
        known = {normalised(answer) for answer in right}
        matching = [answer for answer in given if normalised(answer) in known]
        return Verdict(bool(matching), next(iter([*matching, *reversed(given)]), ""))
