"""From problems to traces: the stages of `generate`, in order."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from neurosieve.contracts import Problems, Report
from neurosieve.data import Problem
from neurosieve.disk import atomic_write
from neurosieve.errors import ConfigError, StoreError
from neurosieve.generation.completing import complete
from neurosieve.generation.problem_choice import choose_problems
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.requests import Completion, Request
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.trace_store import TraceStore
from neurosieve.models.loading import LanguageModel, Model, open_model
from neurosieve.registry import describe, installed
from neurosieve.runs.record import Stopwatch, versions
from neurosieve.runs.results import Run, draw, write_run

__all__ = ["TRACES", "Generate", "Traced", "generate_traces", "request_seed", "traced"]

TRACES = "traces.jsonl"
"""The file of a run with its traces, one a line."""


@dataclass(frozen=True)
class Generate:
    """What `generate` is told besides its problems, its model, its prompt and its sampling."""

    n: int | None = None
    """How many problems, drawn by the seed; all, by default."""
    levels: tuple[str, ...] = ()
    """Of which levels; 3 stands for `Level 3` too. All, by default."""
    types: tuple[str, ...] = ()
    """Of which types; all, by default."""
    samples: int = 1
    """How many traces of each problem."""
    seed: int = 0
    """Draws the problems, and the traces."""
    rows_per_batch: int | None = None
    """Traces that are made at once; 16 on a CPU and 64 on a GPU, by default. It changes no trace."""
    backend: Literal["transformers", "vllm"] = "transformers"
    """`vllm`, for a GPU, is the extra `vllm`; its draws are others."""
    store: str | None = None
    """The folder that keeps finished traces; the user's cache, by default."""

    def __post_init__(self) -> None:
        for name, least in (("n", 1), ("samples", 1), ("seed", 0), ("rows_per_batch", 1)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise ConfigError(f"{name} is {value!r}: give a whole number, at least {least}")
        for name in ("levels", "types"):
            if isinstance(getattr(self, name), str):  # It would be read as one a letter.
                raise ConfigError(f"{name} is a text: give a list, [{getattr(self, name)}]")


class Traced(NamedTuple):
    """Traces, in the order of their problems."""

    records: list[dict[str, Any]]
    """One for each, in the founding schema."""
    problems: list[Problem]
    counts: dict[str, int]
    warnings: list[str]


def traced(
    model: LanguageModel,
    problems: Iterable[Problem],
    prompt: Prompt,
    sampling: Sampling,
    settings: Generate,
    announce: Callable[..., None],
) -> Traced:
    """Return the traces that a model makes of some problems.

    Raises:
        NeurosieveError: what is asked cannot be done; what was finished is kept.
    """
    chosen = choose_problems(problems, settings.n, settings.levels, settings.types, settings.seed)
    requests = {}
    for problem in chosen:
        text = prompt.text(problem.text, model.tokenizer)
        for sample in range(settings.samples):
            identity = problem.id if sample == 0 else f"{problem.id}#{sample}"
            if identity in requests:
                raise ConfigError(
                    f"sample {sample} of the problem `{problem.id}` would be called `{identity}`, as another problem "
                    "is: rename that one"
                )
            request = Request(identity, text, request_seed(settings.seed, sample))
            requests[identity] = (request, problem, sample)
    kept = TraceStore(Path(settings.store) if settings.store else None)
    completions = {
        one.request.id: one
        for one in complete(
            model,
            [request for request, _, _ in requests.values()],
            replace(sampling, stop=(*sampling.stop, *prompt.stop)),
            rows_per_batch=settings.rows_per_batch or (16 if model.device.type == "cpu" else 64),
            announce=announce,
            traces=kept,
            backend=settings.backend,
        )
    }
    made = list(completions.values())
    counts = {
        "problems": len(chosen),
        "traces": len(made),
        "tokens": sum(len(one.token_ids) for one in made),
        "ended": sum(one.ended for one in made),
        "out_of_tokens": sum(not one.ended for one in made),
        "tokens_made": sum(len(one.token_ids) for one in made) - kept.found_tokens,
        "from_the_store": kept.found,
        "torn_lines": kept.torn,
    }
    records = [
        _record(problem, completions[identity], model.name, settings.seed, sample)
        for identity, (_, problem, sample) in requests.items()
    ]
    return Traced(records, chosen, counts, _cautions(chosen, counts, sampling))


def generate_traces(
    model: Model | LanguageModel,
    problems: Problems | Iterable[Problem],
    prompt: Prompt,
    sampling: Sampling,
    settings: Generate,
    reports: Mapping[str, Report],
    folder: Path,
) -> Run:
    """Make traces of problems, and leave the run in `folder`.

    Raises:
        NeurosieveError: what is asked cannot be done; nothing is left in `folder`.
    """
    if (folder / "run.json").exists():
        raise ConfigError(f"`{folder}` holds a finished run already, which is not written over: give another folder")
    announce, watch = installed().announce, Stopwatch()
    announce("run_started", command="generate", folder=folder)
    with watch.stage("opening the model"):
        held = model if isinstance(model, LanguageModel) else open_model(model)
    with watch.stage("generating"):
        done = traced(held, problems, prompt, sampling, settings, announce)
    run = {
        "command": "generate",
        "warnings": done.warnings,
        "counts": done.counts,
        "timings_seconds": watch.seconds,
        "model": {
            "name": held.name,
            "weights": held.fingerprint,
            "device": str(held.device),
            "dtype": str(held.dtype).removeprefix("torch."),
        },
        "config": {
            "model": vars(model) if isinstance(model, Model) else "handed over",
            "problems": describe(problems) if isinstance(problems, Problems) else "problems handed over",
            "prompt": asdict(prompt),
            "sampling": asdict(sampling),
            **asdict(settings),
            "reports": {name: describe(report) for name, report in reports.items()},
        },
        "versions": versions(),
    }
    text = "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in done.records)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / TRACES, lambda path: path.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise StoreError(
            f"cannot write `{folder / TRACES}` ({error.strerror or error}): make room, or choose another place; "
            "the same command makes no trace twice"
        ) from error
    written = write_run(folder, run, {})
    draw(folder, reports)
    announce("run_ended", command="generate", folder=folder)
    return written


