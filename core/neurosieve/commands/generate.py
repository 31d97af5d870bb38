"""`generate`: from problems to traces."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from neurosieve.config.choices import handed_over, is_preset, presets
from neurosieve.config.configuration import as_object, build, build_all, composed, publish
from neurosieve.config.hydra_app import run_hydra
from neurosieve.config.hydra_errors import explained
from neurosieve.contracts import Problems, Report
from neurosieve.data import Problem
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.tracing import Generate, generate_traces
from neurosieve.models.loading import Model
from neurosieve.runs.results import Run

__all__ = ["from_config", "generate", "main"]


@dataclass(frozen=True)
class _Config(Generate):
    """The whole config: the settings, and a place for each group."""

    model: Any = None
    problems: Any = None
    prompt: Any = None
    sampling: Any = None
    reports: Any = field(default_factory=dict)


SCHEMAS: Mapping[str, type] = {"generate": _Config, "model": Model, "prompt": Prompt, "sampling": Sampling}


def generate(
    problems: str | Problems | Iterable[Problem] = "arithmetic",
    model: Any = "gemma-3-270m",
    *,
    prompt: str | Prompt = "notebook",
    sampling: Sampling | Mapping[str, Any] | None = None,
    tokenizer: Any = None,
    reports: Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Let a model answer problems, and keep what it says.

    Args:
        problems: a preset, a `Problems`, or problems.
        model: a preset (`gemma-3-270m`), a hub name with its owner (`Qwen/Qwen2.5-0.5B`), a folder, a `Model`, a
            loaded Hugging Face model, or a TransformerBridge.
        prompt: a preset (`notebook`, `chat`, `corrections`), or a `Prompt`.
        sampling: a `Sampling`, or some of its fields: `temperature`, `top_p`, `max_new_tokens`, `stop`.
        tokenizer: of a loaded model that knows none.
        reports: presets, or what draws the run by name.
        folder: where the run is left; `runs/generate/<time>` by default.
        **settings: the fields of `Generate`, such as `n`, `levels`, `samples` and `seed`.

    Returns:
        The run; its folder holds `traces.jsonl`, which `source=traces` reads.

    Raises:
        NeurosieveError: what is asked cannot be done; the message says what to do next.
    """
    publish(SCHEMAS)
    by_name = is_preset(model)
    overrides = presets(
        {"model": model if by_name else None, "problems": problems, "prompt": prompt}, {"reports": reports}
    )
    with explained("generate", overrides):
        config = composed("generate", overrides)
    given: Any = problems
    return generate_traces(
        as_object(Model, config.model, "model") if by_name else handed_over(model, tokenizer),
        build(config.problems, "problems", "problems") if isinstance(problems, str) else given,
        as_object(Prompt, config.prompt, "prompt") if isinstance(prompt, str) else prompt,
        sampling if isinstance(sampling, Sampling) else as_object(Sampling, sampling or {}, "sampling"),
        as_object(Generate, settings, "generate"),
        reports if isinstance(reports, Mapping) else build_all(config.reports, "report"),
        Path(folder or f"runs/generate/{datetime.now():%Y-%m-%d/%H-%M-%S-%f}"),
    )


def from_config(config: Any, folder: Path) -> Run:
    """Run what a composed config asks for, and leave the run in `folder`."""
    settings = {name: config[name] for name in Generate.__dataclass_fields__}
    return generate_traces(
        as_object(Model, config.model, "model"),
        build(config.problems, "problems", "problems"),
        as_object(Prompt, config.prompt, "prompt"),
        as_object(Sampling, config.sampling, "sampling"),
        as_object(Generate, settings, "generate"),
        build_all(config.reports, "report"),
        folder,
    )


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `generate`."""
    from neurosieve.terminal.run import show_run

    run_hydra("generate", arguments, SCHEMAS, lambda config, folder: show_run(from_config(config, folder)))
