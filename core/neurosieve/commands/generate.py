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
from neurosieve.generation.tracing import TRACES, Generate, generate_traces
from neurosieve.models.loading import Model
from neurosieve.runs.results import Run
from neurosieve.wording import plural

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
    prompt: str | Prompt | None = None,
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
        prompt: a preset (`notebook`, `chat`, `corrections`), or a `Prompt`.
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
    choices = {
        "model": model_choice(model, tokenizer),
        "problems": problems,
        "prompt": prompt,
        "sampling": sampling,
        "reports": reports,
    }
    return generate_traces(**COMMAND.from_python(choices, settings), folder=COMMAND.run_folder(folder))


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `generate`."""

    def task(config: Any, folder: Path) -> None:
        _show(generate_traces(**COMMAND.build(config), folder=folder))

    run_hydra(COMMAND, arguments, task)


def _show(run: Run) -> None:
    """Print what was made, and what can be done with it."""
    from rich.markup import escape

    from neurosieve.terminal.find import console

    out, counts, model = console(), run.run["counts"], run.run["model"]
    for warning in run.run["warnings"]:
        out.print(f"[bold yellow]warning:[/] {escape(warning)}")
    made, seconds = counts["tokens_made"], run.run["timings_seconds"]["generating"]
    kept = f", {counts['from_the_store']:,} of them kept from before" if counts["from_the_store"] else ""
    out.print(
        f"{plural(counts['traces'], 'trace')} of {plural(counts['problems'], 'problem')} by "
        f"{escape(model['name'])} ({model['dtype']}, {model['device']}){kept}: "
        f"{counts['tokens']:,} tokens; {counts['ended']:,} were ended by the model, "
        f"{counts['out_of_tokens']:,} ran out of tokens"
    )
    if made:
        out.print(f"{made:,} tokens were made in {seconds:,.0f} s, {made / max(seconds, 0.001):,.0f} a second")
    out.print(f"traces: {escape(str(run.folder / TRACES))}", soft_wrap=True)
    out.print(f"next: neurosieve analyze source=traces source.path={escape(str(run.folder / TRACES))}", soft_wrap=True)