def request_seed(seed: int, sample: int) -> int:
    """Return what decides the draws of a sample: no two samples of any two seeds share it."""
    return int(hashlib.sha256(f"{seed}/{sample}".encode()).hexdigest()[:15], 16)


def _record(problem: Problem, completion: Completion, model: str, seed: int, sample: int) -> dict[str, Any]:
    """Return a trace in the founding schema, with what else is known of it."""
    prompt = completion.request.prompt
    solution = problem.solution
    if problem.answer is not None and "\\boxed" not in solution:
        solution = f"{solution}\n\\boxed{{{problem.answer}}}".lstrip()  # Where readers of this schema look for it.
    return {
        "problem_id": completion.request.id,
        "problem_text": problem.text,
        "problem_type": problem.type,
        "problem_level": problem.level,
        "ground_truth_solution": solution,
        "generated_cot": prompt + completion.text,
        "answer": problem.answer,
        "completion_start": len(prompt),
        "ended": completion.ended,
        "tokens": len(completion.token_ids),
        "seed": seed,
        "sample": sample,
        "model": model,
        "prompt": prompt,
    }


def _cautions(problems: Iterable[Problem], counts: Mapping[str, int], sampling: Sampling) -> list[str]:
    """Return what a reader of the traces must know first."""
    found = []
    texts = Counter(problem.text for problem in problems)
    if repeated := sum(count - 1 for count in texts.values()):
        found.append(f"{repeated:,} problems have the text of another: their traces are the same")
    if counts["out_of_tokens"] > counts["traces"] / 2:
        found.append(
            f"{counts['out_of_tokens']:,} of {counts['traces']:,} traces ran out of their {sampling.max_new_tokens:,} "
            "tokens: raise `sampling.max_new_tokens` to see how they end"
        )
    if sampling.temperature == 0 and counts["traces"] > counts["problems"]:
        found.append("at temperature 0 nothing is drawn: all samples of a problem are the same")
    if counts["torn_lines"]:
        found.append(f"{counts['torn_lines']:,} lines of kept traces cannot be read, and were passed over")
    return found
