"""Chosen neurons on chosen texts: the stages of `show`, in order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosieve.contracts import Report
from neurosieve.data import Document, Neuron
from neurosieve.errors import ConfigError, ModelError, nearest
from neurosieve.inspection.captured import Places, captured, contexts_table, directions, distribution_table
from neurosieve.inspection.excerpts import Excerpt, chosen, excerpt, read_at, tokens_table
from neurosieve.inspection.vocabulary import promoted
from neurosieve.models.batches import batch_budget
from neurosieve.pipeline.reopening import Reopened, neurons_asked
from neurosieve.registry import describe, installed
from neurosieve.runs.record import Stopwatch, versions
from neurosieve.runs.results import Run, draw, write_run
from neurosieve.texts.labelling import LabelledDocument, label_documents

__all__ = ["Show", "show_neurons"]


@dataclass(frozen=True)
class Show:
    """What `show` is told besides its run."""

    k: int = 5
    """How many of the best neurons of each behaviour are shown."""
    neurons: tuple[Any, ...] = ()
    """The neurons to show in their place, as `[[3, 17], L5N9]`."""
    behaviour: str | None = None
    """Whose neurons and documents are shown; those of every behaviour of the run, by default."""
    documents: int = 4
    """How many documents that show each behaviour are read, held-out ones first."""
    ids: tuple[str, ...] = ()
    """The documents to read in their place, by id."""
    text: str | tuple[str, ...] | None = None
    """A text of your own to read in their place, or several."""
    tokens: int = 400
    """How many tokens of a document are shown, at most: those about its spans."""
    contexts: int = 10
    """In how many documents each neuron is shown where it is strongest."""
    promoted: int = 10
    """How many tokens are named that a neuron promotes, and how many that it suppresses."""
    seed: int = 0
    """Draws the documents."""
    tokens_per_batch: int | None = None
    """Tokens in one forward pass, padding included; 4,096 on a CPU and 32,768 on a GPU, by default."""

    def __post_init__(self) -> None:
        for name, least in (("k", 1), ("documents", 1), ("tokens", 1), ("contexts", 0), ("promoted", 0), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} is {value!r}: give a whole number, at least {least}")
        if self.tokens_per_batch is not None and self.tokens_per_batch < 1:
            raise ConfigError(f"tokens_per_batch is {self.tokens_per_batch}: give at least 1")
        if any(not one.strip() for one in self.texts):
            raise ConfigError("text is blank: give one with words in it, or leave it out to read the run's documents")

    @property
    def texts(self) -> tuple[str, ...]:
        """The user's own texts."""
        given = () if self.text is None else self.text if isinstance(self.text, list | tuple) else (self.text,)
        return tuple(map(str, given))


def show_neurons(
    opened: Reopened, settings: Show, reports: Mapping[str, Report], folder: Path, config: Mapping[str, Any]
) -> Run:
    """Read neurons of a finished run on texts, and leave what they hold in `folder`.

    Args:
        opened: the run.
        settings: which neurons, on which texts.
        reports: draw what is left.
        folder: where to.
        config: what else it takes to do it again, for `run.json`.

    Raises:
        NeurosieveError: what is asked cannot be done; nothing is left in `folder`.
    """
    if (folder / "run.json").exists():
        raise ConfigError(f"`{folder}` holds a finished run already, which is not written over: give another folder")
    announce = installed().announce
    announce("run_started", command="show", folder=folder)
    watch, warnings, result, held = Stopwatch(), list[str](), opened.result, opened.held
    if settings.behaviour is not None and settings.behaviour not in result.behaviours:
        raise ConfigError(
            f"the run has no behaviour `{settings.behaviour}`: {nearest(settings.behaviour, result.behaviours)}"
        )
    behaviours = result.behaviours if settings.behaviour is None else [settings.behaviour]
    neurons = _neurons(opened, settings, behaviours)
    excerpts = [
        excerpt(document, behaviours, settings.tokens, opened.atlas.context)
        for document in _documents(opened, settings, behaviours, warnings)
    ]
    _say_what_was_cut(excerpts, settings, warnings)
    budget = batch_budget(settings.tokens_per_batch, held)
    with watch.stage("reading"):
        activations = read_at(held, opened.atlas, excerpts, neurons, budget, announce)
    with watch.stage("looking into the store"):
        stored = captured(opened, neurons, warnings)
        distribution = distribution_table(opened, behaviours, neurons, stored)
        toward = directions(distribution)
        read = _places(excerpts, neurons, activations)
        contexts, searched = contexts_table(neurons, [read, stored], toward, settings.contexts)
    tables = {
        "tokens": tokens_table(excerpts, activations, neurons, result.behaviours),
        "contexts": contexts,
        "distribution": distribution,
    }
    with watch.stage("looking into the vocabulary"):
        try:
            tables["promoted"] = promoted(held, opened.atlas, neurons, settings.promoted)
        except ModelError as error:
            warnings.append(str(error))
    parts = _parts(opened)
    report = {
        "command": "show",
        "run": str(result.folder),
        "behaviours": behaviours,
        "rank_by": result.run["rank_by"],
        "warnings": warnings,
        "counts": {"documents": len(excerpts), "tokens": sum(len(one.tokens) for one in excerpts)},
        "neurons": [
            {
                "layer": one.layer,
                "neuron": one.neuron,
                "ranks": _ranks(opened, one),
                "direction": toward.get(one, 0),
                "tokens_searched": searched[one],
            }
            for one in neurons
        ],
        "documents": [
            {
                "document": one.document.tokens.id,
                "part": parts.get(one.document.tokens.group, ""),
                "first": int(one.tokens[0]),
                "last": int(one.tokens[-1]),
                "tokens": len(one.document.tokens.token_ids),
            }
            for one in excerpts
        ],
        "timings_seconds": watch.seconds,
        "model": result.run["model"] | {"dtype": str(held.dtype).removeprefix("torch."), "device": str(held.device)},
        "config": {
            "run": str(result.folder),
            **vars(settings),
            "reports": {name: describe(one) for name, one in reports.items()},
            **config,
        },
        "versions": versions(),
    }
    run = write_run(folder, report, tables)
    draw(folder, reports)
    announce("run_ended", command="show", folder=folder)
    return run


