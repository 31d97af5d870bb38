"""From texts of any length to a table of neurons in one pass that keeps no activation: `find store=none`."""

import dataclasses
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosieve.contracts import Control, Executor, Scorer, Source
from neurosieve.data import Present, TokenizedDocument
from neurosieve.disk import cache_folder
from neurosieve.errors import ConfigError, DataError
from neurosieve.models.architectures import atlas_of, model_record, sites_of
from neurosieve.models.batches import batch_budget
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.cautions import left_out, undefined
from neurosieve.pipeline.checkpoint import Tally
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.settings import Find, check_handed_over, ranking_scorer
from neurosieve.pipeline.streaming_pass import Pass
from neurosieve.registry import describe, installed
from neurosieve.runs.record import Stopwatch, versions
from neurosieve.runs.results import Result, write_run
from neurosieve.scoring.ranking import neutral, rank_neurons
from neurosieve.texts.positions import PARTS
from neurosieve.texts.selection import Selection
from neurosieve.wording import plural

__all__ = ["streamed"]

_FORMAT = 1
"""What a pass of another format has come to is not gone on from."""
_SHARDS_PER_WORKER = 4
_POSITIONS = ["behaviour", "document", "group", "part", "token", "label", "start", "end", "text"]


def streamed(job: Job, held: LanguageModel, folder: Path) -> Result:
    """Read every token of the texts once, rank the neurons, and leave the run in `folder`.

    What is kept is the states of the scorers' statistics, so that memory does not grow with the texts; and a pass
    that is killed goes on from what it had come to. There is no null, no interval and no verdict: these go back to
    single positions.

    Raises:
        NeurosieveError: what is asked cannot be done; nothing is left in `folder`.
    """
    check_handed_over(job.detectors, job.scorers, folder)
    source, scorers, settings, executor = job.source, job.scorers, job.settings, job.executor
    rank_by = ranking_scorer(settings, scorers)
    _check_streamable(source, scorers, job.control, executor)
    announce = installed().announce
    announce("run_started", command="find", folder=folder)
    watch, behaviours = Stopwatch(), list(job.detectors)
    with watch.stage("opening the model"):
        atlas = atlas_of(held, settings.site)
        sites = sites_of(atlas, settings.layers, held.name)
    statistics = tuple({scorer.statistic: None for scorer in scorers.values()})
    shards = 1 if executor.workers == 1 else _SHARDS_PER_WORKER * executor.workers
    one_pass = Pass(
        held,
        atlas,
        sites,
        source,
        dict(job.detectors),
        job.control,
        job.selection,
        statistics,
        settings.seed,
        batch_budget(settings.tokens_per_batch, held),
        shards,
        None,
    )
    address = _address(one_pass)
    if isinstance(source, Source):
        one_pass = dataclasses.replace(one_pass, folder=cache_folder() / "passes" / address)
    with watch.stage("reading"):
        tally = _read(one_pass, executor, announce)
    found = [name for name in behaviours if tally.counts[f"ranking_present {name}"]]
    _check_found(found, behaviours, tally.counts, job.selection)
    with watch.stage("scoring"):
        scored = {
            site: {
                name: scorer.compute(tally.states[site.layer, statistics.index(scorer.statistic)])
                for name, scorer in scorers.items()
            }
            for site in sites
        }
    with watch.stage("ranking"):
        neurons = rank_neurons(scored, behaviours, rank_by)
        neurons = neurons[neurons.behaviour.isin(found)].reset_index(drop=True)
        nothing = {f"{rank_by}_minus_neutral_heldout_{end}": np.nan for end in ("low", "high")}
        neurons = neurons.assign(**nothing, replicates=pd.array([pd.NA] * len(neurons), dtype="boolean"))
    first = scored[sites[0]]
    warnings = _cautions(found, behaviours, tally.counts, atlas.context, settings) + undefined(neurons, rank_by)
    report = {
        "command": "find",
        "behaviours": found,
        "scorers": list(scorers),
        "rank_by": rank_by,
        "neutral": neutral(first, found),
        "null": {},
        "warnings": warnings,
        "counts": _told(tally.counts, found),
        "reading": {name: tally.counts[name] for name in ("forward_passes", "padding", "positions")}
        | {"tokens": tally.counts["tokens_read"]},
        "timings_seconds": watch.seconds,
        "model": model_record(held, atlas, sites, first[rank_by].value.shape[1]),
        "config": job.record(),
        "versions": versions(),
        "hashes": {"pass": address},
    }
    run = write_run(folder, report, {"neurons": neurons, "positions": pd.DataFrame(columns=_POSITIONS)})
    if one_pass.folder is not None:  # The run is finished: there is nothing to go on from.
        shutil.rmtree(one_pass.folder, ignore_errors=True)
    announce("run_ended", command="find", folder=folder)
    return Result(run.folder)


