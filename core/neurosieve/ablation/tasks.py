"""The prompts that a model completes, unedited and edited."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from typing import Any, NamedTuple

from neurosieve.contracts import Detector
from neurosieve.data import Document, Problem
from neurosieve.errors import ConfigError, DataError
from neurosieve.generation.problem_choice import choose_problems
from neurosieve.generation.prompts import Prompt
from neurosieve.texts.draws import spread

__all__ = ["Task", "refuse_blind", "tasks_of_documents", "tasks_of_problems"]

_TRIED = 20
"""So many documents are checked to see whether a detector reads text."""


class Task(NamedTuple):
    """A prompt, and what is known of its problem."""

    id: str
    group: str
    prompt: str
    known: Mapping[str, Any]
    """Where a grader finds the right answer."""

    def completed(self, completion: str, number: int) -> Document:
        """Return the document that a completion makes of the prompt.

        `number` tells it from other completions. None has the id of the document that the prompt is from: a file of
        labels is about that text.
        """
        return Document(
            f"{self.id}#{number}", self.prompt + completion, self.group, len(self.prompt), metadata=self.known
        )


def tasks_of_problems(
    problems: Iterable[Problem], prompt: Prompt, tokenizer: Any, at_most: int, seed: int
) -> list[Task]:
    """Return some problems, drawn by seed, in the words of a prompt.

    Raises:
        DataError: there are none, or one has no text, or two share an id.
        ConfigError: the prompt cannot be put around them.
    """
    problems = list(problems)
    chosen = choose_problems(problems, min(at_most, len(problems)) or None, seed=seed)
    return [
        Task(
            problem.id,
            problem.id,
            prompt.text(problem.text, tokenizer),
            {"answer": problem.answer} if problem.answer is not None else {"ground_truth_solution": problem.solution},
        )
        for problem in chosen
    ]


def tasks_of_documents(documents: Iterable[Document], groups: Set[str], at_most: int, seed: int) -> list[Task]:
    """Return the prompts of some documents of some groups, drawn by seed, each prompt once.

    Raises:
        ConfigError: they have none.
    """
    tasks: dict[str, Task] = {}
    for document in documents:
        # Of several turns the model takes its first anew: later ones answer words of its own that would be others now.
        first_written = next((start for start, _ in document.stretches()), len(document.text))
        prompt = document.text[:first_written]
        if document.group in groups and prompt.strip():
            tasks.setdefault(prompt, Task(document.id, document.group, prompt, document.metadata))
    if not tasks:
        raise ConfigError(
            "the texts of the run hold no prompt for the model to go on from: give it problems, as in "
            "`problems=arithmetic prompt=corrections`"
        )
    return spread(tasks.values(), at_most, seed)


def refuse_blind(detector: Detector, behaviour: str, documents: Iterable[Document]) -> None:
    """Raise unless a detector finds in the bare text of documents some of what it finds in the documents.

    A detector that relies on annotations, on metadata or on a file about documents of known ids cannot label generated
    text.

    Raises:
        DataError: it finds nothing.
    """
    shown = 0
    for document in documents:
        if any(True for _ in detector.detect(document)):
            shown += 1
            bare = replace(document, id=f"{document.id}#0", annotations=(), metadata={})
            if any(True for _ in detector.detect(bare)):
                return
        if shown == _TRIED:
            break
    if shown:
        raise DataError(
            f"the detector of `{behaviour}` relies on annotations or metadata, so it cannot label generated text: find "
            "neurons with a detector that reads text, such as `phrases`, `regex` or a learned one"
        )
