"""From texts to a ranked, replicated table of neurons: the stages of `find`, in order."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurosieve.activations.capture import Capture, batches_at, capture
from neurosieve.activations.other_stores import warn_of_other_stores
from neurosieve.activations.store import DamagedShardError, Space
from neurosieve.contracts import Scorer
from neurosieve.data import Scores, Site
from neurosieve.errors import DataError, StoreError
from neurosieve.evidence.baselines import add_beats_baselines, baseline_table
from neurosieve.evidence.null import add_null
from neurosieve.evidence.replication import add_replication
from neurosieve.evidence.stability import add_stability, unsettled
from neurosieve.evidence.verdicts import add_verdicts
from neurosieve.models.architectures import atlas_of, model_record, sites_of
from neurosieve.models.batches import batch_budget
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.cautions import cautions, undefined
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.settings import check_handed_over, ranking_scorer
from neurosieve.pipeline.tables import counted, spans_table
from neurosieve.registry import installed
from neurosieve.runs.record import Stopwatch, provenance
from neurosieve.runs.results import Result, write_run
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import neutral, rank_neurons
from neurosieve.texts.labelling import LabelledDocument, label
from neurosieve.texts.positions import PARTS, Positions
from neurosieve.texts.sameness import texts_table
from neurosieve.texts.selection import choose_positions

__all__ = ["sieve"]

_DAMAGED_AT_MOST = 100
_BEST = 10
"""Of so many neurons of each behaviour the activations are kept in the run, for its report."""


def sieve(job: Job, held: LanguageModel, folder: Path) -> Result:
    """Read texts through the opened model, rank its neurons, and leave the run in `folder`.

    Raises:
        NeurosieveError: what is asked cannot be done; nothing is left in `folder`.
    """
    check_handed_over(job.detectors, job.scorers, folder)
    detectors, scorers, settings = job.detectors, job.scorers, job.settings
    announce = installed().announce
    announce("run_started", command="find", folder=folder)
    rank_by = ranking_scorer(settings, scorers)
    within = settings.within_token_scorer and installed().get("scorer", settings.within_token_scorer).cls()
    watch, warnings, counts = Stopwatch(), list[str](), Counter[str]()
    with watch.stage("opening the model"):
        atlas = atlas_of(held, settings.site)
        sites = sites_of(atlas, settings.layers, held.name)
    with watch.stage("detecting"):
        documents = list(_announced(label(job.source, detectors, held.tokenizer, atlas.context, counts), announce))
    if not documents:
        raise DataError(
            f"the source gave {counts['documents']:,} documents, and none with text to read: "
            "check its path and the fields that it reads"
        )
    with watch.stage("choosing positions"):
        positions = choose_positions(documents, list(detectors), job.control, job.selection, settings.seed, counts)
    numbers, spans = counted(documents, positions), spans_table(documents, positions)
    del documents  # From here on, what was chosen is all that is held.
    warnings += cautions(positions, list(detectors), job.selection, counts, numbers, atlas.context, settings)
    if scorers[rank_by].joint or not scorers[rank_by].centred:
        warnings.append(
            f"`{rank_by}` gives no verdict on replication: its score on noise is not centred, or is of several neurons "
            "together; rank by another scorer (`rank_by=auc`) for one"
        )
    warnings += unsettled(settings, len(sites) * atlas.neurons)
    budget = batch_budget(settings.tokens_per_batch, held)
    with watch.stage("opening the store"):
        space = Space(held.fingerprint, sites, held.dtype, Path(settings.store) if settings.store else None, held.name)
    warnings += warn_of_other_stores(space)
    done = Capture()
    while True:
        with watch.stage("reading"):
            captured = capture(held, atlas, space, positions, budget, announce, job.executor)
            done = Capture(
                *(one + more for one, more in zip(vars(done).values(), vars(captured).values(), strict=True))
            )
        try:
            with watch.stage("scoring"):
                scored = _score(space, positions, scorers, held.device, announce)
            with watch.stage("ranking"):
                neurons = rank_neurons(scored, positions.behaviours, rank_by, positions.places)
            with watch.stage("permuting"):
                neurons, null, told = add_null(
                    neurons,
                    space,
                    positions,
                    scorers[rank_by],
                    job.selection,
                    settings.permutations,
                    settings.seed,
                    announce,
                )
            with watch.stage("bootstrapping"):
                neurons = add_stability(neurons, space, positions, scorers[rank_by], settings, announce)
            with watch.stage("replicating"):
                neurons = add_replication(neurons, space, positions, scorers[rank_by], rank_by, settings)
                if within:
                    neurons = add_verdicts(neurons, space, positions, scorers[rank_by], rank_by, within, settings)
                baselines = baseline_table(positions, scorers, rank_by, settings)
                neurons = add_beats_baselines(neurons, baselines, rank_by)
                activations = _activations_of_the_best(neurons, space, positions)
        except DamagedShardError as damage:  # The shard is gone; what it held is captured again.
            if space.damaged > _DAMAGED_AT_MOST:
                raise StoreError(
                    f"the store `{space.folder}` is damaged again and again, last in `{damage}`: "
                    "check the disk, or choose another place with `store=<folder>`"
                ) from damage
            continue
        break
    if space.damaged:
        warnings.append(
            f"{space.damaged} damaged shard(s) of the store were removed, and what they held was captured again"
        )
    if done.halvings:
        warnings.append(
            f"memory ran out {done.halvings} time(s), and the batch was read in halves: "
            f"a smaller `tokens_per_batch` than {budget:,} is faster"
        )
    first = next(iter(scored.values()))
    report = {
        "command": "find",
        "behaviours": list(positions.behaviours),
        "scorers": list(scorers),
        "rank_by": rank_by,
        "neutral": neutral(first, positions.behaviours),
        "null": null,
        "warnings": [*warnings, *undefined(neurons, rank_by), *told],
        "counts": {**dict(sorted(counts.items())), "behaviours": numbers},
        "reading": vars(done),
        "timings_seconds": watch.seconds,
        "model": model_record(held, atlas, sites, first[rank_by].value.shape[1]),
        "config": job.record(),
        **provenance(positions.table, space.address),
    }
    tables = {
        "neurons": neurons,
        "positions": positions.table,
        "extra_positions": positions.extra,
        "baselines": baselines,
        "spans": spans,
        "texts": texts_table(positions),
        "activations": activations,
    }
    write_run(folder, report, tables)
    announce("run_ended", command="find", folder=folder)
    return Result(folder)


def _announced(documents: Iterator[LabelledDocument], announce: Callable[..., None]) -> Iterator[LabelledDocument]:
    number = 0
    for number, document in enumerate(documents, 1):
        announce("stage_progressed", stage="detecting", done=number, total=None, unit="documents")
        yield document
    announce("stage_progressed", stage="detecting", done=number, total=number, unit="documents")


def _score(
    space: Space,
    positions: Positions,
    scorers: Mapping[str, Scorer[Any]],
    device: torch.device,
    announce: Callable[..., None],
) -> dict[Site, dict[str, Scores]]:
    # On a GPU where there is one; others have no float64.
    device = device if device.type == "cuda" else torch.device("cpu")
    scored = {}
    for number, site in enumerate(space.sites, 1):
        scored[site] = score(batches_at(space, positions, site, device), scorers)
        announce("stage_progressed", stage="scoring", done=number, total=len(space.sites), unit="layers")
    return scored


def _activations_of_the_best(neurons: pd.DataFrame, space: Space, positions: Positions) -> pd.DataFrame:
    """Return what the best neurons of each behaviour held: `behaviour, layer, neuron, part, label, activation`."""
    best = neurons[neurons["rank"] <= _BEST]
    tables = []
    for layer in sorted(best.layer.unique().tolist()):
        chosen = best[best.layer == layer]
        columns = chosen.neuron.tolist()
        batches = list(batches_at(space, positions, Site(layer, space.kind), neurons=columns))
        held = torch.cat([batch.activations for batch in batches]).numpy()
        labels = torch.cat([batch.labels for batch in batches]).numpy()
        for place, (behaviour, neuron) in enumerate(zip(chosen.behaviour.tolist(), columns, strict=True)):
            for name in PARTS:
                mine = labels[:, positions.column(behaviour, name)]
                here = np.flatnonzero(mine >= 0)
                told = {"behaviour": behaviour, "layer": layer, "neuron": neuron, "part": name}
                tables.append(pd.DataFrame({**told, "label": mine[here], "activation": held[here, place]}))
    return pd.concat(tables, ignore_index=True)
