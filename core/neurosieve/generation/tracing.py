"""From problems to traces: the stages of `generate`, in order."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from neurosieve.contracts import Problems, Report
from neurosieve.data import Problem
from neurosieve.disk import atomic_write
from neurosieve.errors import ConfigError, ModelError, StoreError
from neurosieve.fields import check_fields
from neurosieve.generation.completion import complete, prompt_tokens
from neurosieve.generation.problem_choice import choose_problems
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.requests import Completion, Request, request_seed
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.trace_store import TraceStore
from neurosieve.models.architectures import atlas_of
from neurosieve.models.assumptions import check_model
from neurosieve.models.context import context_of
from neurosieve.models.loading import LanguageModel, Model
from neurosieve.models.shared import shared_model
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import Recording, recording
from neurosieve.runs.results import Run
from neurosieve.wording import plural

__all__ = ["TRACES", "Generate", "generate_traces"]

TRACES = "traces.jsonl"
"""The file of a run with its traces, one a line."""


@dataclass(frozen=True)
class Generate:
    """Settings of `generate`, besides its problems, its model, its prompt and its sampling."""

    n: Annotated[int, Ge(1)] | None = None
    """How many problems, drawn by the seed; all, by default."""
    levels: tuple[str, ...] = ()
    """Of which levels; 3 stands for `Level 3` too. All, by default."""
    types: tuple[str, ...] = ()
    """Of which types; all, by default."""
    samples: Annotated[int, Ge(1)] = 1
    """How many traces of each problem."""
    seed: Annotated[int, Ge(0)] = 0
    """Draws the problems, and the traces."""
    rows_per_batch: Annotated[int, Ge(1)] | None = None
    """Traces that are made at once; 16 on a CPU and 64 on a GPU, by default. It changes no trace."""
    backend: Literal["transformers", "vllm"] = "transformers"
    """`vllm`, for a GPU, is the extra `vllm`; its draws are others."""
    store: str | None = None
    """The folder that keeps finished traces; the user's cache, by default."""

    def __post_init__(self) -> None:
        check_fields(self)


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
        NeurosieveError: the settings cannot be met; what was finished is kept, and nothing is left in `folder`.
    """
    with recording("generate", folder, reports) as run:
        with run.stage("opening the model"):
            lm = model if isinstance(model, LanguageModel) else shared_model(model)
        with run.stage("testing the model"):
            tests = _test(lm, settings, run)
        with run.stage("generating"):
            chosen = choose_problems(problems, settings.n, settings.levels, settings.types, settings.seed)
            records = _make_traces(lm, chosen, prompt, sampling, settings, run)
        choices = {"model": model, "problems": problems, "prompt": prompt, "sampling": sampling, "reports": reports}
        run.record |= {"model": lm.record() | tests, "config": described(choices) | asdict(settings)}
        text = "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            atomic_write(folder / TRACES, lambda path: path.write_text(text, encoding="utf-8"))
        except OSError as error:
            raise StoreError(
                f"cannot write `{folder / TRACES}` ({error.strerror or error}): make room, or choose another place; "
                "the same command makes no trace twice"
            ) from error
    return run.run


def _test(lm: LanguageModel, settings: Generate, run: Recording) -> dict[str, Any]:
    """Test the model at its last residual stream, on which all tokens that it gives rest; return what is recorded."""
    if settings.backend != "transformers":
        return {}
    try:
        atlas = atlas_of(lm, "resid_post")
    except ModelError as error:
        run.warnings.append(f"whether `{lm.name}` looks at later tokens was not tested: {error}")
        return {}
    tests = check_model(lm, atlas, atlas.sites[-1:])
    run.warnings += tests.warnings(lm.name, "rows_per_batch=1")
    return {"tests": tests.record()}


def _make_traces(
    lm: LanguageModel, chosen: list[Problem], prompt: Prompt, sampling: Sampling, settings: Generate, run: Recording
) -> list[dict[str, Any]]:
    """Return the traces that a model makes of some problems, in their order; counts and warnings go to the run."""
    requests: dict[str, tuple[Request, Problem, int]] = {}
    for problem in chosen:
        text = prompt.text(problem.text, lm.tokenizer)
        for sample in range(settings.samples):
            identity = problem.id if sample == 0 else f"{problem.id}#{sample}"
            if identity in requests:
                raise ConfigError(
                    f"sample {sample} of the problem `{problem.id}` would be called `{identity}`, as another problem "
                    "is: rename that problem"
                )
            requests[identity] = Request(identity, text, request_seed(settings.seed, sample)), problem, sample
    store = TraceStore(Path(settings.store) if settings.store else None)
    made = complete(
        lm,
        [request for request, _, _ in requests.values()],
        replace(sampling, stop=(*sampling.stop, *prompt.stop)),
        rows_per_batch=settings.rows_per_batch or (16 if lm.device.type == "cpu" else 64),
        announce=run.announce,
        traces=store,
        backend=settings.backend,
    )
    completions = {completion.request.id: completion for completion in made}
    tokens = sum(len(completion.token_ids) for completion in completions.values())
    ended = sum(completion.ended for completion in completions.values())
    run.counts.update(
        problems=len(chosen),
        traces=len(completions),
        tokens=tokens,
        ended=ended,
        out_of_tokens=len(completions) - ended,
        tokens_made=tokens - store.found_tokens,
        from_the_store=store.found,
        torn_lines=store.torn,
    )
    run.warnings += [*_cautions(chosen, run.counts, sampling), *_too_long(lm, completions.values())]
    return [
        _record(problem, completions[identity], lm.name, settings.seed, sample)
        for identity, (_, problem, sample) in requests.items()
    ]


def _record(problem: Problem, completion: Completion, model: str, seed: int, sample: int) -> dict[str, Any]:
    """Return a trace in the founding schema, with what else is known of it."""
    prompt, solution = completion.request.prompt, problem.solution
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


def _too_long(lm: LanguageModel, completions: Iterable[Completion]) -> list[str]:
    """Return a warning where traces are longer than the model was made for."""
    made_for = context_of(lm.config).made_for
    lengths = [
        len(prompt_tokens(lm.tokenizer, completion.request.prompt)) + len(completion.token_ids)
        for completion in completions
    ]
    longer = sum(made_for is not None and length > made_for for length in lengths)
    if not longer:
        return []
    return [
        f"{longer:,} of {plural(len(lengths), 'trace')} with their prompts are longer than the {made_for or 0:,} "
        f"tokens that `{lm.name}` was made for: lower `sampling.max_new_tokens`, or take a model with a longer context"
    ]


def _cautions(problems: Iterable[Problem], counts: Mapping[str, int], sampling: Sampling) -> list[str]:
    """Return what a reader of the traces must know first."""
    warnings = []
    texts = [problem.text for problem in problems]
    if repeated := len(texts) - len(set(texts)):
        warnings.append(f"{repeated:,} problems have the text of another: their traces are the same")
    if counts["out_of_tokens"] > counts["traces"] / 2:
        warnings.append(
            f"{counts['out_of_tokens']:,} of {counts['traces']:,} traces ran out of their {sampling.max_new_tokens:,} "
            "tokens: raise `sampling.max_new_tokens` to see how they end"
        )
    if sampling.temperature == 0 and counts["traces"] > counts["problems"]:
        warnings.append("at temperature 0 nothing is drawn: all samples of a problem are the same")
    if counts["torn_lines"]:
        warnings.append(f"{counts['torn_lines']:,} lines of kept traces cannot be read, and were skipped")
    return warnings
