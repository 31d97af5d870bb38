"""A ranking tried on fresh traces: the model answers problems, and the ranked neurons are scored on what it writes."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosieve.contracts import Control, Detector, Executor, Problems, Scorer
from neurosieve.data import Document
from neurosieve.errors import DataError
from neurosieve.generation.problem_choice import choose_problems
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.tracing import TRACES, Generate, generate_traces
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.rescoring import rescored
from neurosieve.pipeline.settings import Find
from neurosieve.runs.results import Result, Run
from neurosieve.texts.selection import Selection
from neurosieve.wording import plural

__all__ = ["Validation", "validated"]


@dataclass(frozen=True)
class Validation:
    """Which fresh traces a ranking is tried on."""

    problems: Problems
    prompt: Prompt
    sampling: Sampling
    settings: Generate

    def check_ahead(self, tokenizer: Any) -> None:
        """Raise where there are no such problems, or they cannot be put to the model, before anything is read.

        Raises:
            NeurosieveError: the message says why.
        """
        chosen = self.settings
        for problem in choose_problems(self.problems, chosen.n, chosen.levels, chosen.types, chosen.seed):
            self.prompt.text(problem.text, tokenizer)


def validated(
    result: Result,
    held: LanguageModel,
    validation: Validation,
    detectors: Mapping[str, Detector],
    scorers: Mapping[str, Scorer[Any]],
    control: Control,
    selection: Selection,
    settings: Find,
    executor: Executor,
    announce: Callable[..., None],
) -> Run:
    """Make fresh traces with the model of a finished run, score its ranking on them, and return that run.

    The traces are left in the run's folder in `generate`, their scores in `rescore`.

    Raises:
        DataError: every problem took part in the ranking, or the behaviour shows in no trace; they are left there.
    """
    traces = generate_traces(
        held,
        validation.problems,
        validation.prompt,
        validation.sampling,
        validation.settings,
        {},
        result.folder / "generate",
    )
    path = traces.folder / TRACES
    try:
        return rescored(
            result,
            held,
            _documents(path),
            detectors,
            scorers,
            control,
            selection,
            settings,
            executor,
            result.folder / "rescore",
            announce,
            {"texts": "fresh traces", "traces": str(path), **traces.run["config"]},
        )
    except DataError as error:
        raise DataError(
            f"the ranking was not tried on the {plural(traces.run['counts']['traces'], 'fresh trace')} in `{path}`: "
            f"{error}. Have others made: of more problems (`validate.n`), of others (`problems@validate.problems`), "
            "with another prompt (`prompt@validate.prompt`), or longer ones (`validate.sampling.max_new_tokens`)"
        ) from error


def _documents(path: Path) -> Iterator[Document]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield Document(
                record["problem_id"],
                record["generated_cot"],
                record["problem_text"],
                record["completion_start"],
                metadata=record,
            )
