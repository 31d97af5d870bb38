"""A ranking tried on fresh traces: the model answers problems, and the ranked neurons are scored on what it writes."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosieve.contracts import Control, Detector, Problems, Scorer
from neurosieve.data import Document
from neurosieve.generation.completing import Sampling
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.tracing import TRACES, Generate, generate_traces
from neurosieve.loading import LanguageModel
from neurosieve.rescoring import rescored
from neurosieve.results import Result, Run
from neurosieve.selection import Selection
from neurosieve.settings import Find

__all__ = ["Validation", "validated"]


@dataclass(frozen=True)
class Validation:
    """Which fresh traces a ranking is tried on."""

    problems: Problems
    prompt: Prompt
    sampling: Sampling
    settings: Generate


def validated(
    result: Result,
    held: LanguageModel,
    validation: Validation,
    detectors: Mapping[str, Detector],
    scorers: Mapping[str, Scorer[Any]],
    control: Control,
    selection: Selection,
    settings: Find,
    announce: Callable[..., None],
) -> Run:
    """Make fresh traces with the model of a finished run, score its ranking on them, and return that run.

    The traces are left in the run's folder in `generate`, their scores in `rescore`.

    Raises:
        DataError: every problem took part in the ranking, or the behaviour shows in no trace.
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
    return rescored(
        result,
        held,
        _documents(traces.folder / TRACES),
        detectors,
        scorers,
        control,
        selection,
        settings,
        result.folder / "rescore",
        announce,
        {"texts": "fresh traces", "traces": str(traces.folder / TRACES), **traces.run["config"]},
    )


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
