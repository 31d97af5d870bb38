"""A finished ranking, scored again on texts that had no part in it."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from neurosieve.activations.capture import Capture, batches_at
from neurosieve.activations.reading import read_complete
from neurosieve.data import Document, Site, Skipped
from neurosieve.errors import ConfigError, DataError
from neurosieve.evidence.ranked import Ranked
from neurosieve.evidence.replication import add_replication
from neurosieve.models.architectures import Atlas, atlas_of
from neurosieve.models.batches import Reader
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.cautions import alike, counted, not_shown, unreached
from neurosieve.pipeline.cells import open_cells, spaces_hash
from neurosieve.pipeline.compared_positions import compared_positions
from neurosieve.pipeline.detecting import near_misses
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.long_texts import beyond_context, count_long_texts, tokens_of_documents
from neurosieve.pipeline.tables import count_positions, spans_table
from neurosieve.runs.columns import HELDOUT, KEYS
from neurosieve.runs.read_texts import ReadTexts
from neurosieve.runs.record_fields import positions_hash
from neurosieve.runs.recording import Recording, recording
from neurosieve.runs.results import Result, Run
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import rank_neurons
from neurosieve.texts.groups import join_groups
from neurosieve.texts.intake import check_documents
from neurosieve.texts.looking_ahead import look_ahead
from neurosieve.texts.positions import PARTS, Positions, UnitKind
from neurosieve.texts.sameness import canonical
from neurosieve.texts.spans import Detectors, check_labels
from neurosieve.texts.thinning import thinned
from neurosieve.texts.tokens import LabelledDocument, label_document
from neurosieve.wording import plural

__all__ = ["rescore"]

_SAME: Mapping[UnitKind, str] = {
    **dict.fromkeys(("token", "span", "sentence"), "the words of one that took part in it, or nearly"),
    "completion": "the prompt and the words of one that took part in it, or nearly its words",
    "prompt_end": "the prompt of one that took part in it",
}
"""What documents that took part have in common with others, by what is read."""


def rescore(
    result: Result,
    lm: LanguageModel,
    documents: Iterable[Document | Skipped],
    job: Job,
    folder: Path,
    origin: Mapping[str, Any],
) -> Run:
    """Score the ranking of a run on other documents, and leave that as a run of its own in `folder`.

    The table `neurons` has the columns of the ranking, those that end in `_heldout` being of these documents.
    Documents of a group that took part in the ranking are left out, however its name is spelled, and so are those in
    which the model wrote the same as in one that did, or nearly (`selection.near_duplicates`). Where whole texts are
    read, short answers that are the same are left out with their prompt alone. Documents that the run
    itself held out are kept, and counted: it was tested on them already.

    `job` holds the choices of the run, and `origin` tells where the documents come from, for `run.json`.

    Raises:
        ConfigError: every document took part in the ranking, or every one with a behaviour was held out by the run.
        DataError: no behaviour shows in the others.
    """
    with recording("rescore", folder, {}) as run:
        atlas = atlas_of(lm, job.settings.site)
        labelled, excluded = _new_documents(result, documents, job, lm, atlas, run)
        positions = _positions(labelled, excluded, job, run)
        sites = tuple(Site(layer, atlas.kind) for layer in result.run["model"]["layers"])
        rank_by = result.run["rank_by"]
        all_cells = open_cells(job, Reader(lm, atlas, sites), positions, run)
        tables, captured = [], Capture()
        for cells in all_cells:
            ranked = Ranked(cells.space, cells.positions, job.scorers[rank_by], rank_by, job.settings, run.announce)
            table, cost = read_complete(cells.space, cells.fill, partial(_scored, result, job, ranked, run))
            tables.append(table)
            captured += cells.control_means + cost
        neurons = pd.concat(tables, ignore_index=True)
        count_long_texts(lm, tokens_of_documents(positions), run.counts)
        warnings = [*_warnings(positions, excluded, job, run), *beyond_context(lm, run.counts, positions.unit)]
        run.warnings = warnings + run.warnings + near_misses(labelled, job.detectors)
        run.tables |= {"neurons": neurons, "positions": positions.table, "spans": spans_table(labelled, positions)}
        run.record |= {
            "run": str(result.folder),
            "behaviours": list(positions.behaviours),
            "scorers": list(job.scorers),
            "rank_by": rank_by,
            "neutral": result.run["neutral"],
            "counts": {"behaviours": count_positions(labelled, positions)},
            "reading": vars(captured),
            "model": result.run["model"],
            "config": {**origin, "selection": vars(job.selection), "confidence": job.settings.confidence},
            "hashes": {"positions": positions_hash(positions.table), "space": spaces_hash(all_cells)},
        }
    return run.run


def _scored(result: Result, job: Job, ranked: Ranked, run: Recording) -> pd.DataFrame:
    """Return the ranking of some behaviours with their scores at the positions of `ranked`."""
    space, positions, rank_by = ranked.space, ranked.positions, ranked.rank_by
    with run.stage("scoring"):
        scored = {site: score(batches_at(space, positions, site), job.scorers) for site in space.sites}
        scores = rank_neurons(scored, positions.behaviours, rank_by)
    with run.stage("replicating"):
        return add_replication(_joined(result.neurons, scores, positions.behaviours), ranked, part="ranking")


def _new_documents(
    result: Result, documents: Iterable[Document | Skipped], job: Job, lm: LanguageModel, atlas: Atlas, run: Recording
) -> tuple[list[LabelledDocument], list[str]]:
    """Return the documents that had no part in the ranking, and why others are left out.

    `run` gains counts, and warnings about documents that the run held out.
    """
    ranking, held_out = (ReadTexts.of(result, part) for part in PARTS)
    near_duplicates = job.selection.near_duplicates
    sound = list(check_documents(documents, run.counts))
    other_groups = [document for document in sound if canonical(document.group) not in ranking.groups]
    if ranked := len(sound) - len(other_groups):
        run.counts["documents_that_ranked"] = ranked
    with run.stage("detecting"):
        labelled = []
        for document in look_ahead(other_groups, job.detectors, run.counts, run.announce):
            new = label_document(document, job.detectors, lm.tokenizer, atlas.context, run.counts)
            if new is None:
                continue
            if ranking.holds(new.tokens, near_duplicates):
                run.counts["documents_with_ranked_words"] += 1
            else:
                labelled.append(new)
    reasons = {
        "documents_that_ranked": "documents answer problems that took part in the ranking",
        "documents_with_ranked_words": f"further documents have {_SAME[job.selection.unit]}",
    }
    excluded = counted(run.counts, reasons)
    if excluded and not labelled:
        raise ConfigError(
            f"every one of the documents took part in the ranking of `{result.folder}` ({' and '.join(excluded)}): to "
            "score them again would prove nothing; give other problems"
        )
    repeated = [new for new in labelled if held_out.holds(new.tokens, near_duplicates)]
    run.counts["documents_held_out_before"] = len(repeated)
    showing = {new.tokens.id for new in labelled if any(new.spans.values())}
    if showing and showing <= {new.tokens.id for new in repeated}:
        raise ConfigError(
            f"every one of the {len(showing):,} documents that show a behaviour was held out of the ranking of "
            f"`{result.folder}`, which was tested on them already: no new evidence; give other texts"
        )
    if repeated:
        run.warnings.append(
            f"{len(repeated):,} of {plural(len(labelled), 'document')} are the held-out ones of the run itself: no new "
            "evidence"
        )
    of_known_groups = sum(held_out.answers_same_problem(new.tokens) for new in labelled) - len(repeated)
    if of_known_groups > 0:
        run.warnings.append(
            f"{of_known_groups:,} of {plural(len(labelled), 'document')} are other texts of problems that the run held "
            "out: new texts, but not new problems"
        )
    return join_groups(labelled, near_duplicates, run.counts, job.selection.unit), excluded


def _positions(labelled: Sequence[LabelledDocument], excluded: Sequence[str], job: Job, run: Recording) -> Positions:
    """Return the chosen positions, all of which are in the part `ranking`."""
    selection = dataclasses.replace(job.selection, held_out_fraction=0.0, extra_positions=())
    with run.stage("choosing positions"):
        try:
            behaviours, settings = list(job.detectors), job.settings
            run.warnings += _misfits(labelled, job.detectors, run.counts)
            compared = compared_positions(labelled, behaviours, job.control, selection, settings, run.counts)
            run.notes += compared.notes(selection, settings)
            return thinned(compared.drawn, job.reading, settings.seed, run.counts)
        except DataError as error:
            if not excluded:
                raise
            raise DataError(f"{error}; besides them, {' and '.join(excluded)}, and were left out") from error


def _misfits(labelled: Sequence[LabelledDocument], detectors: Detectors, counts: Counter[str]) -> list[str]:
    """Return why the settings of some detectors do not fit these documents, such as a field that none has.

    Raises:
        DataError: so no behaviour shows.
    """
    misfits, documents = list[str](), [document.tokens for document in labelled]
    for name, detector in detectors.items():
        try:
            check_labels(documents, {name: detector}, counts)
        except DataError as error:
            misfits.append(str(error))
    if misfits and not any(any(document.spans.values()) for document in labelled):
        raise DataError("; ".join(misfits))
    return misfits


def _warnings(positions: Positions, excluded: Sequence[str], job: Job, run: Recording) -> list[str]:
    """Return warnings about behaviours that show nowhere or in few groups, and about excluded documents."""
    fresh = run.counts["documents"] - run.counts["documents_that_ranked"]
    warnings = not_shown(job.detectors, positions.behaviours, plural(fresh, "fresh document"))
    groups = positions.table[positions.table.label == 1].groupby("behaviour").group.nunique()
    warnings += [
        f"`{name}` shows in {plural(count, 'group')} here: with fewer than {job.settings.min_groups} there is no "
        "interval and no verdict on replication"
        for name, count in groups.items()
        if count < job.settings.min_groups
    ]
    warnings += unreached(run.counts)
    warnings += alike(run.counts, job.selection.near_duplicates, positions.unit)
    return warnings + [f"{reason}, and were left out" for reason in excluded]


def _joined(ranking: pd.DataFrame, scores: pd.DataFrame, behaviours: Iterable[str]) -> pd.DataFrame:
    """Return the ranking with the scores of other documents in place of those of the held-out groups."""
    names = [name for name in scores if name not in (*KEYS, "rank") and not str(name).endswith(HELDOUT)]
    neurons = ranking[ranking.behaviour.isin(list(behaviours))][[*KEYS, "rank", *names]]
    renamed = scores[[*KEYS, *names]].rename(columns={name: f"{name}{HELDOUT}" for name in names})
    return neurons.merge(renamed, on=KEYS, validate="one_to_one").reset_index(drop=True)
