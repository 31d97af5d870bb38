"""From texts of any length to a table of neurons in one pass that keeps no activation: `find store=none`."""

import dataclasses
import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.contracts import Executor, Scorer, Source
from neurosieve.disk import cache_folder, content_address
from neurosieve.errors import ConfigError, DataError
from neurosieve.models.activation import Activation
from neurosieve.models.architectures import atlas_of, model_record, sites_of
from neurosieve.models.assumptions import check_model
from neurosieve.models.batches import batch_budget
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.cautions import left_out, not_shown, too_few, undefined
from neurosieve.pipeline.checkpoint import Checkpoint
from neurosieve.pipeline.detecting import no_text
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.label_quality import label_quality, note_label_quality
from neurosieve.pipeline.long_texts import beyond_context
from neurosieve.pipeline.settings import Find
from neurosieve.pipeline.streaming_pass import Pass
from neurosieve.registry import TARGET, describe, installed
from neurosieve.runs.columns import minus_neutral_heldout
from neurosieve.runs.label_settings import detector_files
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Result
from neurosieve.scoring.ranking import neutral_values, rank_neurons
from neurosieve.scoring.states import States, statistics_of
from neurosieve.texts.absence import looked_in
from neurosieve.texts.intake import add_remark, check_majority, check_skipped, is_intake
from neurosieve.texts.looking_ahead import add_remarks
from neurosieve.texts.positions import PARTS
from neurosieve.texts.selection import Selection
from neurosieve.texts.spans import Detectors
from neurosieve.wording import plural

__all__ = ["run_streaming"]

_FORMAT = 3
"""A checkpoint of another format is not resumed from."""
_SHARDS_PER_WORKER = 4
_POSITIONS = ["behaviour", "document", "group", "part", "token", "last_token", "label", "start", "end", "text", "kind"]
_NO_EVIDENCE = (
    "read in one pass that keeps no activation (`store=none`): there is no permutation null, no interval and no "
    "verdict, the controls are all other tokens, of any kind, so that neurons that tell words from punctuation score "
    "high, and texts that are (nearly) the same are not looked for, so that each copy counts; test the best neurons in "
    "a run with a store, on texts that had no part in this one"
)


