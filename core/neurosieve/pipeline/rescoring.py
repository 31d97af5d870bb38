"""A finished ranking, scored again on texts that had no part in it."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from neurosieve.activations.capture import batches_at, capture
from neurosieve.activations.store import Space
from neurosieve.contracts import Control, Detector, Executor, Scorer
from neurosieve.data import Document, Site, TokenizedDocument
from neurosieve.errors import ConfigError, DataError
from neurosieve.evidence.replication import add_replication
from neurosieve.models.architectures import atlas_of
from neurosieve.models.batches import batch_budget
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.settings import Find
from neurosieve.pipeline.tables import counted, spans_table
from neurosieve.runs.record import Stopwatch, provenance
from neurosieve.runs.results import Result, Run, write_run
from neurosieve.scoring.engine import score
from neurosieve.scoring.ranking import rank_neurons
from neurosieve.texts.labelling import label_documents
from neurosieve.texts.positions import PARTS
from neurosieve.texts.sameness import group_key, text_key
from neurosieve.texts.selection import Selection, choose_positions
from neurosieve.wording import plural

__all__ = ["rescored"]

_KEYS = ["behaviour", "layer", "neuron"]


def rescored(
    result: Result,
    held: LanguageModel,
    documents: Iterable[Document],
    detectors: Mapping[str, Detector],
    scorers: Mapping[str, Scorer[Any]],
    control: Control,
    selection: Selection,
    settings: Find,
    executor: Executor,
    folder: Path,
    announce: Callable[..., None],
    told: Mapping[str, Any],
) -> Run:
    """Score the ranking of a run on other documents, and leave that as a run of its own in `folder`.

    The table `neurons` has the columns of the ranking, those that end in `_heldout` being of these documents.
    Documents of a group that took part in the ranking are left out, however its name is spaced and capitalised, and so
    are those whose completion has the words of one that did. Documents that the run itself held out are kept, and
    counted: it was tried on them already.

    Args:
        result: the run that ranked.
        held: its model.
        documents: the other texts.
        detectors: where the behaviours show.
        scorers: those of the run.
        control: chooses what to compare with.
        selection: how positions are chosen; all of them are held out.
        settings: those of the run.
        executor: where they are read.
        folder: where to.
        announce: hears how far it has come.
        told: what `run.json` says of where the documents come from.

    Raises:
        ConfigError: every document took part in the ranking, or every one with a behaviour was held out by the run.
        DataError: no behaviour shows in the others.
    """
    watch, counts, rank_by = Stopwatch(), Counter[str](), result.run["rank_by"]
    ranked, known = (_Known.of(result, part) for part in PARTS)
    fresh = []
    for document in documents:
        if group_key(document.group) in ranked.groups:
            counts["documents_that_ranked"] += 1
        else:
            fresh.append(document)
    atlas = atlas_of(held, settings.site)
    with watch.stage("detecting"):
        labelled = []
        for one in label_documents(fresh, detectors, held.tokenizer, atlas.context, counts):
            if ranked.holds(one.tokens):
                counts["documents_with_ranked_words"] += 1
            else:
                labelled.append(one)
    left_out = [
        f"{counts[name]:,} {words}"
        for name, words in (
            ("documents_that_ranked", "documents answer problems that took part in the ranking"),
            ("documents_with_ranked_words", "further documents have the very words of one that took part in it"),
        )
        if counts[name]
    ]
    if left_out and not labelled:
        raise ConfigError(
            f"every one of the documents took part in the ranking of `{result.folder}` ({' and '.join(left_out)}): to "
            "score them again would prove nothing; give other problems"
        )
    again = [one for one in labelled if known.holds(one.tokens)]
    counts["documents_held_out_before"] = len(again)
    showing = [one for one in labelled if any(one.spans.values())]
    if showing and all(known.holds(one.tokens) for one in showing):
        raise ConfigError(
            f"every one of the {len(showing):,} documents that show a behaviour was held out of the ranking of "
            f"`{result.folder}`, which was tried on them already: no new evidence; give other texts"
        )
    selection = dataclasses.replace(selection, held_out_fraction=0.0, extra_positions=())
    with watch.stage("choosing positions"):
        try:
            positions = choose_positions(labelled, list(detectors), control, selection, settings.seed, counts)
        except DataError as error:
            if not left_out:
                raise
            raise DataError(f"{error}; besides them, {' and '.join(left_out)}, and were left out") from error
    sites = tuple(Site(layer, atlas.kind) for layer in result.run["model"]["layers"])
    budget = batch_budget(settings.tokens_per_batch, held)
    space = Space(held.fingerprint, sites, held.dtype, Path(settings.store) if settings.store else None, held.name)
    with watch.stage("reading"):
        captured = capture(held, atlas, space, positions, budget, announce, executor)
    with watch.stage("scoring"):
        scored = {site: score(batches_at(space, positions, site), scorers) for site in sites}
        here = rank_neurons(scored, positions.behaviours, rank_by)
        neurons = _beside(result.neurons, here, positions.behaviours)
    with watch.stage("replicating"):
        neurons = add_replication(
            neurons,
            space,
            positions,
            scorers[rank_by],
            rank_by,
            settings,
            part="ranking",
        )
    warnings = [
        f"`{name}` shows nowhere in {plural(counts['documents'], 'fresh document')}, and was left out"
        for name in detectors
        if name not in positions.behaviours
    ]
    groups = positions.table[positions.table.label == 1].groupby("behaviour").group.nunique()
    warnings += [
        f"`{name}` shows in {plural(count, 'group')} here: with fewer than {settings.min_groups} there is no "
        "interval and no verdict on replication"
        for name, count in groups.items()
        if count < settings.min_groups
    ]
    warnings += [f"{one}, and were left out" for one in left_out]
    if again:
        warnings.append(
            f"{len(again):,} of {plural(len(labelled), 'document')} are the held-out ones of the run itself: no new "
            "evidence"
        )
    others = sum(group_key(one.tokens.group) in known.groups for one in labelled) - len(again)
    if others > 0:
        warnings.append(
            f"{others:,} of {plural(len(labelled), 'document')} are other texts of problems that the run held out: new "
            "texts, and no new problems"
        )
    report = {
        "command": "rescore",
        "run": str(result.folder),
        "behaviours": list(positions.behaviours),
        "scorers": list(scorers),
        "rank_by": rank_by,
        "neutral": result.run["neutral"],
        "warnings": warnings,
        "counts": {**dict(sorted(counts.items())), "behaviours": counted(labelled, positions)},
        "reading": vars(captured),
        "timings_seconds": watch.seconds,
        "model": result.run["model"],
        "config": {**told, "confidence": settings.confidence},
        **provenance(positions.table, space.address),
    }
    tables = {"neurons": neurons, "positions": positions.table, "spans": spans_table(labelled, positions)}
    return write_run(folder, report, tables)


class _Known(NamedTuple):
    """What a part of a run read."""

    groups: frozenset[str]
    words: frozenset[str] | None
    """None where the run kept none."""

    @classmethod
    def of(cls, result: Result, part: str) -> "_Known":
        mine = result.positions[result.positions.part == part]
        words = None
        if "texts" in result.tables:
            texts = result.table("texts")
            words = frozenset(texts.words[texts.part == part])
        return cls(frozenset(map(group_key, mine.group)), words)

    def holds(self, document: TokenizedDocument) -> bool:
        """Return whether a document is one of those that were read, by its words, or else by its group."""
        if self.words is None:
            return group_key(document.group) in self.groups
        return text_key(document) in self.words


def _beside(ranked: pd.DataFrame, here: pd.DataFrame, behaviours: Iterable[str]) -> pd.DataFrame:
    """Return the ranking with the scores of other documents in place of those of the held-out groups."""
    scores = [name for name in here if name not in (*_KEYS, "rank") and not str(name).endswith("_heldout")]
    mine = ranked[ranked.behaviour.isin(list(behaviours))][[*_KEYS, "rank", *scores]]
    renamed = here[[*_KEYS, *scores]].rename(columns={name: f"{name}_heldout" for name in scores})
    return mine.merge(renamed, on=_KEYS, validate="one_to_one").reset_index(drop=True)
