"""A finished ranking, scored again on texts that had no part in it."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from neurosieve.activations.capture import Capture, batches_at, capture
from neurosieve.activations.reading import open_space, read_complete
from neurosieve.data import Document, Site, TokenizedDocument
from neurosieve.errors import ConfigError, DataError
from neurosieve.evidence.ranked import Ranked
from neurosieve.evidence.replication import add_replication
from neurosieve.models.architectures import Atlas, atlas_of
from neurosieve.models.batches import batch_budget
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.cautions import counted, not_shown
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.long_texts import beyond_context, count_long_texts, tokens_of_documents
from neurosieve.pipeline.tables import count_positions, spans_table
from neurosieve.runs.columns import HELDOUT, KEYS
from neurosieve.runs.record import positions_hash
from neurosieve.runs.recording import Recording, recording
from neurosieve.runs.results import Result, Run
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import rank_neurons
from neurosieve.texts.positions import PARTS, Positions
from neurosieve.texts.sameness import group_key, text_key
from neurosieve.texts.selection import choose_positions
from neurosieve.texts.tokens import LabelledDocument, label_documents
from neurosieve.wording import plural

__all__ = ["rescore"]


def rescore(
    result: Result, lm: LanguageModel, documents: Iterable[Document], job: Job, folder: Path, origin: Mapping[str, Any]
) -> Run:
    """Score the ranking of a run on other documents, and leave that as a run of its own in `folder`.

    The table `neurons` has the columns of the ranking, those that end in `_heldout` being of these documents.
    Documents of a group that took part in the ranking are left out, however its name is spaced and capitalised, and so
    are those whose completion has the words of one that did. Documents that the run itself held out are kept, and
    counted: it was tested on them already.

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
        budget = batch_budget(job.settings.tokens_per_batch, lm)
        space = open_space(lm, sites, job.settings.store)
        rank_by = result.run["rank_by"]
        ranked = Ranked(space, positions, job.scorers[rank_by], rank_by, job.settings, run.announce)

        def read() -> pd.DataFrame:
            with run.stage("scoring"):
                scored = {site: score(batches_at(space, positions, site), job.scorers) for site in sites}
                scores = rank_neurons(scored, positions.behaviours, rank_by)
            with run.stage("replicating"):
                return add_replication(_joined(result.neurons, scores, positions.behaviours), ranked, part="ranking")

        def fill() -> Capture:
            with run.stage("reading"):
                return capture(lm, atlas, space, positions, budget, run.announce, job.executor)

        neurons, captured = read_complete(space, fill, read)
        count_long_texts(lm, tokens_of_documents(positions), run.counts)
        run.warnings = _warnings(positions, excluded, job, run) + beyond_context(lm, run.counts) + run.warnings
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
            "config": {**origin, "confidence": job.settings.confidence},
            "hashes": {"positions": positions_hash(positions.table), "space": space.address},
        }
    return run.run