def run_streaming(job: Job, lm: LanguageModel, folder: Path) -> Result:
    """Read every token of the texts once, rank the neurons, and leave the run in `folder`.

    Only the states of the scorers' statistics are kept, so that memory does not grow with the texts; and an interrupted
    pass resumes from its last checkpoint. There is no null, no interval and no verdict: these need single positions.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    job.check()
    rank_by, quality = job.rank_by, label_quality(job)
    _check_streamable(job)
    with recording("find", folder, job.reports) as run:
        with run.stage("opening the model"):
            atlas = atlas_of(lm, job.settings.site)
            workers = job.executor.workers
            one_pass = Pass(
                lm,
                atlas,
                sites_of(atlas, job.settings.layers, lm.name),
                job.source,
                dict(job.detectors),
                job.control,
                job.selection,
                statistics_of(job.scorers.values()),
                job.settings.seed,
                batch_budget(job.settings.tokens_per_batch, lm),
                shards=1 if workers == 1 else _SHARDS_PER_WORKER * workers,
                folder=None,
                reading=job.reading,
            )
        address = _address(one_pass)
        if isinstance(job.source, Source):
            one_pass = dataclasses.replace(one_pass, folder=cache_folder() / "passes" / address)
        with run.stage("testing the model"):
            tests = check_model(lm, atlas, one_pass.sites, job.executor)
        with run.stage("reading"):
            total = _read(one_pass, job.executor, run.announce)
        check_majority(total.counts)
        check_skipped(total.counts)
        counts, requested = total.counts, list(job.detectors)
        add_remarks(job.detectors, counts)
        for name in (name for name, detector in job.detectors.items() if detector.looks_ahead):
            add_remark(
                counts,
                f"`{name}` saw one text at a time (`store=none`): what it would note of all of them together, such as "
                "texts that it does not know, is not here",
            )
        behaviours = [name for name in requested if counts[f"ranking_present {name}"]]
        if counts["prompts_fill_context"] == counts["documents"] > 0:
            raise no_text(counts, atlas.context)
        _check_behaviours(behaviours, job.detectors, counts, job.selection)
        with run.stage("scoring"):
            scored = {site: total.states.compute(site, job.scorers) for site in one_pass.sites}
        with run.stage("ranking"):
            neurons = rank_neurons(scored, requested, rank_by)
            neurons = neurons[neurons.behaviour.isin(behaviours)].reset_index(drop=True)
        # What needs single positions is empty.
        empty: dict[str, Any] = {f"{minus_neutral_heldout(rank_by)}_{end}": np.nan for end in ("low", "high")}
        empty["replicates"] = pd.array([pd.NA] * len(neurons), dtype="boolean")
        run.tables |= {"neurons": neurons.assign(**empty), "positions": pd.DataFrame(columns=_POSITIONS)}
        run.warnings += _cautions(behaviours, job.detectors, counts, atlas.context, job.settings)
        run.warnings += [*beyond_context(lm, counts), *tests.warnings(lm.name), *undefined(neurons, rank_by)]
        note_label_quality(run, quality, job)
        run.counts.update({name: count for name, count in counts.items() if " " not in name or is_intake(name)})
        run.record |= {
            "behaviours": behaviours,
            "scorers": list(job.scorers),
            "rank_by": rank_by,
            "neutral": neutral_values(scored[one_pass.sites[0]], behaviours),
            "null": {},
            "counts": {"behaviours": _counts_by_behaviour(counts, behaviours)},
            "reading": {name: counts[name] for name in ("forward_passes", "padding", "positions")}
            | {"tokens": counts["tokens_read"]},
            "model": model_record(lm, atlas, one_pass.sites, atlas.neurons) | {"tests": tests.record()},
            "config": job.record(),
            "detector_files": detector_files(job.detectors),
            "hashes": {"pass": address},
        }
    if one_pass.folder is not None:  # The run is finished: nothing is left to resume.
        shutil.rmtree(one_pass.folder, ignore_errors=True)
    return Result(folder)


def _check_streamable(job: Job) -> None:
    """Raise where a plugin needs what a pass without a store does not have."""
    if job.selection.unit != "token":
        raise ConfigError(
            f"`store=none` adds up single tokens, and selection.unit={job.selection.unit} reads several as one: leave "
            "out one of the two"
        )
    unbounded = [name for name, scorer in job.scorers.items() if not scorer.statistic.bounded]
    if unbounded:
        names = " and ".join(f"`{name}`" for name in unbounded)
        bounded = [plugin.name for plugin in installed() if issubclass(plugin.cls, Scorer) and plugin.cls.bounded]
        raise ConfigError(
            f"`store=none` keeps no position's activations, and {names} would need them: "
            f"take {', '.join(f'`{name}`' for name in bounded)}, or leave out `store=none`"
        )
    if not job.reading.streams:
        raise ConfigError(
            f"`store=none` reads every token in one pass, which cannot read `{describe(job.reading)[TARGET]}`: "
            "leave out `store=none`, or take `reading=activation`"
        )
    asking = [name for name, detector in job.detectors.items() if detector.asks_server]
    if asking:
        raise ConfigError(
            f"{' and '.join(f'`{name}`' for name in asking)} would ask a server, and `store=none` labels one text at a "
            "time: each request would wait for the one before, and nobody would know beforehand what it costs, nor "
            "what of it is unknown: leave out `store=none`"
        )
    if job.control.needs_other_documents:
        raise ConfigError(
            f"{job.control} compares with the behaviour in other documents, which `store=none` does not know: take "
            "`control=distant`"
        )
    if job.executor.workers > 1 and not isinstance(job.source, Source):
        raise ConfigError(
            "documents that are handed over are not a `Source`, and cannot be divided among workers: give a `Source`, "
            "or take `executor=local`"
        )


def _address(one_pass: Pass) -> str:
    """Return a hash of all that the sums of a pass depend on."""
    detectors = {name: describe(detector) for name, detector in one_pass.detectors.items()}
    inputs = {
        "format": _FORMAT,
        "weights": one_pass.model.fingerprint,
        "dtype": str(one_pass.model.dtype),
        "source": describe(one_pass.source),
        "detectors": detectors,
        # What a pass goes on from was labelled by what these files held.
        **({"files": files} if (files := _files_in(detectors)) else {}),
        "control": describe(one_pass.control),
        "selection": vars(one_pass.selection),
        # Sums of activations were addressed so before there were other readings.
        **({} if type(one_pass.reading) is Activation else {"reading": describe(one_pass.reading)}),
        "statistics": [repr(statistic) for statistic in one_pass.statistics],
        **{name: getattr(one_pass, name) for name in ("sites", "seed", "tokens_per_batch", "shards")},
    }
    return content_address(inputs, default=repr)


def _files_in(settings: object) -> dict[str, str]:
    """Return a hash of the content of each file that some settings name."""
    if isinstance(settings, Mapping | tuple | list):
        values = settings.values() if isinstance(settings, Mapping) else settings
        return {path: digest for value in values for path, digest in _files_in(value).items()}
    if not isinstance(settings, str) or not settings:
        return {}
    try:
        with Path(settings).expanduser().open("rb") as file:
            return {settings: hashlib.file_digest(file, "sha256").hexdigest()}
    except (OSError, ValueError, RuntimeError):  # Most texts name no file.
        return {}


def _read(one_pass: Pass, executor: Executor, announce: Callable[..., None]) -> Checkpoint:
    """Return the sums of all shards, merged in their order: which worker read which makes no difference."""
    total = Checkpoint(States(one_pass.statistics), ended=True)
    for number, shard in enumerate(executor.map(one_pass, range(one_pass.shards)), 1):
        total = total.merge(shard)
        if one_pass.shards > 1:
            announce("stage_progressed", stage="reading", done=number, total=one_pass.shards, unit="shards")
    return total


def _check_behaviours(
    behaviours: Sequence[str], detectors: Detectors, counts: Counter[str], selection: Selection
) -> None:
    if not counts["documents"]:
        raise DataError("the source gave no document: check its path and the fields that it reads")
    if not behaviours:
        narrower = looked_in({name: detector.scope for name, detector in detectors.items()})
        raise DataError(
            f"no span of {' or '.join(f'`{name}`' for name in detectors)} was found in the ranking part of "
            f"{plural(counts['documents'], 'document')}: {narrower}{'; ' * bool(narrower)}check what "
            "the detector looks for, that the texts hold completions, and that there are enough groups to split"
        )
    for name in behaviours:
        if not counts[f"ranking_control {name}"]:
            raise DataError(f"`{name}` has no control position in the ranking part: give texts that hold others too")
        if selection.held_out_fraction and not counts[f"heldout_present {name}"]:
            raise DataError(
                f"`{name}` shows in no group that was held out: give texts of more groups (`source.group_field` says "
                "which are one), or `selection.held_out_fraction=0`"
            )


def _cautions(
    behaviours: Sequence[str], detectors: Detectors, counts: Counter[str], context: int | None, settings: Find
) -> list[str]:
    warnings = [_NO_EVIDENCE, *not_shown(detectors, behaviours, plural(counts["documents"], "document"))]
    for name in behaviours:
        present, documents = counts[f"ranking_present {name}"], counts[f"ranking_documents_with {name}"]
        warnings += too_few(name, present, plural(present, "present position"), documents, settings)
        if nearly := counts[f"documents_nearly {name}"]:
            warnings.append(
                f"in {plural(nearly, 'document')} something is nearly `{name}`, and counts neither as the behaviour "
                "nor as a control: `neurosieve detect` lists them in `near_misses.parquet`"
            )
    warnings += left_out(counts, context)
    if interruptions := counts["broken_off"]:
        warnings.append(f"the texts broke off {plural(interruptions, 'time')}, and reading resumed from there")
    if restarts := counts["texts_changed"]:
        warnings.append(
            f"a pass began anew in {plural(restarts, 'part')}: the texts are not those that it had read before"
        )
    return warnings


def _counts_by_behaviour(counts: Counter[str], behaviours: Sequence[str]) -> dict[str, Any]:
    """Return the counts of each behaviour, by the names that a run with a store gives them."""
    kinds = ["documents_with", "spans", *(f"{part}_{what}" for part in PARTS for what in ("present", "control"))]
    kinds += [f"{part}_documents_with" for part in PARTS]
    return {name: {kind: counts[f"{kind} {name}"] for kind in kinds} for name in behaviours}