def _check_streamable(source: Any, scorers: Mapping[str, Scorer[Any]], control: Control, executor: Executor) -> None:
    """Raise where the choices need what a pass that keeps nothing does not have."""
    keeping = [name for name, scorer in scorers.items() if not scorer.statistic.bounded]
    if keeping:
        known = (entry for entry in installed() if entry.kind == "scorer")
        others = [entry.name for entry in known if _is_bounded(entry.cls)]
        raise ConfigError(
            f"{' and '.join(f'`{name}`' for name in keeping)} keep(s) every position's activations, which `store=none` "
            f"does not: take {', '.join(f'`{name}`' for name in others)}, or leave out `store=none`"
        )
    tokens = np.arange(1000)
    text = TokenizedDocument("", "", "x" * 1000, tokens, tokens, tokens + 1, tokens >= 0, tokens / 1000)
    nowhere = Present((), (), np.empty(0, dtype=np.int64), np.empty(0))
    if not len(control.choose(text, nowhere, 1000, np.random.default_rng(0))):
        raise ConfigError(
            f"{control} looks for places like those of the behaviour in other texts, of which `store=none` knows "
            "nothing: take `control=distant`"
        )
    if executor.workers > 1 and not isinstance(source, Source):
        raise ConfigError(
            "documents that are handed over are no source, and cannot be divided among workers: give a Source, or "
            "take `executor=local`"
        )


def _is_bounded(cls: type) -> bool:
    try:
        return bool(cls().statistic.bounded)
    except TypeError:  # It has a field without a default.
        return False


def _address(one_pass: Pass) -> str:
    """Return what tells a pass from any other that would come to something else."""
    what = {
        "format": _FORMAT,
        "weights": one_pass.model.fingerprint,
        "dtype": str(one_pass.model.dtype),
        "sites": one_pass.sites,
        "source": describe(one_pass.source),
        "detectors": {name: describe(one) for name, one in one_pass.detectors.items()},
        "control": describe(one_pass.control),
        "selection": vars(one_pass.selection),
        "statistics": [repr(one) for one in one_pass.statistics],
        "seed": one_pass.seed,
        "tokens_per_batch": one_pass.tokens_per_batch,
        "shards": one_pass.shards,
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=repr).encode()).hexdigest()[:24]


def _read(one_pass: Pass, executor: Executor, announce: Callable[..., None]) -> Tally:
    """Return what all shards come to, merged in their order: which worker read what makes no difference."""
    whole = Tally(ended=True)
    for number, tally in enumerate(executor.map(one_pass, range(one_pass.shards)), 1):
        whole = whole.merged(tally, one_pass.statistics)
        if one_pass.shards > 1:
            announce("stage_progressed", stage="reading", done=number, total=one_pass.shards, unit="shards")
    return whole


def _check_found(found: Sequence[str], asked: Sequence[str], counts: Counter[str], selection: Selection) -> None:
    if not counts["documents"]:
        raise DataError("the source gave no document: check its path and the fields that it reads")
    if not found:
        raise DataError(
            f"no span of {' or '.join(f'`{name}`' for name in asked)} was found in the ranking part of "
            f"{plural(counts['documents'], 'document')}: check what the detector looks for, that the texts hold "
            "completions, and that groups are many enough to be split"
        )
    for name in found:
        if not counts[f"ranking_control {name}"]:
            raise DataError(f"`{name}` has no control position in the ranking part: give texts that hold others too")
        if selection.held_out_fraction and not counts[f"heldout_present {name}"]:
            raise DataError(
                f"`{name}` shows in no group that was held out: give more texts, or `selection.held_out_fraction=0`"
            )


def _cautions(
    found: Sequence[str], asked: Sequence[str], counts: Counter[str], context: int | None, enough: Find
) -> list[str]:
    said = [
        "read in one pass that keeps no activation (`store=none`): there is no permutation null, no interval and no "
        "verdict; test the best neurons in a run with a store, on texts that had no part in this one"
    ]
    said += [
        f"`{name}` shows nowhere in {plural(counts['documents'], 'document')}, and was left out"
        for name in asked
        if name not in found
    ]
    for name in found:
        ranked, documents = counts[f"ranking_present {name}"], counts[f"ranking_documents_with {name}"]
        if ranked < enough.min_positions or documents < enough.min_documents:
            said.append(
                f"`{name}` is ranked on {plural(ranked, 'present position')} in {plural(documents, 'document')}: with "
                f"fewer than {enough.min_positions} or {enough.min_documents}, the best of many neurons scores "
                "high by chance alone"
            )
    told = {
        "broken_off": "time(s) the texts broke off, and were read on from there",
        "texts_changed": "part(s) of a pass were begun anew: the texts are not those that it had read before",
    }
    return said + left_out(counts, context) + [f"{counts[key]:,} {what}" for key, what in told.items() if counts[key]]


def _told(counts: Counter[str], found: Sequence[str]) -> dict[str, Any]:
    """Return the counts as a run with a store has them."""
    kinds = ["documents_with", "spans", *(f"{part}_{what}" for part in PARTS for what in ("present", "control"))]
    kinds += [f"{part}_documents_with" for part in PARTS]
    plain = {name: count for name, count in sorted(counts.items()) if " " not in name}
    return {**plain, "behaviours": {name: {kind: counts[f"{kind} {name}"] for kind in kinds} for name in found}}
