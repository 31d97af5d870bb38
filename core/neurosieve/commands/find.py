"""`find`: from texts to a ranked, replicated table of neurons."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from neurosieve.commands.follow_ups import FollowUp, check_ahead, follow, follow_up_step, planned, ranking_kept
from neurosieve.config.choices import model_choice
from neurosieve.config.command import Command, Fields, Group, Many, One
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Control, Detector, Executor, Reading, Report, Scorer, Source
from neurosieve.data import Document, Skipped
from neurosieve.errors import ConfigError
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.tracing import Generate
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import LanguageModel, Model
from neurosieve.pipeline.fresh_traces import validate_on_fresh_traces
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.ranking_run import run_ranking
from neurosieve.pipeline.reopening import PlannedRun, RunInputs
from neurosieve.pipeline.rescoring import rescore
from neurosieve.pipeline.settings import NO_STORE, Find
from neurosieve.pipeline.streaming_run import run_streaming
from neurosieve.pipeline.validation import Validation
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import draw
from neurosieve.runs.results import BESIDE, Result, Run
from neurosieve.texts.intake import first_look
from neurosieve.texts.resumable import ResumableSource
from neurosieve.texts.selection import Selection

__all__ = ["COMMAND", "find", "job_of", "main"]

_FRESH_TRACES = Group(
    Validation, Generate, {"problems": One("problems"), "prompt": Fields(Prompt), "sampling": Fields(Sampling)}
)
COMMAND = Command(
    "find",
    Find,
    {
        "model": Fields(Model),
        "source": One("source"),
        "detectors": Many("detector", needed=True),
        "control": One("control"),
        "selection": Fields(Selection),
        "reading": One("reading", implies="scorers"),
        "beside": One("reading", optional=True, group="reading@beside"),
        "scorers": Many("scorer", needed=True),
        "validate": _FRESH_TRACES,
        "replicate_on": One("source", optional=True, group="source@replicate_on"),
        "executor": One("executor"),
        "reports": Many("report"),
    },
    bundles=("experiment",),
)
_VALIDATE = "validate=generated"


def find(
    model: Any = None,
    source: str | Source | Iterable[Document | Skipped] | None = None,
    detectors: str | Sequence[str] | Mapping[str, Detector] | None = None,
    scorers: str | Sequence[str] | Mapping[str, Scorer[Any]] | None = None,
    *,
    control: str | Control | None = None,
    reading: str | Reading | None = None,
    beside: str | Reading | None = None,
    selection: str | Selection | Mapping[str, Any] | None = None,
    tokenizer: Any = None,
    validate: str | None = None,
    replicate_on: str | Source | Iterable[Document | Skipped] | None = None,
    reports: str | Sequence[str] | Mapping[str, Report] = (),
    executor: str | Executor | None = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Result:
    """Find the neurons, or with `site` other coordinates, that fire when a behaviour shows.

    Args:
        model: a preset (`gemma-3-270m`), a hub name with its owner (`Qwen/Qwen2.5-0.5B`), a folder, a `Model`, a
            loaded Hugging Face model, or a TransformerBridge.
        source: a preset, a `Source`, or documents.
        detectors: presets, or detectors by the name of the behaviour that each finds.
        scorers: presets, or scorers by the name of the column that each fills.
        control: a preset, or what chooses the positions to compare with.
        reading: what is read of a neuron at a position: `activation` (what fires), `attribution` (what it does to the
            log-probability of the token there), `contribution` (what it adds to the residual stream, as a share), or a
            `Reading`.
        beside: a second reading of the same texts, ranked by itself in a run of its own, in the folder `beside`.
        selection: a preset (`prediction`), a `Selection`, or some of its fields: how positions are chosen and groups
            split.
        tokenizer: of a loaded model that knows none.
        validate: `generated` scores the ranking again on fresh traces of the model.
        replicate_on: a preset, a `Source`, or documents, on which the ranking is scored again; those of problems that
            took part in the ranking are left out.
        reports: presets (`html`, `figures`), or what draws the run by name.
        executor: `local`, `ray`, or where the model is to be read.
        folder: where the run is left; `runs/find/<time>` by default.
        **settings: the fields of `Find`, such as `seed`, `rank_by` and `site`.

    Returns:
        The run. It has a warning where the texts do not hold what `validate`, `replicate_on` or `follow_up` needs: the
        ranking stands.

    Raises:
        NeurosieveError: it cannot be done; the message says what to do next, and where the ranking is if it
            was finished before.
    """
    choices: dict[str, Any] = {"control": control, "selection": selection, "executor": executor, "reports": reports}
    choices |= {
        "reading": reading,
        "beside": beside,
        "tokenizer": tokenizer,
        "validate": validate,
        "replicate_on": replicate_on,
    }
    return _run(job_of(model, source, detectors, scorers, **choices, **settings), COMMAND.run_folder(folder))


def job_of(model: Any = None, source: Any = None, detectors: Any = None, scorers: Any = None, **more: Any) -> Job:
    """Return what the arguments of `find` ask for: presets by name, or what is handed over itself."""
    choices = {"source": source, "detectors": detectors, "scorers": scorers, "reports": ()}
    choices["model"] = model_choice(model, more.pop("tokenizer", None))
    choices |= {name: more.pop(name) for name in COMMAND.parts if name in more}
    return Job(**COMMAND.from_python(choices, more))


def _run(job: Job, folder: Path) -> Result:
    """Rank, draw, and do what is to follow; each is finished, and can be looked at, before the next begins."""
    job.check()
    if job.settings.store == NO_STORE:
        _check_ends_with_the_ranking(job)
    plans = planned(job.settings.follow_up, job.reports)
    lm = job.opened()
    if plans:
        atlas = atlas_of(lm, job.settings.site)
        layers = job.settings.layers or [site.layer for site in atlas.sites]
        check_ahead(plans, PlannedRun(lm.name, atlas, set(layers), list(job.detectors), job.selection.unit))
    if job.validate is not None:
        _check_scopes(job.detectors)
        job.validate.check_ahead(lm.tokenizer)
    if isinstance(job.replicate_on, Source):
        # A file that is not there is a mistake to hear of before hours of reading.
        first_look(ResumableSource(job.replicate_on))
    parts = {"beside": job.beside, _VALIDATE: job.validate, "replicate_on": job.replicate_on}
    steps = [*(step for step, part in parts.items() if part is not None), *(plan.line for plan in plans)]
    with ranking_kept(folder, steps, job.reports) as missing:
        read = run_streaming if job.settings.store == NO_STORE else run_ranking
        return _followed(read(job, lm, folder), job, lm, plans, missing.remove)


def _followed(
    result: Result, job: Job, lm: LanguageModel, plans: Sequence[FollowUp], done: Callable[[str], Any]
) -> Result:
    """Do what is to follow a finished ranking; `done` hears of each step that has ended."""
    if job.beside is not None:
        second = partial(run_ranking, job.with_reading(job.beside), lm, result.folder / BESIDE)
        result = follow_up_step(result, "beside", second)
        done("beside")
        draw(result.folder, job.reports)
    if job.validate is not None:
        step = partial(validate_on_fresh_traces, result, lm, job, job.validate)
        result = follow_up_step(result, _VALIDATE, step)
        done(_VALIDATE)
        draw(result.folder, job.reports)
    if job.replicate_on is not None:
        result = follow_up_step(result, "replicate_on", partial(_replicated, result, lm, job, job.replicate_on))
        done("replicate_on")
        draw(result.folder, job.reports)
    if plans:
        inputs = RunInputs(lm, job.source, job.detectors, job.control)
        edits = [plan for plan in plans if plan.command.name == "ablate"]
        if result.beside and edits:  # What is edited of one ranking is compared with what is edited of the other.
            follow(edits, result.beside, inputs, job.reports, lambda line: None)
        result = follow(plans, result, inputs, job.reports, done)
    return result


def _check_ends_with_the_ranking(job: Job) -> None:
    requested = {
        "follow_up": job.settings.follow_up,
        "beside": job.beside,
        "validate": job.validate,
        "replicate_on": job.replicate_on,
    }
    if name := next((name for name, value in requested.items() if value), ""):
        raise ConfigError(
            f"`{name}` goes on from single positions, which `store=none` does not keep: leave out one of the two"
        )


def _check_scopes(detectors: Mapping[str, Detector]) -> None:
    for name, detector in detectors.items():
        if detector.scope != "completion":
            raise ConfigError(
                f"the detector of `{name}` looks in the {detector.scope} alone, and nothing tells what that is in "
                "fresh traces: leave out `validate`, or take `scope=completion`"
            )


def _replicated(result: Result, lm: LanguageModel, job: Job, texts: Iterable[Document | Skipped]) -> Run:
    origin = {"texts": "other texts", **described({"source": texts})}
    return rescore(result, lm, texts, job, result.folder / "replicate_on", origin)


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `find`."""
    from neurosieve.terminal.finished_run import show_run

    def task(config: Any, folder: Path) -> None:
        before = (folder / "run.json").exists()
        try:
            _run(Job(**COMMAND.build(config)), folder)
        finally:  # What goes on from a ranking may fail, or be interrupted: the ranking stands.
            if not before and (folder / "run.json").exists():
                show_run(Result(folder))

    run_hydra(COMMAND, arguments, task)
