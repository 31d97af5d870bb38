"""A ranking tested on fresh traces: the model answers problems, and the ranked neurons are scored on its answers."""

import json
from collections.abc import Iterator
from pathlib import Path

from neurosieve.data import Document
from neurosieve.errors import DataError
from neurosieve.generation.tracing import TRACES, generate_traces
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.rescoring import rescore
from neurosieve.pipeline.validation import Validation
from neurosieve.runs.results import Result, Run
from neurosieve.wording import plural

__all__ = ["validate_on_fresh_traces"]


def validate_on_fresh_traces(result: Result, lm: LanguageModel, job: Job, validation: Validation) -> Run:
    """Generate traces with the model of a finished run, score its ranking on them, and return that run.

    The traces are left in the run's folder in `generate`, their scores in `rescore`.

    Raises:
        DataError: every problem took part in the ranking, or the behaviour shows in no trace; the traces are kept.
    """
    chosen = (validation.problems, validation.prompt, validation.sampling, validation.settings)
    traces = generate_traces(lm, *chosen, {}, result.folder / "generate")
    path = traces.folder / TRACES
    origin = {"texts": "fresh traces", "traces": str(path), **traces.run["config"]}
    try:
        return rescore(result, lm, _documents(path), job, result.folder / "rescore", origin)
    except DataError as error:
        raise DataError(
            f"the ranking was not tested on the {plural(traces.run['counts']['traces'], 'fresh trace')} in `{path}`: "
            f"{error}. Generate others: of more problems (`validate.n`), of others (`problems@validate.problems`), "
            "with another prompt (`prompt@validate.prompt`), or longer ones (`validate.sampling.max_new_tokens`)"
        ) from error


def _documents(path: Path) -> Iterator[Document]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            text, start = record["generated_cot"], record["completion_start"]
            yield Document(record["problem_id"], text, record["problem_text"], start, metadata=record)
