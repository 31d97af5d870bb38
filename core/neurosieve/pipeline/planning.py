"""What a run would go by and what it would cost, before any weight of the model is loaded."""

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtri

from neurosieve.activations.capture import document_batches
from neurosieve.contracts import Control, Detector, Scorer, Source
from neurosieve.data import Batch, Document, Site
from neurosieve.errors import DataError
from neurosieve.evidence.permutation import arrangements_of, flips_groups
from neurosieve.evidence.power import is_area, minimum_detectable_auc, noise_of_auc, noise_of_flips
from neurosieve.models.architectures import atlas_of, sites_of
from neurosieve.models.batches import batch_budget
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.cautions import cautions
from neurosieve.pipeline.settings import Find
from neurosieve.pipeline.tables import counted
from neurosieve.texts.labelling import label_documents
from neurosieve.texts.positions import PARTS, Positions
from neurosieve.texts.selection import Selection, choose_positions

__all__ = ["Plan", "planned_run"]

_NOISE = 64
"""Over so many simulated neurons the spread of noise is averaged."""
_SHARE_OF_PEAK = 0.5
"""How fast a model is read, as a share of how fast large matrices are multiplied: measured on small models, roughly."""


@dataclass(frozen=True)
class Plan:
    """What a run would go by, and what it would cost."""

    behaviours: pd.DataFrame
    """A line per behaviour: `behaviour, documents_with, spans`, positions, documents and groups of each part, and the
    smallest AUC that could reach a p_fwer of 0.05 (`minimum_detectable_auc`), and the smallest that the interval of one
    held-out neuron could tell from 0.5 (`minimum_detectable_auc_heldout`). These two are left out where the ranking is
    not by an AUC, or several tokens of a span are read, which are alike; nan where no AUC could."""
    documents: int
    positions: int
    """Distinct places that would be read, of all behaviours; those that the store holds already are not read again."""
    forward_passes: int
    tokens: int
    """That would go through the model, padding included."""
    bytes: int
    """That the store would gain."""
    seconds: float
    """Roughly, on the device that the model would run on."""
    neurons: int
    """That each behaviour would be tested on."""
    warnings: tuple[str, ...]


def planned_run(
    held: LanguageModel,
    source: Source | Iterable[Document],
    detectors: Mapping[str, Detector],
    control: Control,
    selection: Selection,
    settings: Find,
    scorer: Scorer[Any],
) -> Plan:
    """Return what `find` would go by with these choices. No weights are loaded, and nothing is written.

    Args:
        held: the model; its config and its tokenizer are used.
        source: the texts.
        detectors: the behaviours.
        control: what to compare with.
        selection: where to read.
        settings: of the run.
        scorer: the one that would rank, with a null of its own.

    Raises:
        NeurosieveError: the run could not be made: what it would say, it says here.
    """
    counts = Counter[str]()
    atlas = atlas_of(held, settings.site)
    sites = sites_of(atlas, settings.layers, held.name)
    documents = list(label_documents(source, detectors, held.tokenizer, atlas.context, counts))
    if not documents:
        raise DataError(
            f"the source gave {counts['documents']:,} documents, and none with text to read: "
            "check its path and the fields that it reads"
        )
    positions = choose_positions(documents, list(detectors), control, selection, settings.seed, counts)
    neurons = len(sites) * atlas.neurons
    numbers = counted(documents, positions)
    lines = []
    for behaviour in positions.behaviours:
        told: dict[str, Any] = {"behaviour": behaviour, **numbers[behaviour]}
        if is_area(scorer) and not selection.neighbours:
            ranked, held_out = (_noise(positions, positions.column(behaviour, part)) for part in PARTS)
            ways = arrangements_of(ranked, scorer)
            told["minimum_detectable_auc"] = minimum_detectable_auc(
                _spread(ranked, ranked.documents, scorer), ways, neurons, settings.permutations
            )
            reach = -float(ndtri((1 - settings.confidence) / 2))
            # An interval compares positions of all documents.
            reached = 0.5 + reach * _spread(held_out, torch.zeros_like(held_out.documents), scorer)
            told["minimum_detectable_auc_heldout"] = reached if reached <= 1 else math.nan
        lines.append(told)
    budget = batch_budget(settings.tokens_per_batch, held)
    bounds = np.searchsorted(positions.document_of_row, np.arange(len(positions.documents) + 1))
    ends = positions.token_of_row[bounds[1:] - 1] + 1
    batches = [int(len(batch) * ends[batch].max()) for batch in document_batches(positions, bounds, budget)]
    size = torch.empty((), dtype=held.dtype).element_size()
    return Plan(
        pd.DataFrame(lines),
        counts["documents"],
        len(positions.token_of_row),
        len(batches),
        sum(batches),
        len(positions.token_of_row) * neurons * size,
        sum(batches) * _operations(held, (sites[-1].layer + 1) / len(atlas.sites)) / (_SHARE_OF_PEAK * _speed(held)),
        neurons,
        tuple(cautions(positions, list(detectors), selection, counts, numbers, atlas.context, settings)),
    )


def _noise(positions: Positions, column: int) -> Batch:
    """Return the positions of one column of labels, with independent noise in place of activations."""
    labels = torch.from_numpy(positions.labels[:, [column]])
    rows = np.flatnonzero(labels[:, 0] >= 0)
    documents = positions.document_of_row[rows]
    return Batch(
        Site(0),
        torch.randn(len(rows), _NOISE, generator=torch.Generator().manual_seed(0)),
        labels[rows],
        torch.from_numpy(documents),
        torch.from_numpy(positions.groups[documents]),
        torch.from_numpy(positions.token_ids[rows]),
    )


def _spread(noise: Batch, strata: torch.Tensor, scorer: Scorer[Any]) -> float:
    """Return how far noise strays from an AUC of 0.5."""
    if flips_groups(noise, scorer):
        return noise_of_flips(noise, scorer)
    return noise_of_auc(noise.labels[:, 0].numpy(), strata.numpy())


def _operations(held: LanguageModel, share: float) -> float:
    """Return the floating point operations of one token in a share of the layers: two for each of their weights."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        module = AutoModelForCausalLM.from_config(held.config, trust_remote_code=False)
    embedding = module.get_input_embeddings().weight.numel()
    weights = sum(int(parameter.numel()) for parameter in module.base_model.parameters() if parameter.ndim > 1)
    return 2.0 * (weights - int(embedding)) * share


def _speed(held: LanguageModel) -> float:
    """Return how many floating point operations a second the device does, by multiplying a few matrices."""
    left, right = (torch.ones(1024, 1024, device=held.device, dtype=held.dtype) for _ in "ab")
    fastest = math.inf
    for _ in range(5):
        began = time.perf_counter()
        (left @ right)[0, 0].item()  # Asking for a number waits for the device.
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * 1024**3 / fastest
