"""`find`: from texts to a ranked, replicated table of neurons."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurosieve.capture import Capture, capture, keys_of
from neurosieve.configuration import as_object, build, composed, describe, publish
from neurosieve.contracts import Control, Detector, Scorer, Source
from neurosieve.data import Batch, Document, Scores, Site
from neurosieve.engine import score
from neurosieve.errors import ConfigError, DataError, nearest
from neurosieve.labelling import LabelledDocument, label
from neurosieve.loading import LanguageModel, Model, hand_over, open_model
from neurosieve.model import Atlas, atlas_of
from neurosieve.ranking import rank_neurons
from neurosieve.registry import installed
from neurosieve.results import Result, write_run
from neurosieve.selection import PARTS, Positions, Selection, choose_positions
from neurosieve.significance import bootstrap_interval
from neurosieve.store import DamagedShardError, Space

__all__ = ["SCHEMAS", "Find", "find", "from_config", "main"]


@dataclass(frozen=True)
class Find:
    """What `find` is told besides its plugins and its model."""

    seed: int = 0
    """Draws which groups are held out, and the bootstrap."""
    rank_by: str | None = None
    """The scorer that ranks; the first, by default."""
    layers: tuple[int, ...] | None = None
    """The layers to read; all, by default."""
    confirm: int = 100
    """How many of the best neurons of each behaviour get an interval on the held-out groups, and a verdict."""
    draws: int = 500
    """Resamples of the groups behind each interval."""
    tokens_per_batch: int | None = None
    """Tokens in one forward pass, padding included; 4,096 on a CPU and 32,768 on a GPU, by default."""
    store: str | None = None
    """The folder that keeps captured activations; the user's cache, by default."""
    enough_positions: int = 100
    """Fewer present positions of a behaviour than this in the ranking part are warned of."""
    enough_documents: int = 30
    """Fewer documents with a behaviour than this in the ranking part are warned of."""

    def __post_init__(self) -> None:
        for name, least in (("confirm", 0), ("draws", 1), ("tokens_per_batch", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} is {value}: give at least {least}")


@dataclass(frozen=True)
class _Config(Find):
    """The whole config: the settings, and a place for each group."""

    model: Any = None
    source: Any = None
    detectors: Any = field(default_factory=dict)
    control: Any = None
    selection: Any = None
    scorers: Any = field(default_factory=dict)


SCHEMAS: Mapping[str, type] = {"find": _Config, "model": Model, "selection": Selection}


def find(
    model: Any = "gemma-3-270m",
    source: str | Source | Iterable[Document] = "arithmetic",
    detectors: Sequence[str] | Mapping[str, Detector] = ("backtracking",),
    scorers: Sequence[str] | Mapping[str, Scorer[Any]] = ("auc", "cohens_d"),
    *,
    control: str | Control = "distant",
    selection: str | Selection = "onset",
    tokenizer: Any = None,
    folder: str | Path | None = None,
    **settings: Any,
) -> Result:
    """Find the neurons that fire when a behaviour shows.

    Args:
        model: a preset (`gemma-3-270m`), a hub name, a folder, a `Model`, a loaded Hugging Face model, or a
            TransformerBridge.
        source: a preset, a `Source`, or documents.
        detectors: presets, or detectors by the name of the behaviour that each finds.
        scorers: presets, or scorers by the name of the column that each fills.
        control: a preset, or what chooses the positions to compare with.
        selection: a preset (`prediction`), or how positions are chosen and groups split.
        tokenizer: of a loaded model that knows none.
        folder: where the run is left; `runs/find/<time>` by default.
        **settings: the fields of `Find`, such as `seed` and `rank_by`.

    Raises:
        NeurosieveError: what is asked cannot be done; the message says what to do next.
    """
    publish(SCHEMAS)
    is_preset = isinstance(model, str) and "/" not in model and not Path(model).exists()
    named = {
        "model": model if is_preset else None,
        "source": source if isinstance(source, str) else None,
        "detectors": _listed(detectors),
        "scorers": _listed(scorers),
        "control": control if isinstance(control, str) else None,
        "selection": selection if isinstance(selection, str) else None,
    }
    config = composed("find", [f"{group}={choice}" for group, choice in named.items() if choice is not None])
    if not is_preset:
        if isinstance(model, str):
            model = Model(model)
        if not isinstance(model, Model):
            model = hand_over(model, tokenizer)
    asked: Any = source
    return _run(
        as_object(Model, config.model, "model") if is_preset else model,
        build(config.source, "source", "source") if isinstance(source, str) else asked,
        detectors if isinstance(detectors, Mapping) else _built(config.detectors, "detector"),
        scorers if isinstance(scorers, Mapping) else _built(config.scorers, "scorer"),
        build(config.control, "control", "control") if isinstance(control, str) else control,
        as_object(Selection, config.selection, "selection") if isinstance(selection, str) else selection,
        as_object(Find, settings, "find"),
        Path(folder or f"runs/find/{time.strftime('%Y-%m-%d/%H-%M-%S')}"),
    )


def from_config(config: Any, folder: Path) -> Result:
    """Run what a composed config asks for, and leave the run in `folder`."""
    settings = {name: config[name] for name in Find.__dataclass_fields__}
    return _run(
        as_object(Model, config.model, "model"),
        build(config.source, "source", "source"),
        _built(config.detectors, "detector"),
        _built(config.scorers, "scorer"),
        build(config.control, "control", "control"),
        as_object(Selection, config.selection, "selection"),
        as_object(Find, settings, "find"),
        folder,
    )


def main(arguments: Sequence[str]) -> None:
    """Run the command line of `find`."""
    from neurosieve.hydra_app import run_hydra
    from neurosieve.terminal import show_result

    run_hydra("find", arguments, SCHEMAS, lambda config, folder: show_result(from_config(config, folder)))


def _listed(choice: Any) -> str | None:
    return None if isinstance(choice, Mapping) else f"[{','.join([choice] if isinstance(choice, str) else choice)}]"


def _built(nodes: Mapping[str, Any] | None, kind: str) -> dict[str, Any]:
    if not nodes:
        raise ConfigError(f"no {kind} is given: choose at least one, as in `{kind}s=[...]`; `neurosieve plugins` lists them")
    return {name: build(node, kind, f"{kind}s.{name}") for name, node in nodes.items()}


@dataclass
class _Log:
    """What a run notes of itself."""

    timings: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.timings[name] = round(self.timings.get(name, 0.0) + time.perf_counter() - began, 3)


def _run(
    model: Model | LanguageModel,
    source: Source | Iterable[Document],
    detectors: Mapping[str, Detector],
    scorers: Mapping[str, Scorer[Any]],
    control: Control,
    selection: Selection,
    settings: Find,
    folder: Path,
) -> Result:
    from neurosieve.provenance import provenance

    announce = installed().announce
    announce("run_started", command="find", folder=folder)
    rank_by = settings.rank_by or next(iter(scorers))
    if rank_by not in scorers:
        raise ConfigError(f"rank_by is `{rank_by}`, which is not among the scorers: {nearest(rank_by, scorers)}")
    log, counts = _Log(), Counter[str]()
    with log.stage("opening the model"):
        held = model if isinstance(model, LanguageModel) else open_model(model)
        atlas = atlas_of(held)
        sites = _sites(atlas, settings.layers, held.name)
    with log.stage("detecting"):
        documents = list(_announced(label(source, detectors, held.tokenizer, atlas.context, counts), announce))
    if not documents:
        raise DataError(
            f"the source gave {counts['documents']:,} documents, and none with text to read: "
            "check its path and the fields that it reads"
        )
    with log.stage("choosing positions"):
        positions = choose_positions(documents, list(detectors), control, selection, settings.seed, counts)
    log.warnings += _cautions(positions, settings, counts, atlas)
    budget = settings.tokens_per_batch or (4096 if held.device.type == "cpu" else 32768)
    with log.stage("opening the store"):
        space = Space(held.fingerprint, sites, held.dtype, Path(settings.store) if settings.store else None, held.name)
    done = Capture()
    while True:
        with log.stage("reading"):
            captured = capture(held, atlas, space, positions, budget, announce)
            done = Capture(*(one + more for one, more in zip(vars(done).values(), vars(captured).values(), strict=True)))
        try:
            with log.stage("scoring"):
                scored = _score(space, positions, scorers, announce)
            with log.stage("ranking"):
                neurons = rank_neurons(scored, positions.behaviours, rank_by)
            with log.stage("replicating"):
                neurons = _confirmed(neurons, space, positions, scorers[rank_by], rank_by, settings)
        except DamagedShardError:
            continue  # The shard is gone; what it held is captured again.
        break
    if space.damaged:
        log.warnings.append(f"{space.damaged} damaged shard(s) of the store were removed, and what they held was captured again")
    if done.halvings:
        log.warnings.append(
            f"memory ran out {done.halvings} time(s), and the batch was read in halves: a smaller `tokens_per_batch` than {budget:,} is faster"
        )
    blocks = len(positions.behaviours)
    first = next(iter(scored.values()))
    report = {
        "command": "find",
        "behaviours": list(positions.behaviours),
        "scorers": list(scorers),
        "rank_by": rank_by,
        "neutral": {name: dict(zip(positions.behaviours, _neutral(scores, blocks), strict=True)) for name, scores in first.items()},
        "warnings": log.warnings,
        "counts": {**dict(sorted(counts.items())), "behaviours": _counted(documents, positions)},
        "reading": vars(done),
        "timings_seconds": log.timings,
        "model": {"name": held.name, "weights": held.fingerprint, "device": str(held.device), "dtype": str(held.dtype).removeprefix("torch."), "layers": [site.layer for site in sites], "neurons_per_layer": atlas.neurons},
        "config": {
            "source": describe(source) if isinstance(source, Source) else "documents handed over",
            "detectors": {name: describe(one) for name, one in detectors.items()},
            "scorers": {name: describe(one) for name, one in scorers.items()},
            "control": describe(control),
            "selection": vars(selection),
            **vars(settings),
        },
        **provenance(positions.table, space.address),
    }
    result = write_run(folder, neurons, positions.table, report)
    announce("run_ended", command="find", folder=folder)
    return result


def _announced(documents: Iterator[LabelledDocument], announce: Callable[..., None]) -> Iterator[LabelledDocument]:
    number = 0
    for number, document in enumerate(documents, 1):
        announce("stage_progressed", stage="detecting", done=number, total=None, unit="documents")
        yield document
    announce("stage_progressed", stage="detecting", done=number, total=number, unit="documents")


def _sites(atlas: Atlas, layers: Sequence[int] | None, name: str) -> tuple[Site, ...]:
    unknown = [layer for layer in layers or () if Site(layer) not in atlas.sites]
    if unknown or layers == ():
        raise ConfigError(f"layers is {list(layers or ())}: `{name}` has layers 0 to {len(atlas.sites) - 1}")
    return atlas.sites if layers is None else tuple(Site(layer) for layer in sorted(set(layers)))


def _cautions(positions: Positions, settings: Find, counts: Counter[str], atlas: Atlas) -> list[str]:
    found = []
    ranked = positions.table[(positions.table.part == PARTS[0]) & (positions.table.label == 1)]
    for behaviour in positions.behaviours:
        here = ranked[ranked.behaviour == behaviour]
        documents = here.document.nunique()
        if len(here) < settings.enough_positions or documents < settings.enough_documents:
            found.append(
                f"`{behaviour}` is ranked on {len(here):,} present positions in {documents:,} documents: with fewer than "
                f"{settings.enough_positions} or {settings.enough_documents}, the best of many neurons scores high by chance alone"
            )
    if counts["documents_cut"]:
        found.append(f"{counts['documents_cut']:,} documents are longer than the model's context of {atlas.context:,} tokens, and were cut")
    if counts["documents_empty"]:
        found.append(f"{counts['documents_empty']:,} documents have no text that can be read, and were left out")
    if counts["spans_not_readable"]:
        found.append(f"{counts['spans_not_readable']:,} spans hold no token that can be read, and were left out")
    if counts["positions_outside"]:
        found.append(f"{counts['positions_outside']:,} places to read were outside their texts, and were left out")
    return found


def _batch(space: Space, positions: Positions, site: Site) -> Batch:
    """Return every position at one site, as one batch: a layer is what is held at a time."""
    ids = [positions.documents[d].token_ids[t] for d, t in zip(positions.document_of_row, positions.token_of_row, strict=True)]
    return Batch(
        site,
        space.read(site, *keys_of(positions)),
        torch.from_numpy(positions.labels),
        torch.from_numpy(positions.document_of_row),
        torch.from_numpy(positions.groups[positions.document_of_row]),
        torch.from_numpy(np.asarray(ids)),
    )


def _score(
    space: Space, positions: Positions, scorers: Mapping[str, Scorer[Any]], announce: Callable[..., None]
) -> dict[Site, dict[str, Scores]]:
    scored = {}
    for number, site in enumerate(space.sites, 1):
        scored[site] = score([_batch(space, positions, site)], scorers)
        announce("stage_progressed", stage="scoring", done=number, total=len(space.sites), unit="layers")
    return scored


def _confirmed(
    neurons: pd.DataFrame, space: Space, positions: Positions, scorer: Scorer[Any], rank_by: str, settings: Find
) -> pd.DataFrame:
    """Return the table with an interval and a verdict for the best neurons of each behaviour.

    `replicates` is true where, on the held-out groups, the sign agrees and the interval excludes "tells nothing";
    it is missing for neurons below the best `confirm`, and where there is no interval.
    """
    low, high = np.full(len(neurons), np.nan), np.full(len(neurons), np.nan)
    for number, behaviour in enumerate(positions.behaviours):
        best = np.flatnonzero((neurons.behaviour == behaviour) & (neurons["rank"] <= settings.confirm) & neurons[rank_by].notna())
        column = positions.labels[:, len(positions.behaviours) + number]
        if scorer.joint or not len(best) or not (column >= 0).any():
            continue  # A joint scorer's score is no property of one neuron: resampling a few of them says nothing.
        rows = torch.from_numpy(np.flatnonzero(column >= 0))
        parts = []
        for site in space.sites:
            here = best[neurons.layer.to_numpy()[best] == site.layer]
            if len(here):
                whole = _batch(space, positions, site)
                parts.append((here, whole.activations[rows][:, torch.from_numpy(neurons.neuron.to_numpy()[here].astype(np.int64))]))
        together = Batch(
            whole.site,
            torch.cat([activations for _, activations in parts], dim=1),
            torch.from_numpy(column[rows.numpy()])[:, None],
            whole.documents[rows],
            whole.groups[rows],
            whole.token_ids[rows],
        )
        interval = bootstrap_interval(together, scorer, settings.seed, settings.draws)
        where = np.concatenate([here for here, _ in parts])
        low[where], high[where] = interval.low, interval.high
    sign = np.sign(neurons[f"{rank_by}_distance"].to_numpy())
    held_out = np.sign(neurons[f"{rank_by}_distance_replication"].to_numpy())
    verdict = pd.array((sign == held_out) & (sign * np.where(sign > 0, low, high) > 0), dtype="boolean")
    verdict[np.isnan(low)] = pd.NA
    return neurons.assign(
        **{f"{rank_by}_distance_replication_low": low, f"{rank_by}_distance_replication_high": high, "replicates": verdict}
    )


def _neutral(scores: Scores, behaviours: int) -> list[float | None]:
    values = torch.as_tensor(scores.neutral, dtype=torch.float64).expand(len(PARTS) * behaviours, 1)[:behaviours, 0]
    return [None if value != value else value for value in values.tolist()]


def _counted(documents: Sequence[LabelledDocument], positions: Positions) -> dict[str, Any]:
    """Return, per behaviour, its documents and spans, and its positions in each part."""
    table = positions.table
    counted = {}
    for behaviour in positions.behaviours:
        mine = table[table.behaviour == behaviour]
        counted[behaviour] = {
            "documents_with": sum(bool(document.spans[behaviour]) for document in documents),
            "spans": sum(len(document.spans[behaviour]) for document in documents),
            **{
                f"{part}_{what}": int(count)
                for part in PARTS
                for of_part in [mine[mine.part == part]]
                for what, count in {
                    "present": (of_part.label == 1).sum(),
                    "control": (of_part.label == 0).sum(),
                    "documents_with": of_part[of_part.label == 1].document.nunique(),
                    "groups": of_part.group.nunique(),
                }.items()
            },
        }
    return counted