def _new_documents(
    result: Result, documents: Iterable[Document], job: Job, lm: LanguageModel, atlas: Atlas, run: Recording
) -> tuple[list[LabelledDocument], list[str]]:
    """Return the documents that had no part in the ranking, and why others are left out.

    `run` gains counts, and warnings about documents that the run held out.
    """
    ranking, held_out = (_Known.of(result, part) for part in PARTS)
    documents = list(documents)
    other_groups = [document for document in documents if group_key(document.group) not in ranking.groups]
    if ranked := len(documents) - len(other_groups):
        run.counts["documents_that_ranked"] = ranked
    with run.stage("detecting"):
        labelled = []
        for new in label_documents(other_groups, job.detectors, lm.tokenizer, atlas.context, run.counts):
            if ranking.holds(new.tokens):
                run.counts["documents_with_ranked_words"] += 1
            else:
                labelled.append(new)
    reasons = {
        "documents_that_ranked": "documents answer problems that took part in the ranking",
        "documents_with_ranked_words": "further documents have the very words of one that took part in it",
    }
    excluded = counted(run.counts, reasons)
    if excluded and not labelled:
        raise ConfigError(
            f"every one of the documents took part in the ranking of `{result.folder}` ({' and '.join(excluded)}): to "
            "score them again would prove nothing; give other problems"
        )
    repeated = [document for document in labelled if held_out.holds(document.tokens)]
    run.counts["documents_held_out_before"] = len(repeated)
    showing = [document for document in labelled if any(document.spans.values())]
    if showing and all(held_out.holds(document.tokens) for document in showing):
        raise ConfigError(
            f"every one of the {len(showing):,} documents that show a behaviour was held out of the ranking of "
            f"`{result.folder}`, which was tested on them already: no new evidence; give other texts"
        )
    if repeated:
        run.warnings.append(
            f"{len(repeated):,} of {plural(len(labelled), 'document')} are the held-out ones of the run itself: no new "
            "evidence"
        )
    of_known_groups = sum(group_key(document.tokens.group) in held_out.groups for document in labelled) - len(repeated)
    if of_known_groups > 0:
        run.warnings.append(
            f"{of_known_groups:,} of {plural(len(labelled), 'document')} are other texts of problems that the run held "
            "out: new texts, but not new problems"
        )
    return labelled, excluded


def _positions(labelled: Sequence[LabelledDocument], excluded: Sequence[str], job: Job, run: Recording) -> Positions:
    """Return the chosen positions, all of which are in the part `ranking`."""
    selection = dataclasses.replace(job.selection, held_out_fraction=0.0, extra_positions=())
    with run.stage("choosing positions"):
        try:
            behaviours = list(job.detectors)
            return choose_positions(labelled, behaviours, job.control, selection, job.settings.seed, run.counts)
        except DataError as error:
            if not excluded:
                raise
            raise DataError(f"{error}; besides them, {' and '.join(excluded)}, and were left out") from error


def _warnings(positions: Positions, excluded: Sequence[str], job: Job, run: Recording) -> list[str]:
    """Return warnings about behaviours that show nowhere or in few groups, and about excluded documents."""
    warnings = not_shown(job.detectors, positions.behaviours, plural(run.counts["documents"], "fresh document"))
    groups = positions.table[positions.table.label == 1].groupby("behaviour").group.nunique()
    warnings += [
        f"`{name}` shows in {plural(count, 'group')} here: with fewer than {job.settings.min_groups} there is no "
        "interval and no verdict on replication"
        for name, count in groups.items()
        if count < job.settings.min_groups
    ]
    return warnings + [f"{reason}, and were left out" for reason in excluded]


class _Known(NamedTuple):
    """What a part of a run read."""

    groups: frozenset[str]
    words: frozenset[str] | None
    """None where the run kept none."""

    @classmethod
    def of(cls, result: Result, part: str) -> "_Known":
        groups = frozenset(map(group_key, result.positions.group[result.positions.part == part]))
        if "texts" not in result.tables:
            return cls(groups, None)
        texts = result.table("texts")
        return cls(groups, frozenset(texts.words[texts.part == part]))

    def holds(self, document: TokenizedDocument) -> bool:
        """Return whether a document is among those that were read, by its words, or else by its group."""
        if self.words is None:
            return group_key(document.group) in self.groups
        return text_key(document) in self.words


def _joined(ranking: pd.DataFrame, scores: pd.DataFrame, behaviours: Iterable[str]) -> pd.DataFrame:
    """Return the ranking with the scores of other documents in place of those of the held-out groups."""
    names = [name for name in scores if name not in (*KEYS, "rank") and not str(name).endswith(HELDOUT)]
    neurons = ranking[ranking.behaviour.isin(list(behaviours))][[*KEYS, "rank", *names]]
    renamed = scores[[*KEYS, *names]].rename(columns={name: f"{name}{HELDOUT}" for name in names})
    return neurons.merge(renamed, on=KEYS, validate="one_to_one").reset_index(drop=True)
