"""Documents made from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Annotated

from annotated_types import Ge, Le

from neurosieve import Document, Source, Span, check_fields
from neurosieve_plugins.sources.drawn import draw_story, equation
from neurosieve_plugins.sources.stories import FAMILIAR, OPENINGS, STEPS, THOUGHTS, UNFAMILIAR

__all__ = ["Arithmetic"]

_PROMPT = (
    "Solve this math problem step by step. Put your final answer in \\boxed{{}}. Problem: {problem} Solution: \n<think>"
)
_CORRECTED = ("{left} {sign} {right} = {result}.", "It is {result}.", "{left} {verb} {right} is {result}.")
_FAMILIAR_SHARE = 0.83
"""How many corrections use a phrase that the founding notebook looked for."""


@dataclass(frozen=True)
class Arithmetic(Source):
    """Worked solutions to word problems, some with a slip that is noticed and put right.

    Where a slip is taken back is annotated, as `backtracking`. Every document also uses the words of such remarks for
    other things ("people wait ten minutes in line here"). Document 7 of a seed does not depend on how many there are.

    >>> document = next(iter(Arithmetic(documents=1, slips=1.0)))
    >>> [span] = document.annotations
    >>> document.text[span.start : span.end], document.metadata["answer"]
    ('Sorry, I got that line wrong', '1192')
    """

    documents: Annotated[int, Ge(1)] = 500
    seed: int = 0
    slips: Annotated[float, Ge(0), Le(1)] = 0.5
    """The share of documents with a slip."""

    def __post_init__(self) -> None:
        check_fields(self, "the source `arithmetic`: ")

    def __iter__(self) -> Iterator[Document]:
        return (self._document(number) for number in range(self.documents))

    def _document(self, number: int) -> Document:
        # The slip has random numbers of its own: a document with a slip differs from the one without by it alone.
        rng, slip_rng = Random(f"{self.seed}/{number}"), Random(f"{self.seed}/{number}/slip")
        drawn = draw_story(rng)
        story, values, problem = drawn.story, drawn.values, drawn.problem
        slipped = slip_rng.random() < self.slips
        wrong_step = slip_rng.randrange(len(story.steps)) if slipped else None
        decoy, decoy_step = rng.choice((*story.asides, *rng.sample(THOUGHTS, 3))), rng.randrange(len(story.steps))

        text = _PROMPT.format(problem=problem)
        start = len(text)
        text += "\n" + rng.choice(OPENINGS).format(goal=drawn.goal)
        annotations = []
        for at, step in enumerate(story.steps):
            if at == decoy_step:
                text += " " + decoy
            now = rng.choice(("First", "To begin") if at == 0 else ("Next", "Then", "Now"))
            wording = rng.choice(STEPS)
            parts = equation(step, values)
            if at == wrong_step:
                wrong = parts | {"result": str(_wrong(slip_rng, values[step.result]))}
                text += " " + wording.format(now=now, what=step.what, **wrong) + " "
                remark = slip_rng.choice(FAMILIAR if slip_rng.random() < _FAMILIAR_SHARE else UNFAMILIAR)
                annotations.append(Span(len(text), len(text) + len(remark) - 1, "backtracking"))
                text += f"{remark} {slip_rng.choice(_CORRECTED).format(**parts)}"
            else:
                text += " " + wording.format(now=now, what=step.what, **parts)
        answer = str(values[story.steps[-1].result])
        text += f"\n</think>\n\\boxed{{{answer}}}"
        metadata = {"answer": answer, "slipped": slipped}
        return Document(f"arithmetic-{number:04d}", text, problem, start, tuple(annotations), metadata)


def _wrong(rng: Random, result: int) -> int:
    """Return a number that somebody might get in place of `result`."""
    swapped = int(str(result)[:-2] + str(result)[-1] + str(result)[-2]) if result > 9 else result
    slips = {result - 10, result + 10, result - 1, result + 2, result + 100, result - 100, swapped}
    return rng.choice(sorted(slip for slip in slips if slip > 0 and slip != result))
