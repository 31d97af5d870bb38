"""What a run would read and what it would cost, before any weight of the model is loaded."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtri

from neurosieve.activations.capture import batch_of, document_batches
from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Site
from neurosieve.evidence.permutation import arrangements_of
from neurosieve.evidence.power import minimum_detectable_auc, noise_of_auc, noise_of_flips
from neurosieve.models.architectures import Atlas, atlas_of, sites_of
from neurosieve.models.batches import batch_budget
from neurosieve.models.gradients import read_together
from neurosieve.models.loading import LanguageModel, auto_class
from neurosieve.pipeline.cautions import cautions
from neurosieve.pipeline.detecting import label_all, near_misses, no_text
from neurosieve.pipeline.job import Job
from neurosieve.pipeline.long_texts import beyond_context, count_long_texts, tokens_of_documents
from neurosieve.pipeline.settings import Find
from neurosieve.pipeline.tables import count_positions
from neurosieve.texts.groups import join_groups
from neurosieve.texts.intake import intake_notes, intake_warnings
from neurosieve.texts.positions import PARTS, Positions
from neurosieve.texts.selection import choose_positions
from neurosieve.texts.thinning import thinned

__all__ = ["Plan", "plan_run"]

_NOISE = 64
"""The spread of noise is averaged over so many simulated neurons."""
_LEAST, _LEAST_BACK = 4e-4, 8e-4
"""A layer takes roughly so many seconds in any pass forth, and in any pass back, however small it is: its operations
are started one by one."""
_SHARE_OF_PEAK = 0.5
"""The speed of reading a model, as a share of the speed of large matrix products: a rough measure on small models."""


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
    """Distinct places that would be read, of all behaviours; those that the store holds already are not read again."""
    forward_passes: int
    """Of batches of texts, with those that read the means at the controls first, where the reading needs them."""
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


def plan_run(job: Job) -> Plan:
    """Return what `find` would read with these choices. No weights are loaded, and nothing is written.

    Raises:
        NeurosieveError: the run could not be made; the message is that of the run.
    """
    counts, settings, lm = Counter[str](), job.settings, job.opened()
    scorer = job.scorers[job.rank_by]
    atlas = atlas_of(lm, settings.site)
    sites = sites_of(atlas, settings.layers, lm.name)
    documents = label_all(job.source, job.detectors, lm, atlas.context, counts, lambda *_, **__: None)
    if not documents:
        raise no_text(counts, atlas.context)
    documents = join_groups(documents, job.selection.near_duplicates, counts)
    positions = choose_positions(documents, list(job.detectors), job.control, job.selection, settings.seed, counts)
    positions = thinned(positions, job.reading, settings.seed, counts)
    count_long_texts(lm, tokens_of_documents(positions), counts)
    neurons = len(sites) * atlas.neurons
    numbers = count_positions(documents, positions)
    behaviours = pd.DataFrame({"behaviour": behaviour, **numbers[behaviour]} for behaviour in positions.behaviours)
    if scorer.area and not job.selection.neighbours:
        detectable = (_detectable(positions, name, scorer, neurons, settings) for name in positions.behaviours)
        behaviours = behaviours.join(pd.DataFrame(detectable))
    passes = _passes(job, lm, atlas, sites, positions)
    size = torch.empty((), dtype=lm.dtype).element_size()
    return Plan(
        behaviours,
        counts["documents"],
        len(positions.token_of_row),
        passes.forward,
        passes.backward,
        passes.tokens,
        len(positions.token_of_row) * neurons * size * (2 if job.reading.needs_control_means else 1),
        passes.seconds(lm, (sites[-1].layer + 1) / len(atlas.sites)),
        neurons,
        (
            *intake_warnings(counts),
            *cautions(job, positions, counts, numbers, atlas.context),
            *beyond_context(lm, counts),
            *near_misses(documents, job.detectors),
        ),
        tuple(intake_notes(counts)),
    )


class _Passes(NamedTuple):
    """The passes of a run, and the tokens that go through the model in them, padding included."""

    forward: int
    backward: int
    tokens: int
    tokens_back: int

    def seconds(self, lm: LanguageModel, share: float) -> float:
        """Return roughly how long they take; `share` of the layers are read, and all where gradients are."""
        share = 1.0 if self.backward else share
        operations = (self.tokens + self.tokens_back) * _operations(lm, share) / (_SHARE_OF_PEAK * _speed(lm))
        layers = int(lm.config.get_text_config().num_hidden_layers) * share
        return operations + layers * (self.forward * _LEAST + self.backward * _LEAST_BACK)


def _passes(job: Job, lm: LanguageModel, atlas: Atlas, sites: Sequence[Site], positions: Positions) -> _Passes:
    """Return the passes that read some positions, none of which the store holds."""
    reading, forward, backward, tokens, tokens_back = job.reading, 0, 0, 0, 0
    forth = round(reading.passes(0))
    bounds = np.searchsorted(positions.document_of_row, np.arange(len(positions.documents) + 1))
    ends, counts = positions.token_of_row[bounds[1:] - 1] + 1, np.diff(bounds)
    # What the reading looks at behind a document's last position is read too, as far as the document goes.
    lengths = np.minimum(ends + reading.tokens_after(), [len(document.token_ids) for document in positions.documents])
    goes_back = reading.passes(1) > reading.passes(0)
    for batch in document_batches(positions, bounds, batch_budget(job.settings.tokens_per_batch, lm)):
        if reading.needs_control_means:
            forward, tokens = forward + 1, tokens + int(len(batch) * ends[batch].max())
        together = read_together(lm, atlas, lengths[batch].tolist(), sites) if goes_back else [slice(None)]
        for documents in together:
            piece = batch[documents]
            # A pass back is for one position of each document.
            back = round(reading.passes(int(counts[piece].max()))) - forth
            padded = int(len(piece) * lengths[piece].max())
            forward, backward = forward + forth, backward + back
            tokens, tokens_back = tokens + forth * padded, tokens_back + back * padded
    return _Passes(forward, backward, tokens, tokens_back)


def _detectable(
    positions: Positions, behaviour: str, scorer: Scorer[Any], neurons: int, settings: Find
) -> dict[str, float]:
    """Return the smallest AUCs that the ranking part and the held-out part of a behaviour could detect."""
    ranking, held_out = (_noise(positions, positions.column(behaviour, part)) for part in PARTS)
    smallest = minimum_detectable_auc(
        _spread(ranking, ranking.documents, scorer), arrangements_of(ranking, scorer), neurons, settings.permutations
    )
    deviations = -float(ndtri((1 - settings.confidence) / 2))
    # An interval compares positions of all documents.
    heldout = 0.5 + deviations * _spread(held_out, torch.zeros_like(held_out.documents), scorer)
    heldout = heldout if heldout <= 1 else math.nan
    return {"minimum_detectable_auc": smallest, "minimum_detectable_auc_heldout": heldout}


def _noise(positions: Positions, column: int) -> Batch:
    """Return the positions of one column of labels, with independent noise in place of activations."""
    rows = np.flatnonzero(positions.labels[:, column] >= 0)
    noise = torch.randn(len(rows), _NOISE, generator=torch.Generator().manual_seed(0))
    return batch_of(Site(0), noise, positions, rows, [column])


def _spread(noise: Batch, strata: torch.Tensor, scorer: Scorer[Any]) -> float:
    """Return the standard deviation of the AUC of noise."""
    if scorer.between_documents:
        return noise_of_flips(noise, scorer)
    return noise_of_auc(noise.labels[:, 0].numpy(), strata.numpy())


def _operations(lm: LanguageModel, share: float) -> float:
    """Return the floating point operations of one token in a share of the layers: two for each of their weights."""
    with torch.device("meta"):
        module = auto_class(lm.config).from_config(lm.config, trust_remote_code=False)
    embedding = module.get_input_embeddings().weight.numel()
    weights = sum(int(parameter.numel()) for parameter in module.base_model.parameters() if parameter.ndim > 1)
    return 2.0 * (weights - int(embedding)) * share


def _speed(lm: LanguageModel) -> float:
    """Return how many floating point operations a second the device does, by multiplying a few matrices."""
    left, right = (torch.ones(1024, 1024, device=lm.device, dtype=lm.dtype) for _ in "ab")
    fastest = math.inf
    for _ in range(5):
        began = time.perf_counter()
        (left @ right)[0, 0].item()  # Asking for a number waits for the device.
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * 1024**3 / fastest
