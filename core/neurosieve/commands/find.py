"""`find`: from texts to a ranked, replicated table of neurons."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from neurosieve.commands.follow_ups import check_ahead, follow, follow_up_step, planned
from neurosieve.config.hydra_app import run_hydra
from neurosieve.contracts import Control, Detector, Executor, Report, Scorer, Source
from neurosieve.data import Document
from neurosieve.errors import ConfigError
from neurosieve.models.architectures import atlas_of
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.fresh_traces import validate_on_fresh_traces
from neurosieve.pipeline.job import SCHEMAS, Job, job_from_config, job_of
from neurosieve.pipeline.ranking_run import run_ranking
from neurosieve.pipeline.reopening import PlannedRun, RunInputs
from neurosieve.pipeline.rescoring import rescore
from neurosieve.pipeline.settings import NO_STORE
from neurosieve.pipeline.streaming_run import run_streaming
from neurosieve.registry import describe
from neurosieve.runs.results import Result, Run, draw
from neurosieve.texts.selection import Selection

__all__ = ["find", "from_config", "job_of", "main", "with_groups"]


def find(
    model: Any = "gemma-3-270m",
    source: str | Source | Iterable[Document] = "arithmetic",
    detectors: Sequence[str] | Mapping[str, Detector] = ("backtracking",),
    scorers: Sequence[str] | Mapping[str, Scorer[Any]] = ("auc", "cohens_d"),
    *,
    control: str | Control = "distant",
    selection: str | Selection = "onset",
    tokenizer: Any = None,
    validate: str | None = None,
    replicate_on: str | Source | Iterable[Document] | None = None,
    reports: Sequence[str] | Mapping[str, Report] = (),
    executor: str | Executor = "local",
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
        selection: a preset (`prediction`), or how positions are chosen and groups split.
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
        NeurosieveError: what is asked cannot be done; the message says what to do next, and where the ranking is if it
            was finished before.
    """
    job = job_of(
        model,
        source,
        detectors,
        scorers,
        control,
        selection,
        tokenizer,
        validate,
        replicate_on,
        reports,
        executor,
        **settings,
    )
    return _run(job, Path(folder or f"runs/find/{datetime.now():%Y-%m-%d/%H-%M-%S-%f}"))


def from_config(config: Any, folder: Path) -> Result:
    """Run what a composed config asks for, and leave the run in `folder`."""
    return _run(job_from_config(config), folder)


def _run(job: Job, folder: Path) -> Result:
    """Rank, draw, and do what is to follow; each is finished, and can be looked at, before the next begins."""
    if job.settings.store == NO_STORE:
        _check_ends_with_the_ranking(job)
    plans = planned(job.settings.follow_up, job.reports)
    held = job.opened()
    if plans:
        atlas = atlas_of(held, job.settings.site)
        layers = job.settings.layers or [site.layer for site in atlas.sites]
        check_ahead(plans, PlannedRun(held.name, atlas, set(layers), list(job.detectors)))
    if job.validation is not None:
        job.validation.check_ahead(held.tokenizer)
    read = run_streaming if job.settings.store == NO_STORE else run_ranking
    result = read(job, held, folder)
    if job.validation is not None:
        trial = partial(validate_on_fresh_traces, result, held, job, job.validation)
        result = follow_up_step(result, "validate=generated", trial)
        draw(folder, job.reports)
    if job.replicate_on is not None:
        result = follow_up_step(result, "replicate_on", partial(_replicated, result, held, job))
        draw(folder, job.reports)
    if plans:
        result = follow(plans, result, RunInputs(held, job.source, job.detectors, job.control))
        draw(folder, job.reports)
    return result


def _check_ends_with_the_ranking(job: Job) -> None:
    asked = {"follow_up": job.settings.follow_up, "validate": job.validation, "replicate_on": job.replicate_on}
    going_on = [name for name, value in asked.items() if value]
    if going_on:
        raise ConfigError(
            f"`{going_on[0]}` goes on from single positions, which `store=none` does not keep: leave out one of the two"
        )


def _replicated(result: Result, held: LanguageModel, job: Job) -> Run:
    other = job.replicate_on
    assert other is not None
    described = describe(other) if isinstance(other, Source) else "documents handed over"
    origin = {"texts": "other texts", "source": described}
    return rescore(result, held, other, job, result.folder / "replicate_on", origin)


def with_groups(arguments: Sequence[str]) -> list[str]:
    """Return command line arguments with `replicate_on=` as Hydra has it: the group of sources, once more."""
    return [re.sub("^replicate_on=", "source@replicate_on=", one) for one in arguments]


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `find`."""
    from neurosieve.terminal.run import show_run

    def task(config: Any, folder: Path) -> None:
        before = (folder / "run.json").exists()
        try:
            from_config(config, folder)
        finally:  # What goes on from a ranking may fail, or be interrupted: the ranking stands.
            if not before and (folder / "run.json").exists():
                show_run(Result(folder))

    run_hydra("find", with_groups(arguments), SCHEMAS, task)
