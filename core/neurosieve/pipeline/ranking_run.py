"""From texts to a ranked, replicated table of neurons: the stages of `find`, in order."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from neurosieve.activations.capture import Capture, batches_at
from neurosieve.activations.reading import read_complete
from neurosieve.contracts import Scorer
from neurosieve.data import Site
from neurosieve.evidence.baseline_features import check_baseline_fields
from neurosieve.evidence.baselines import add_beats_baselines, baseline_table, baselines_by
from neurosieve.evidence.null_columns import NullNumbers, add_null
from neurosieve.evidence.null_notes import null_warnings
from neurosieve.evidence.ranked import Ranked
from neurosieve.evidence.replication import add_replication
from neurosieve.evidence.stability import add_stability, unsettled
from neurosieve.evidence.verdicts import WITHIN_GROUP, WITHIN_TOKEN, Strata, add_verdicts
from neurosieve.models.activation import Activation
from neurosieve.models.architectures import Atlas, atlas_of, model_record, sites_of
from neurosieve.models.assumptions import check_model
from neurosieve.models.batches import Reader, batch_budget
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.cautions import cautions, undefined
from neurosieve.pipeline.cells import open_cells, spaces_hash
from neurosieve.pipeline.compared_positions import compared_positions
from neurosieve.pipeline.detecting import label_all, near_misses, no_text
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.label_quality import label_quality, note_label_quality
from neurosieve.pipeline.long_texts import beyond_context, count_long_texts, tokens_of_documents
from neurosieve.pipeline.tables import count_positions, spans_table, texts_table
from neurosieve.registry import installed
from neurosieve.runs.cells import cells_of
from neurosieve.runs.label_settings import detector_files
from neurosieve.runs.record_fields import positions_hash
from neurosieve.runs.recording import Recording, recording
from neurosieve.runs.results import Result
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import neutral_values, rank_neurons
from neurosieve.texts.groups import join_groups
from neurosieve.texts.positions import PARTS, WHOLE_TEXTS, Positions, UnitKind
from neurosieve.texts.prevalence import token_prevalence_warnings
from neurosieve.texts.thinning import thinned, thinning_notes
from neurosieve.wording import plural

__all__ = ["run_ranking"]

_BEST = 10
"""Of so many neurons of each behaviour the activations are kept in the run, for its report."""


def run_ranking(job: Job, lm: LanguageModel, folder: Path) -> Result:
    """Read texts through the opened model, rank its neurons, and leave the run in `folder`.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    job.check()
    with recording("find", folder, job.reports) as run:
        rank_by, settings = job.rank_by, job.settings
        quality = label_quality(job)
        verdict_scorers = _verdict_scorers(job)
        with run.stage("opening the model"):
            atlas = atlas_of(lm, settings.site)
            if job.foretells:
                atlas.check_editable()
            sites = sites_of(atlas, settings.layers, lm.name)
        positions = _positions(job, lm, atlas, run)
        if _strata_of_verdicts(positions.unit) is None:
            run.notes.append(
                f"there is no `verdict`: it compares tokens with the same token, or whole texts of one group, and each "
                f"row is a {positions.unit}; `replicates` and `beats_baselines` say what the held-out part shows"
            )
        note_label_quality(run, quality, job)
        ranked_by = job.scorers[rank_by]
        run.warnings += null_warnings(positions, ranked_by, rank_by, settings)
        if ranked_by.joint or not ranked_by.centred:
            run.warnings.append(
                f"`{rank_by}` gives no verdict on replication, because it is biased on noise, or scores neurons "
                "jointly; rank by another scorer (`rank_by=auc`) for one"
            )
        by = baselines_by(job.scorers, rank_by)
        if by is None and not job.reading.of_the_token:
            run.warnings.append(
                f"what the text alone tells is not compared: `{rank_by}` depends on the unit of the activations, and "
                "text has none; add an AUC to the scorers "
                f"(`scorers=[{','.join([*job.scorers, 'auc'])}] rank_by={rank_by}`) to compare by it"
            )
        run.warnings += unsettled(settings, len(sites) * atlas.neurons)
        with run.stage("testing the model"):
            tests = check_model(lm, atlas, sites, job.executor)
        run.warnings += tests.warnings(lm.name)
        budget = batch_budget(settings.tokens_per_batch, lm)
        all_cells = open_cells(job, Reader(lm, atlas, sites), positions, run)
        rankings, captured = [], Capture()
        for cells in all_cells:
            ranked = Ranked(cells.space, cells.positions, ranked_by, rank_by, settings, run.announce)
            rank = partial(_rank, job, lm, ranked, verdict_scorers, run)
            ranking, cost = read_complete(cells.space, cells.fill, rank)
            rankings.append(ranking)
            captured += cells.control_means + cost
            if damaged := cells.space.damaged:
                run.warnings.append(
                    f"the store removed {plural(damaged, 'damaged shard')}; what was lost was captured again"
                )
        run.tables |= {
            name: pd.concat([ranking.tables[name] for ranking in rankings], ignore_index=True)
            for name in rankings[0].tables
        }
        if captured.halvings:
            run.warnings.append(
                f"memory ran out {plural(captured.halvings, 'time')}, and the batch was read in halves: "
                f"a smaller `tokens_per_batch` than {budget:,} is faster"
            )
        warnings = dict.fromkeys(warning for ranking in rankings for warning in ranking.warnings)
        run.warnings += [*undefined(run.tables["neurons"], rank_by), *warnings]
        run.record |= {
            "behaviours": list(positions.behaviours),
            "scorers": list(job.scorers),
            "rank_by": rank_by,
            "baselines_by": by,
            "neutral": {name: _merged(ranking.neutral[name] for ranking in rankings) for name in job.scorers},
            "null": _merged(ranking.null for ranking in rankings),
            "reading": vars(captured),
            "model": model_record(lm, atlas, sites, atlas.neurons) | {"tests": tests.record()},
            "config": job.record(),
            "detector_files": detector_files(job.detectors),
            "hashes": {"positions": positions_hash(positions.table), "space": spaces_hash(all_cells)},
        }
    return Result(folder)