def _neurons(opened: Reopened, settings: Show, behaviours: Sequence[str]) -> tuple[Neuron, ...]:
    if settings.neurons:
        return neurons_asked(settings.neurons, opened.atlas, opened.held.name)
    found = []
    for behaviour in behaviours:
        best = opened.result.top(settings.k, behaviour)
        if len(best) < settings.k:
            raise ConfigError(
                f"k is {settings.k:,}, and the ranking of `{behaviour}` holds {len(best):,} neurons: give at most that"
            )
        found += [Neuron(int(layer), int(index)) for layer, index in zip(best.layer, best.neuron, strict=True)]
    return tuple(dict.fromkeys(found))


def _documents(
    opened: Reopened, settings: Show, behaviours: Sequence[str], warnings: list[str]
) -> list[LabelledDocument]:
    """Return the documents that were asked for: by id, the user's own, or some that show each behaviour."""
    by_id = {one.tokens.id: one for one in opened.documents}
    unknown = [one for one in settings.ids if one not in by_id]
    if unknown:
        near = nearest(unknown[0], by_id)
        # A list of all of them, which `nearest` gives where none is near, could be of any length.
        hint = near if near.startswith("did") or len(by_id) < 20 else f"its ids are such as `{next(iter(by_id))}`"
        raise ConfigError(f"the run read no document `{unknown[0]}`: {hint}")
    if settings.ids or settings.texts:
        own = [
            Document(f"text {number}" if len(settings.texts) > 1 else "text", text, f"text {number}")
            for number, text in enumerate(settings.texts, 1)
        ]
        clash = [one.id for one in own if one.id in by_id]
        if clash:
            raise ConfigError(f"the run read a document of the name `{clash[0]}`, as yours would be called: give `ids`")
        labelled = label_documents(own, opened.detectors, opened.held.tokenizer, opened.atlas.context, Counter())
        return [*(by_id[one] for one in dict.fromkeys(settings.ids)), *labelled]
    found: dict[str, LabelledDocument] = {}
    for behaviour in behaviours:
        drawn = chosen(opened.documents, behaviour, settings.documents, _parts(opened), settings.seed)
        if len(drawn) < settings.documents:
            warnings.append(f"`{behaviour}` shows in {len(drawn):,} documents alone: all are shown")
        found |= {one.tokens.id: one for one in drawn}
    return list(found.values())


def _say_what_was_cut(excerpts: Sequence[Excerpt], settings: Show, warnings: list[str]) -> None:
    warnings += [
        f"document `{one.document.tokens.id}` has {len(one.document.tokens.token_ids):,} tokens, and the model's "
        f"context {one.readable:,}: what is behind was not read"
        for one in excerpts
        if one.readable < len(one.document.tokens.token_ids)
    ]
    longer = [one for one in excerpts if one.readable > settings.tokens]
    if longer:
        warnings.append(
            f"{len(longer):,} of {len(excerpts):,} documents are longer than {settings.tokens:,} tokens, and are shown "
            "about their spans alone: `tokens` shows more"
        )


def _places(
    excerpts: Sequence[Excerpt], neurons: Sequence[Neuron], activations: Sequence[npt.NDArray[np.float32]]
) -> Places:
    together = np.concatenate(list(activations))
    return Places(
        [one.document.tokens for one in excerpts],
        np.repeat(np.arange(len(excerpts)), [len(one.tokens) for one in excerpts]),
        np.concatenate([one.tokens for one in excerpts]),
        {neuron: together[:, place] for place, neuron in enumerate(neurons)},
    )


def _parts(opened: Reopened) -> dict[str, str]:
    table = opened.positions.table
    return dict(zip(table.group, table.part, strict=True))


def _ranks(opened: Reopened, neuron: Neuron) -> dict[str, int]:
    """Return the neuron's rank for each behaviour, if the run ranked it."""
    table = opened.result.neurons
    mine = table[(table.layer == neuron.layer) & (table.neuron == neuron.neuron)]
    return dict(zip(mine.behaviour.tolist(), mine["rank"].tolist(), strict=True))
