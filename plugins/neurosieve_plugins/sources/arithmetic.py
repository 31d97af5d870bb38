"""Documents made from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any

from annotated_types import Ge, Le

from neurosieve import Document, Source, Span, check_fields
from neurosieve_plugins.sources.drawn import draw_story, equation
from neurosieve_plugins.sources.slips import chance_of_slip, unnoticed_slip, worked_values, wrong_result
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

    With `samples`, each problem has several solutions, which are one group, in other words each. With `unnoticed`, some
    answers are wrong. The metadata of each document then says whether its answer is `right`, and gives the `level` and
    the `type` of the problem and the number of the `sample`; `answer` is always the right one.

    >>> document = next(iter(Arithmetic(documents=1, slips=1.0)))
    >>> [span] = document.annotations
    >>> document.text[span.start : span.end], document.metadata["answer"]
    ('Sorry, I got that line wrong', '1192')
    """

    documents: Annotated[int, Ge(1)] = 500
    seed: int = 0
    slips: Annotated[float, Ge(0), Le(1)] = 0.5
    """The share of documents with a slip that is noticed and put right."""
    samples: Annotated[int, Ge(1)] = 1
    """How many solutions of each problem there are among the documents, one after the other."""
    unnoticed: Annotated[float, Ge(0), Le(1)] = 0.0
    """About the share of documents with a slip that nobody notices, so that the answer is wrong. It is larger for
    problems with more steps and larger numbers."""

    def __post_init__(self) -> None:
        check_fields(self, "the source `arithmetic`: ")

    def __iter__(self) -> Iterator[Document]:
        return (self._document(*divmod(number, self.samples)) for number in range(self.documents))

    def _document(self, number: int, sample: int) -> Document:
        """Return a solution of the problem with a number."""
        draws = f"{self.seed}/{number}"
        rng = Random(draws)
        drawn = draw_story(rng)
        if sample:
            draws += f"/{sample}"
            rng = Random(draws)
        # Slips have random numbers of their own: a document with a slip differs from the one without by it alone.
        slip_rng, unnoticed_rng = Random(f"{draws}/slip"), Random(f"{draws}/unnoticed")
        story, values = drawn.story, dict(drawn.values)
        slipped = slip_rng.random() < self.slips
        wrong_step = slip_rng.randrange(len(story.steps)) if slipped else None
        unnoticed = None
        if unnoticed_rng.random() < chance_of_slip(drawn, self.unnoticed):
            unnoticed = unnoticed_slip(unnoticed_rng, drawn, wrong_step)
        decoy, decoy_step = rng.choice((*story.asides, *rng.sample(THOUGHTS, 3))), rng.randrange(len(story.steps))

        text = _PROMPT.format(problem=drawn.problem)
        start = len(text)
        text += "\n" + rng.choice(OPENINGS).format(goal=drawn.goal)
        annotations = []
        for at, step in enumerate(story.steps):
            if at == decoy_step:
                text += " " + decoy
            now = rng.choice(("First", "To begin") if at == 0 else ("Next", "Then", "Now"))
            wording = rng.choice(STEPS)
            parts = equation(step, values)
            if unnoticed is not None and at == unnoticed.step:
                values[step.result] = unnoticed.result
                parts["result"] = str(unnoticed.result)
            if at == wrong_step:
                wrong = parts | {"result": str(wrong_result(slip_rng, values[step.result]))}
                text += " " + wording.format(now=now, what=step.what, **wrong) + " "
                remark = slip_rng.choice(FAMILIAR if slip_rng.random() < _FAMILIAR_SHARE else UNFAMILIAR)
                annotations.append(Span(len(text), len(text) + len(remark) - 1, "backtracking"))
                text += f"{remark} {slip_rng.choice(_CORRECTED).format(**parts)}"
            else:
                text += " " + wording.format(now=now, what=step.what, **parts)
        text += f"\n</think>\n\\boxed{{{values[story.steps[-1].result]}}}"
        metadata: dict[str, Any] = {"answer": str(worked_values(drawn)[story.steps[-1].result]), "slipped": slipped}
        if self.samples > 1 or self.unnoticed:
            metadata |= {"right": unnoticed is None, "level": drawn.level, "type": drawn.type, "sample": sample}
        identity = f"arithmetic-{number:04d}" + (f"#{sample}" if sample else "")
        return Document(identity, text, drawn.problem, start, tuple(annotations), metadata)
