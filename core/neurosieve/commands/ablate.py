"""`ablate`: neurons of a finished run are edited, and what that does is measured beside control neurons."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neurosieve.ablation.circuits.measuring import ablate_for_circuit
from neurosieve.ablation.completions import Writing
from neurosieve.ablation.one_by_one import ablate_one_by_one
from neurosieve.ablation.pipeline import ablate_neurons
from neurosieve.ablation.settings import Ablate
from neurosieve.commands.run_argument import check_given_run, open_run
from neurosieve.config.command import AS_CONFIG, AsConfig, Command, Fields, Many, One
from neurosieve.config.configuration import build
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Control, Detector, Grader, Intervention, Problems, Report, Source
from neurosieve.data import Document, Problem, Skipped
from neurosieve.errors import ConfigError
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.sampling import Sampling
from neurosieve.pipeline.reopening import PlannedRun, Reopened, RunInputs, parse_neurons, result_of
from neurosieve.registry import installed
from neurosieve.runs.results import Result, Run

__all__ = ["COMMAND", "ablate", "check_ahead", "go_on", "main"]

COMMAND = Command(
    "ablate",
    Ablate,
    {
        "intervention": One("intervention"),
        "problems": One("problems", optional=True),
        "prompt": Fields(Prompt),
        "sampling": Fields(Sampling),
        "grader": One("grader", optional=True, null="none"),
        "reports": Many("report"),
    },
    keys={"run": "???"},
)


def ablate(
    run: Result | str | Path,
    model: Any = None,
    *,
    intervention: str | Intervention | None = None,
    problems: str | Problems | Iterable[Problem] | None = None,
    prompt: str | Prompt | Mapping[str, Any] | None = None,
    sampling: Sampling | Mapping[str, Any] | None = None,
    grader: str | Grader | AsConfig | None = AS_CONFIG,
    source: Source | Iterable[Document | Skipped] | None = None,
    detectors: Mapping[str, Detector] | None = None,
    control: Control | None = None,
    tokenizer: Any = None,
    reports: str | Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Edit neurons of a finished run, and control neurons beside them, and measure what that does.

    Args:
        run: what `find` gave, or its folder.
        model: what was handed over to the run in Python must be handed over again, as it was to `find`; so for
            `source` (its texts), `detectors` and `control`.
        intervention: a preset (`zero`), or what is done to the neurons.
        problems: where text is generated, a preset, a `Problems`, or problems; the prompts of the held-out texts of
            the run, by default.
        prompt: a preset (`corrections`), a `Prompt`, or some of its fields, to put around the problems.
        sampling: a `Sampling`, or some of its fields.
        grader: a preset, or what says whether an answer is right; None where nothing does.
        tokenizer: of a loaded model that knows none.
        reports: presets, or what draws the run by name.
        folder: where the run is left; `<folder of the run>/ablate/<time>` by default.
        **settings: the fields of `Ablate`, such as `k`, `strength`, `neurons` and `mode`.

    Returns:
        The run, with its tables `effects` and `neurons`, and `onsets` or `traces`; with `mode="each"` its tables
        `single_neurons` and `matched_controls`; with `mode="circuit"` its tables `doses`, `circuit`,
        `sufficiency` and `measured_tokens`.

    Raises:
        NeurosieveError: it cannot be done; the message says what to do next.
    """
    result = result_of(run)
    _check_unit(_unit(result))
    choices = {"intervention": intervention, "problems": problems, "prompt": prompt, "sampling": sampling}
    parts = COMMAND.from_python({**choices, "grader": grader, "reports": reports}, settings)
    if source is not None and not isinstance(source, Source):
        source = list(source)  # They are gone through again where their prompts are.
    opened, handed_over = open_run(result, model, tokenizer, source, detectors, control)
    texts = _source(result) if source is None else source
    return _ablated(parts, opened, texts, COMMAND.run_folder(folder, result.folder), handed_over)


def _ablated(
    parts: Mapping[str, Any],
    opened: Reopened,
    source: Iterable[Document | Skipped],
    folder: Path,
    handed_over: Mapping[str, Any],
) -> Run:
    writing = Writing(source, parts["problems"], parts["prompt"], parts["sampling"], parts["grader"])
    intervention, settings, reports = parts["intervention"], parts["settings"], parts["reports"]
    if settings.mode == "each":
        return ablate_one_by_one(opened, intervention, settings, reports, folder, handed_over)
    if settings.mode == "circuit":
        return ablate_for_circuit(opened, intervention, settings, reports, folder, handed_over)
    return ablate_neurons(opened, intervention, settings, writing, reports, folder, handed_over)


def check_ahead(parts: Mapping[str, Any], ahead: PlannedRun) -> None:
    """Raise where a follow-up asks for what a run that is to come cannot have."""
    _check_unit(ahead.unit)
    ahead.atlas.check_editable()
    settings: Ablate = parts["settings"]
    ahead.check_behaviour(settings.behaviour)
    listed = parse_neurons(settings.neurons, ahead.atlas, ahead.model)
    ahead.check_layers(listed)
    ahead.check_k(settings.edited(len(listed), len(ahead.layers) * ahead.atlas.neurons))


def go_on(parts: Mapping[str, Any], result: Result, inputs: RunInputs, folder: Path) -> Run:
    """Run a follow-up on a run that has just ended."""
    return _ablated(parts, inputs.reopen(result, installed().announce), inputs.source, folder, {})


def _unit(result: Result) -> str:
    return str(result.run["config"].get("selection", {}).get("unit", "token"))


def _check_unit(unit: str) -> None:
    """Raise ConfigError unless a run has positions of one token: the effect of an edit is measured at such."""
    if unit != "token":
        raise ConfigError(
            f"`ablate` measures what edits do at single tokens, and the run reads several as one "
            f"(selection.unit={unit}): run `neurosieve find` with `selection.unit=token` on these texts, and ablate "
            "that; `neurons` takes the neurons of this run"
        )


def _source(result: Result) -> Iterable[Document | Skipped]:
    """Return the texts of a run again; none, where they were handed over to it and are not at hand."""
    node = result.run["config"]["source"]
    source: Source | tuple[()] = build(node, "source", "source") if isinstance(node, dict) else ()
    return source


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `ablate`."""
    from neurosieve.terminal.finished_run import show_run

    def task(config: Any, folder: Path) -> None:
        result = result_of(config.run)
        _check_unit(_unit(result))
        opened, _ = open_run(result)
        show_run(_ablated(COMMAND.build(config), opened, _source(result), folder, {}))

    check_given_run("ablate", arguments)
    run_hydra(COMMAND, arguments, task)
