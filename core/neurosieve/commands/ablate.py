"""`ablate`: neurons of a finished run are edited, and what that does is measured beside control neurons."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from neurosieve.ablation.completions import Writing
from neurosieve.ablation.hooks import check_editable
from neurosieve.ablation.pipeline import ablate_neurons
from neurosieve.ablation.settings import Ablate
from neurosieve.commands.run_argument import check_given_run
from neurosieve.config.choices import handed_over, presets
from neurosieve.config.configuration import as_object, build, build_all, composed, publish
from neurosieve.config.hydra_app import run_hydra
from neurosieve.config.hydra_errors import explained
from neurosieve.contracts import Control, Detector, Grader, Intervention, Problems, Report, Source
from neurosieve.data import Document, Problem
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.sampling import Sampling
from neurosieve.pipeline.reopening import PlannedRun, RunInputs, neurons_asked, reopened, result_of
from neurosieve.registry import installed
from neurosieve.runs.results import Result, Run

__all__ = ["ablate", "from_config", "go_on", "main"]


@dataclass(frozen=True)
class _Config(Ablate):
    """The whole config: the settings, the run, and a place for each group."""

    run: str = "???"
    intervention: Any = None
    problems: Any = None
    prompt: Any = None
    sampling: Any = None
    grader: Any = None
    reports: Any = field(default_factory=dict)


SCHEMAS: Mapping[str, type] = {"ablate": _Config, "prompt": Prompt, "sampling": Sampling}


def ablate(
    run: Result | str | Path,
    model: Any = None,
    *,
    intervention: str | Intervention = "mean",
    problems: str | Problems | Iterable[Problem] | None = None,
    prompt: str | Prompt = "notebook",
    sampling: Sampling | Mapping[str, Any] | None = None,
    grader: str | Grader | None = "math_verify",
    source: Source | Iterable[Document] | None = None,
    detectors: Mapping[str, Detector] | None = None,
    control: Control | None = None,
    tokenizer: Any = None,
    reports: Sequence[str] | Mapping[str, Report] | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Run:
    """Edit neurons of a finished run, and control neurons beside them, and measure what that does.

    Args:
        run: what `find` gave, or its folder.
        model: what was handed over to the run in Python must be handed over again, as it was to `find`; so for
            `source`, `detectors` and `control`.
        intervention: a preset (`zero`), or what is done to the neurons.
        problems: where text is generated, a preset, a `Problems`, or problems; the prompts of the held-out texts of
            the run, by default.
        prompt: a preset (`corrections`), or a `Prompt`, to put around the problems.
        sampling: a `Sampling`, or some of its fields.
        grader: a preset, or what says whether an answer is right; None where nothing does.
        source: the texts of the run.
        detectors: of the run.
        control: of the run.
        tokenizer: of a loaded model that knows none.
        reports: presets, or what draws the run by name.
        folder: where to leave what is found; `<folder of the run>/ablate/<time>` by default.
        **settings: the fields of `Ablate`, such as `k`, `strength`, `neurons` and `mode`.

    Returns:
        The run, with its tables `effects` and `neurons`, and `onsets` or `traces`.

    Raises:
        NeurosieveError: what is asked cannot be done; the message says what to do next.
    """
    publish(SCHEMAS)
    result = result_of(run)
    asked = as_object(Ablate, settings, "ablate")
    chosen = {"intervention": intervention, "problems": problems, "prompt": prompt, "grader": grader}
    overrides = ["run=asked", *presets(chosen, {"reports": reports})]
    with explained("ablate", overrides):
        config = composed("ablate", overrides)
    given: Any = problems
    if source is not None and not isinstance(source, Source):
        source = list(source)  # They are gone through again where their prompts are.
    if model is not None:
        model = handed_over(model, tokenizer)
    announce = installed().announce
    opened = reopened(result, model=model, documents=source, detectors=detectors, control=control, announce=announce)
    writing = Writing(
        source if source is not None else _source(result),
        build(config.problems, "problems", "problems") if isinstance(problems, str) else given,
        as_object(Prompt, config.prompt, "prompt") if isinstance(prompt, str) else prompt,
        sampling
        if isinstance(sampling, Sampling)
        else as_object(Sampling, {**config.sampling, **(sampling or {})}, "sampling"),
        build(config.grader, "grader", "grader") if isinstance(grader, str) else grader,
    )
    return ablate_neurons(
        opened,
        build(config.intervention, "intervention", "intervention") if isinstance(intervention, str) else intervention,
        asked,
        writing,
        reports if isinstance(reports, Mapping) else build_all(config.reports, "report"),
        Path(folder or result.folder / "ablate" / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"),
        {"handed_over": [name for name, one in (("model", model), ("source", source)) if one is not None]},
    )


def from_config(config: Any, folder: Path) -> Run:
    """Run what a composed config asks for, and leave the run in `folder`."""
    result = result_of(config.run)
    opened = reopened(result, announce=installed().announce)
    return ablate_neurons(opened, *_asked(config, _source(result)), folder, {})


def go_on(config: Any, result: Result, inputs: RunInputs, folder: Path) -> Run:
    """Run what a composed config asks for on a run that has just ended."""
    opened = inputs.reopened(result, installed().announce)
    return ablate_neurons(opened, *_asked(config, inputs.source), folder, {})


def check_ahead(config: Any, ahead: PlannedRun) -> None:
    """Raise where a composed config asks for what a run that is to come cannot have."""
    check_editable(ahead.atlas)
    asked = _asked(config, ())
    ahead.check_behaviour(asked.settings.behaviour)
    listed = neurons_asked(asked.settings.neurons, ahead.atlas, ahead.model)
    ahead.check_layers(listed)
    ks, _ = asked.settings.doses(len(listed))
    ahead.check_k(ks[-1])


class _Asked(NamedTuple):
    """What a composed config asks for."""

    intervention: Intervention
    settings: Ablate
    writing: Writing
    reports: Mapping[str, Report]


def _asked(config: Any, source: Iterable[Document]) -> _Asked:
    writing = Writing(
        source,
        None if config.problems is None else build(config.problems, "problems", "problems"),
        as_object(Prompt, config.prompt, "prompt"),
        as_object(Sampling, config.sampling, "sampling"),
        None if config.grader is None else build(config.grader, "grader", "grader"),
    )
    settings = as_object(Ablate, {name: config[name] for name in Ablate.__dataclass_fields__}, "ablate")
    intervention = build(config.intervention, "intervention", "intervention")
    return _Asked(intervention, settings, writing, build_all(config.reports, "report"))


def _source(result: Result) -> Iterable[Document]:
    """Return the texts of a run again; none, where they were handed over to it and are not at hand."""
    node = result.run["config"]["source"]
    source: Source | tuple[()] = build(node, "source", "source") if isinstance(node, dict) else ()
    return source


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `ablate`."""
    from neurosieve.terminal.run import show_run

    check_given_run("ablate", arguments)
    run_hydra("ablate", arguments, SCHEMAS, lambda config, folder: show_run(from_config(config, folder)))
