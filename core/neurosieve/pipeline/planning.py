"""What a run would read and what it would cost, before any weight of the model is loaded."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtri

from neurosieve.activations.capture import batch_of
from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Site
from neurosieve.errors import DataError
from neurosieve.evidence.baseline_features import check_baseline_fields
from neurosieve.evidence.exchange import Exchange, exchange_of, null_of
from neurosieve.evidence.permutation import arrangements_of
from neurosieve.evidence.power import minimum_detectable_auc, noise_of_auc, noise_of_exchange, noise_of_flips
from neurosieve.models.activation import Activation
from neurosieve.models.architectures import atlas_of, sites_of
from neurosieve.models.batches import batch_budget
from neurosieve.pipeline.cautions import cautions
from neurosieve.pipeline.compared_positions import compared_positions
from neurosieve.pipeline.detecting import label_all, near_misses, no_text
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.label_quality import label_quality
from neurosieve.pipeline.long_texts import beyond_context, count_long_texts, tokens_of_documents
from neurosieve.pipeline.passes import bytes_of_cell, passes_of
from neurosieve.pipeline.settings import Find
from neurosieve.pipeline.tables import count_positions
from neurosieve.texts.groups import join_groups
from neurosieve.texts.intake import intake_notes, intake_warnings
from neurosieve.texts.looking_ahead import without_costs
from neurosieve.texts.positions import PARTS, WHOLE_TEXTS, Positions, UnitKind
from neurosieve.texts.thinning import thinned

__all__ = ["Plan", "plan_run"]

_NOISE = 64
"""The spread of noise is averaged over so many simulated neurons."""


@dataclass(frozen=True)
class Plan:
    """What a run would read, and what it would cost."""

    behaviours: pd.DataFrame
    """A line per behaviour: `behaviour, documents_with, spans`, positions, documents and groups of each part, and the
    smallest AUC that could reach a p_fwer of 0.05 (`minimum_detectable_auc`), and the smallest whose held-out interval
    could exclude 0.5 (`minimum_detectable_auc_heldout`). These two are left out where the ranking is not by an AUC, or
    several tokens of a span are read, which are alike; nan where no AUC could."""
    documents: int
    positions: int
    """Distinct positions that would be read, or units, of all behaviours; those that the store holds are not read
    again."""
    forward_passes: int
    """Of batches of texts, with those that read the means at the controls first, where a reading needs them. Here and
    below the reading `beside` is counted, and nothing else that follows the ranking."""
    backward_passes: int
    """Of batches of texts, each for a position of every text in the batch; 0 where no gradient is read."""
    tokens: int
    """That would go through the model in forward passes, padding included."""
    bytes: int
    """That the store would gain."""
    seconds: float
    """Roughly, on the device that the model would run on."""
    neurons: int
    """That each behaviour would be tested on."""
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    unit: UnitKind = "token"
    """What each position stands for."""


def plan_run(job: Job) -> Plan:
    """Return what `find` would read with these choices. No weights are loaded, and nothing is written.

    Raises:
        NeurosieveError: the run could not be made; the message is that of the run.
    """
    job.check()
    label_quality(job)
    counts, settings, lm = Counter[str](), job.settings, job.opened()
    scorer = job.scorers[job.rank_by]
    atlas = atlas_of(lm, settings.site)
    sites = sites_of(atlas, settings.layers, lm.name)
    source = without_costs(job.source, job.detectors)
    documents = label_all(source, job.detectors, lm, atlas.context, counts, lambda *_, **__: None)
    if not documents:
        raise no_text(counts, atlas.context)
    documents = join_groups(documents, job.selection.near_duplicates, counts, job.selection.unit)
    compared = compared_positions(documents, list(job.detectors), job.control, job.selection, settings, counts)
    positions = thinned(compared.drawn, job.reading, settings.seed, counts)
    check_baseline_fields(compared.chosen, settings)
    count_long_texts(lm, tokens_of_documents(positions), counts)
    neurons = len(sites) * atlas.neurons
    numbers = count_positions(documents, positions)
    behaviours = pd.DataFrame({"behaviour": behaviour, **numbers[behaviour]} for behaviour in positions.behaviours)
    if scorer.area and not job.selection.neighbours:
        detectable = (_detectable(positions, name, scorer, neurons, settings) for name in positions.behaviours)
        behaviours = behaviours.join(pd.DataFrame(detectable))
    budget = batch_budget(settings.tokens_per_batch, lm)
    readings, notes, warnings = [passes_of(job.reading, lm, atlas, sites, positions, budget)], intake_notes(counts), []
    bytes_of_neuron = readings[0].rows * bytes_of_cell(job.reading, lm, positions)
    if job.beside is not None:
        try:
            of_beside = thinned(compared.drawn, job.beside, settings.seed, Counter())
        except DataError as error:  # The run goes on without it, and says so.
            warnings.append(f"`beside` could not be done: {error}. It is not in this plan")
        else:
            # A ranking by activations has read all of them by then.
            known = isinstance(job.reading, Activation)
            readings.append(passes_of(job.beside, lm, atlas, sites, of_beside, budget, known))
            bytes_of_neuron += readings[-1].rows * bytes_of_cell(job.beside, lm, of_beside)
            notes.append(f"the passes are those of both readings: `beside` takes {readings[-1]} of them")
    share = (sites[-1].layer + 1) / len(atlas.sites)
    return Plan(
        behaviours,
        counts["documents"],
        len(positions.token_of_row),
        sum(passes.forward for passes in readings),
        sum(passes.backward for passes in readings),
        sum(passes.tokens for passes in readings),
        bytes_of_neuron * neurons,
        sum(passes.seconds(lm, share) for passes in readings),
        neurons,
        (
            *intake_warnings(counts),
            *cautions(job, positions, counts, numbers, atlas.context),
            *beyond_context(lm, counts, positions.unit),
            *near_misses(documents, job.detectors),
            *warnings,
        ),
        (
            *compared.notes(job.selection, settings),
            *notes,
            *_not_counted(job),
        ),
        positions.unit,
    )


def _not_counted(job: Job) -> list[str]:
    """Return one sentence about what follows the ranking and is in no plan, if anything does."""
    following = {
        "validate": job.validate is not None,
        "replicate_on": job.replicate_on is not None,
        "follow_up": job.settings.follow_up,
    }
    names = [f"`{name}`" for name, asked in following.items() if asked]
    return [f"{' and '.join(names)} would cost more: what follows the ranking is not in this plan"] if names else []


def _detectable(
    positions: Positions, behaviour: str, scorer: Scorer[Any], neurons: int, settings: Find
) -> dict[str, float]:
    """Return the smallest AUCs that the ranking part and the held-out part of a behaviour could detect."""
    ranking, held_out = (_noise(positions, positions.column(behaviour, part)) for part in PARTS)
    exchange = exchange_of(positions, positions.column(behaviour), null_of(settings, positions.unit), settings)
    smallest = minimum_detectable_auc(
        _spread(positions, ranking, exchange, scorer),
        arrangements_of(ranking, scorer, exchange),
        neurons,
        settings.permutations,
    )
    deviations = -float(ndtri((1 - settings.confidence) / 2))
    # An interval compares positions of all documents.
    everywhere = Exchange(np.zeros(len(held_out.labels), dtype=np.int64))
    heldout = 0.5 + deviations * _spread(positions, held_out, everywhere, scorer)
    heldout = heldout if heldout <= 1 else math.nan
    return {"minimum_detectable_auc": smallest, "minimum_detectable_auc_heldout": heldout}


def _noise(positions: Positions, column: int) -> Batch:
    """Return the positions of one column of labels, with independent noise in place of activations."""
    rows = np.flatnonzero(positions.labels[:, column] >= 0)
    noise = torch.randn(len(rows), _NOISE, generator=torch.Generator().manual_seed(0))
    return batch_of(Site(0), noise, positions, rows, [column])


def _spread(positions: Positions, noise: Batch, exchange: Exchange, scorer: Scorer[Any]) -> float:
    """Return the standard deviation of the AUC of noise."""
    if scorer.between_documents:
        return noise_of_flips(noise, scorer)
    if positions.unit in WHOLE_TEXTS:  # Few enough that noise is soon scored, by any scorer.
        return noise_of_exchange(noise, scorer, exchange)
    return noise_of_auc(noise.labels[:, 0].numpy(), exchange.strata)
