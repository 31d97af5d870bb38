"""`generate`: from problems to traces."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.config.choices import model_choice
from neurosieve.config.command import Command, Fields, Many, One
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Problems, Report
from neurosieve.data import Problem
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.tracing import Generate, generate_traces
from neurosieve.models.loading import Model
from neurosieve.runs.results import Run

__all__ = ["COMMAND", "generate", "main"]

COMMAND = Command(
    "generate",
    Generate,
    {
        "model": Fields(Model),
        "problems": One("problems"),
        "prompt": Fields(Prompt),
        "sampling": Fields(Sampling),
        "reports": Many("report"),
    },
)


def generate(
    problems: str | Problems | Iterable[Problem] | None = None,
    model: Any = None,
    *,
    prompt: str | Prompt | Mapping[str, Any] | None = None,
    sampling: Sampling | Mapping[str, Any] | None = None,
    tokenizer: Any = None,
    reports: str | Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Let a model answer problems, and keep what it says.

    Args:
        problems: a preset, a `Problems`, or problems.
        model: a preset (`gemma-3-270m`), a hub name with its owner (`Qwen/Qwen2.5-0.5B`), a folder, a `Model`, a
            loaded Hugging Face model, or a TransformerBridge.
        prompt: a preset (`notebook`, `chat`, `corrections`), a `Prompt`, or some of its fields.
        sampling: a `Sampling`, or some of its fields: `temperature`, `top_p`, `max_new_tokens`, `stop`.
        tokenizer: of a loaded model that knows none.
        reports: presets, or what draws the run by name.
        folder: where the run is left; `runs/generate/<time>` by default.
        **settings: the fields of `Generate`, such as `n`, `levels`, `samples` and `seed`.

    Returns:
        The run; its folder holds `traces.jsonl`, which `source=traces` reads.

    Raises:
        NeurosieveError: it cannot be done; the message says what to do next.
    """
    choices = {"problems": problems, "prompt": prompt, "sampling": sampling, "reports": reports}
    choices["model"] = model_choice(model, tokenizer)
    return generate_traces(**COMMAND.from_python(choices, settings), folder=COMMAND.run_folder(folder))


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `generate`."""
    from neurosieve.terminal.finished_run import show_run

    def task(config: Any, folder: Path) -> None:
        show_run(generate_traces(**COMMAND.build(config), folder=folder))

    run_hydra(COMMAND, arguments, task)