class _Ranking(NamedTuple):
    """What `_rank` gives: tables by name, and records by behaviour."""

    tables: Mapping[str, pd.DataFrame]
    neutral: Mapping[str, Mapping[str, float | None]]
    null: Mapping[str, NullNumbers]
    warnings: Sequence[str]


def _merged(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {behaviour: value for record in records for behaviour, value in record.items()}


def _verdict_scorers(job: Job) -> dict[Strata, Scorer[Any]]:
    """Return the scorers that verdicts go by, of what they hold fixed."""
    # A reading that speaks of the token itself is no question of another token.
    if job.reading.of_the_token:
        return {}
    names = {WITHIN_TOKEN: job.settings.within_token_scorer, WITHIN_GROUP: job.settings.within_group_scorer}
    return {strata: installed().get("scorer", name).cls() for strata, name in names.items() if name}


def _positions(job: Job, lm: LanguageModel, atlas: Atlas, run: Recording) -> Positions:
    """Return the chosen positions; `run` gains the counts, warnings and tables of the texts."""
    with run.stage("detecting"):
        labelled = label_all(job.source, job.detectors, lm, atlas.context, run.counts, run.announce)
    if not labelled:
        raise no_text(run.counts, atlas.context)
    behaviours, counts = list(job.detectors), run.counts
    with run.stage("comparing texts"):
        documents = join_groups(labelled, job.selection.near_duplicates, counts, job.selection.unit)
    with run.stage("choosing positions"):
        settings = job.settings
        compared = compared_positions(documents, behaviours, job.control, job.selection, settings, counts)
        positions = thinned(compared.drawn, job.reading, settings.seed, counts)
        check_baseline_fields(compared.chosen, settings)
        run.notes += compared.notes(job.selection, settings)
        run.notes += thinning_notes(compared.drawn, positions, job.reading)
    numbers = count_positions(documents, positions)
    run.record["counts"] = {"behaviours": numbers}
    run.warnings += cautions(job, positions, counts, numbers, atlas.context)
    if positions.unit not in WHOLE_TEXTS:  # The label of a whole text covers all of it.
        run.warnings += token_prevalence_warnings(documents)
    run.warnings += near_misses(documents, behaviours)
    count_long_texts(lm, tokens_of_documents(positions), counts)
    run.warnings += beyond_context(lm, counts, positions.unit)
    run.tables |= {
        "positions": positions.table,
        "extra_positions": positions.extra,
        "spans": spans_table(documents, positions),
        "texts": texts_table(positions, documents, {each.tokens.id: each.tokens.group for each in labelled}),
    }
    return positions


def _rank(
    job: Job, lm: LanguageModel, ranked: Ranked, verdict_scorers: Mapping[Strata, Scorer[Any]], run: Recording
) -> _Ranking:
    """Score and rank the neurons, and test the best of them."""
    space, positions, rank_by = ranked.space, ranked.positions, ranked.rank_by
    # On a GPU where there is one; other devices have no float64.
    device = lm.device if lm.device.type == "cuda" else torch.device("cpu")
    with run.stage("scoring"):
        scored = {}
        for number, site in enumerate(space.sites, 1):
            scored[site] = score(batches_at(space, positions, site, device), job.scorers)
            run.announce("stage_progressed", stage="scoring", done=number, total=len(space.sites), unit="layers")
    with run.stage("ranking"):
        neurons = rank_neurons(scored, positions.behaviours, rank_by, positions.places)
    with run.stage("permuting"):
        neurons, null, warnings = add_null(neurons, ranked, job.selection)
    with run.stage("bootstrapping"):
        neurons = add_stability(neurons, ranked)
    tables: dict[str, pd.DataFrame] = {}
    with run.stage("replicating"):
        neurons = add_replication(neurons, ranked)
        strata = _strata_of_verdicts(positions.unit)
        if strata is not None and strata in verdict_scorers:
            neurons = add_verdicts(neurons, ranked, verdict_scorers[strata], strata)
        by = baselines_by(job.scorers, rank_by)
        if by and not job.reading.of_the_token:  # What the text alone tells is no measure of what a neuron does.
            tables["baselines"] = baseline_table(positions, job.scorers, by, job.settings)
            neurons = add_beats_baselines(neurons, tables["baselines"], rank_by, by)
        tables |= {"neurons": neurons, "activations": _cells_of_the_best(neurons, ranked, job)}
    return _Ranking(tables, neutral_values(scored[space.sites[0]], positions.behaviours), null, warnings)


def _strata_of_verdicts(unit: UnitKind) -> Strata | None:
    """Return what a verdict holds fixed: the token of a position, the group of a whole text; nothing of other units."""
    return WITHIN_TOKEN if unit == "token" else WITHIN_GROUP if unit in WHOLE_TEXTS else None


def _cells_of_the_best(neurons: pd.DataFrame, ranked: Ranked, job: Job) -> pd.DataFrame:
    """Return the best neurons of each behaviour: `behaviour, layer, neuron, part, document, token, label, activation`.

    By `behaviour`, `document` and `token`, the first of a unit, they join the table of positions. By another reading,
    `activation` holds what that reads, and a column `reading` says what, with its unit.
    """
    space, positions = ranked.space, ranked.positions
    best = neurons[neurons["rank"] <= _BEST]
    names = np.array([document.id for document in positions.documents], dtype=object)[positions.document_of_row]
    tables = []
    for layer in sorted(best.layer.unique().tolist()):
        lines = best[best.layer == layer]
        columns = lines.neuron.tolist()
        batches = list(batches_at(space, positions, Site(layer, space.kind), neurons=columns))
        activations = torch.cat([batch.activations for batch in batches]).numpy()
        labels = torch.cat([batch.labels for batch in batches]).numpy()
        for number, (behaviour, neuron) in enumerate(zip(lines.behaviour.tolist(), columns, strict=True)):
            for part in PARTS:
                of_behaviour = labels[:, positions.column(behaviour, part)]
                rows = np.flatnonzero(of_behaviour >= 0)
                keys = {"behaviour": behaviour, "layer": layer, "neuron": neuron, "part": part}
                # Names, many of them the same, are a column of objects: one of strings would copy each of them.
                places = {"document": pd.Series(names[rows], dtype=object), "token": positions.token_of_row[rows]}
                values = {"label": of_behaviour[rows], "activation": activations[rows, number]}
                tables.append(pd.DataFrame({**keys, **places, **values}))
    cells = pd.concat(tables, ignore_index=True)
    if isinstance(job.reading, Activation):
        return cells
    return cells.assign(reading=pd.Series(cells_of({"config": job.record()}).title, index=cells.index, dtype=object))
