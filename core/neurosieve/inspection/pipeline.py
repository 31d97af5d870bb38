"""Chosen neurons on chosen texts: the stages of `show`, in order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge

from neurosieve.contracts import Report
from neurosieve.data import Document, Neuron
from neurosieve.errors import ConfigError, ModelError, nearest
from neurosieve.fields import check_fields
from neurosieve.inspection.contexts import Places, contexts_table, directions, distribution_table, stored_places
from neurosieve.inspection.excerpts import Excerpt, choose_documents, excerpt, read_at, tokens_table
from neurosieve.inspection.vocabulary import promoted_tokens
from neurosieve.models.assumptions import check_model
from neurosieve.models.batches import batch_budget
from neurosieve.pipeline.long_texts import beyond_context, count_long_texts
from neurosieve.pipeline.reopening import Reopened, parse_neurons
from neurosieve.runs.record_fields import described
from neurosieve.runs.recording import recording
from neurosieve.runs.results import Run
from neurosieve.texts.intake import intake_notes, intake_warnings
from neurosieve.texts.tokens import LabelledDocument, label_documents

__all__ = ["Show", "show_neurons"]


@dataclass(frozen=True)
class Show:
    """Settings of `show`."""

    k: Annotated[int, Ge(1)] = 5
    """How many of the best neurons of each behaviour are shown."""
    neurons: tuple[Any, ...] = ()
    """The neurons to show in their place, as `[[3, 17], L5N9]`."""
    behaviour: str | None = None
    """Whose neurons and documents are shown; those of every behaviour of the run, by default."""
    documents: Annotated[int, Ge(1)] = 4
    """How many documents that show each behaviour are read, held-out ones first."""
    ids: tuple[str, ...] = ()
    """The documents to read in their place, by id."""
    text: str | tuple[str, ...] | None = None
    """A text of your own to read in their place, or several."""
    tokens: Annotated[int, Ge(1)] = 400
    """How many tokens of a document are shown, at most: those about its spans."""
    contexts: Annotated[int, Ge(0)] = 10
    """In how many documents each neuron is shown where it is strongest."""
    promoted: Annotated[int, Ge(0)] = 10
    """How many tokens are named that a neuron promotes, and how many that it suppresses."""
    seed: Annotated[int, Ge(0)] = 0
    """Draws the documents."""
    tokens_per_batch: Annotated[int, Ge(1)] | None = None
    """Tokens in one forward pass, padding included; 4,096 on a CPU and 32,768 on a GPU, by default."""

    def __post_init__(self) -> None:
        check_fields(self)
        if any(not text.strip() for text in self.texts):
            raise ConfigError("text is blank: give one with words in it, or leave it out to read the run's documents")

    @property
    def texts(self) -> tuple[str, ...]:
        """The user's own texts."""
        if self.text is None:
            return ()
        return (self.text,) if isinstance(self.text, str) else self.text


def show_neurons(
    opened: Reopened, settings: Show, reports: Mapping[str, Report], folder: Path, config: Mapping[str, Any]
) -> Run:
    """Read neurons of a finished run on texts, and write the run that shows their activations to `folder`.

    `config` is what else it takes to make the run again, for `run.json`.

    Raises:
        NeurosieveError: the run cannot be made; nothing is left in `folder`.
    """
    result, lm = opened.result, opened.lm
    with recording("show", folder, reports) as run:
        if settings.behaviour is not None and settings.behaviour not in result.behaviours:
            raise ConfigError(
                f"the run has no behaviour `{settings.behaviour}`: {nearest(settings.behaviour, result.behaviours)}"
            )
        behaviours = result.behaviours if settings.behaviour is None else [settings.behaviour]
        neurons = _neurons(opened, settings, behaviours)
        parts = dict(zip(opened.positions.table.group, opened.positions.table.part, strict=True))
        excerpts = [
            excerpt(document, behaviours, settings.tokens, opened.atlas.context)
            for document in _documents(opened, settings, behaviours, parts, run.warnings)
        ]
        if not (cells := result.cells).fires:
            run.notes.append(
                f"the ranking is by {cells.title}, and what is shown here are activations: how strongly the neurons "
                f"fire, and not their {cells.name}"
            )
        if (unit := opened.positions.unit) != "token":
            run.notes.append(
                f"the run read several tokens as one (selection.unit={unit}, pool={opened.positions.pool}): "
                "distributions are of these, and contexts are single tokens, of the documents shown alone"
            )
        run.notes += intake_notes(opened.counts)
        run.warnings += intake_warnings(opened.counts) + _cut_documents(excerpts, settings)
        budget = batch_budget(settings.tokens_per_batch, lm)
        with run.stage("testing the model"):
            tests = check_model(lm, opened.atlas, opened.space.sites)
        count_long_texts(lm, (excerpt.tokens for excerpt in excerpts), run.counts)
        run.warnings += [*tests.warnings(lm.name), *beyond_context(lm, run.counts)]
        with run.stage("reading"):
            activations = read_at(lm, opened.atlas, excerpts, neurons, budget, run.announce)
        with run.stage("looking into the store"):
            stored = stored_places(opened, neurons, run.warnings)
            distribution = distribution_table(opened, behaviours, neurons, stored)
            direction = directions(distribution)
            read = _places(excerpts, neurons, activations)
            # What the run read of several tokens as one says of none of them how strong a neuron is there.
            single_tokens = opened.positions.unit == "token"
            searched_places = [read, stored] if single_tokens else [read]
            contexts, searched = contexts_table(neurons, searched_places, direction, settings.contexts)
        run.tables |= {
            "tokens": tokens_table(excerpts, activations, neurons, result.behaviours),
            "contexts": contexts,
            "distribution": distribution,
        }
        with run.stage("looking into the vocabulary"):
            try:
                run.tables["promoted"] = promoted_tokens(lm, opened.atlas, neurons, settings.promoted)
            except ModelError as error:
                run.warnings.append(str(error))
        run.counts.update(documents=len(excerpts), tokens=sum(len(excerpt.tokens) for excerpt in excerpts))
        run.record |= {
            "run": str(result.folder),
            "behaviours": behaviours,
            "rank_by": result.run["rank_by"],
            "neurons": [_neuron_record(opened, neuron, direction, searched) for neuron in neurons],
            "documents": _document_records(excerpts, parts),
            "model": result.run["model"] | {"dtype": lm.dtype_name, "device": str(lm.device), "tests": tests.record()},
            "config": {"run": str(result.folder), **vars(settings), **described({"reports": reports}), **config},
        }
    return run.run


def _neuron_record(
    opened: Reopened, neuron: Neuron, direction: Mapping[Neuron, int], searched: Mapping[Neuron, int]
) -> dict[str, Any]:
    """Return what `run.json` says of a neuron: also its rank for each behaviour, if the run ranked it."""
    table = opened.result.neurons
    ranks = table[(table.layer == neuron.layer) & (table.neuron == neuron.neuron)]
    return {
        "layer": neuron.layer,
        "neuron": neuron.neuron,
        "ranks": dict(zip(ranks.behaviour.tolist(), ranks["rank"].tolist(), strict=True)),
        "direction": direction.get(neuron, 0),
        "tokens_searched": searched[neuron],
    }


def _document_records(excerpts: Sequence[Excerpt], parts: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "document": document.tokens.id,
            "part": parts.get(document.tokens.group, ""),
            "first": int(tokens[0]),
            "last": int(tokens[-1]),
            "tokens": len(document.tokens.token_ids),
        }
        for document, tokens, _ in excerpts
    ]


def _neurons(opened: Reopened, settings: Show, behaviours: Sequence[str]) -> tuple[Neuron, ...]:
    if settings.neurons:
        return parse_neurons(settings.neurons, opened.atlas, opened.lm.name)
    neurons = []
    for behaviour in behaviours:
        best = opened.result.top(settings.k, behaviour)
        if len(best) < settings.k:
            raise ConfigError(
                f"k is {settings.k:,}, and the ranking of `{behaviour}` holds {len(best):,} neurons: give at most that"
            )
        neurons += [Neuron(*keys) for keys in best[["layer", "neuron"]].to_numpy().tolist()]
    return tuple(dict.fromkeys(neurons))


def _documents(
    opened: Reopened, settings: Show, behaviours: Sequence[str], parts: Mapping[str, str], warnings: list[str]
) -> list[LabelledDocument]:
    """Return the requested documents: by id, the user's own, or some that show each behaviour."""
    by_id = {document.tokens.id: document for document in opened.documents}
    unknown = [name for name in settings.ids if name not in by_id]
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
        clash = [document.id for document in own if document.id in by_id]
        if clash:
            raise ConfigError(f"the run read a document of the name `{clash[0]}`, as yours would be called: give `ids`")
        labelled = label_documents(own, opened.detectors, opened.lm.tokenizer, opened.atlas.context, Counter())
        return [*(by_id[name] for name in dict.fromkeys(settings.ids)), *labelled]
    chosen: dict[str, LabelledDocument] = {}
    for behaviour in behaviours:
        drawn = choose_documents(opened.documents, behaviour, settings.documents, parts, settings.seed)
        if len(drawn) < settings.documents:
            warnings.append(f"`{behaviour}` shows in only {len(drawn):,} documents: all are shown")
        chosen |= {document.tokens.id: document for document in drawn}
    return list(chosen.values())


def _cut_documents(excerpts: Sequence[Excerpt], settings: Show) -> list[str]:
    """Return a warning for each document that the model cannot read whole, and one for those shown in part."""
    warnings = [
        f"document `{document.tokens.id}` has {len(document.tokens.token_ids):,} tokens, and the model's context "
        f"{readable:,}: the rest was not read"
        for document, _, readable in excerpts
        if readable < len(document.tokens.token_ids)
    ]
    longer = [excerpt for excerpt in excerpts if excerpt.readable > settings.tokens]
    if longer:
        warnings.append(
            f"{len(longer):,} of {len(excerpts):,} documents are longer than {settings.tokens:,} tokens, and only the "
            "part about their spans is shown: `tokens` shows more"
        )
    return warnings


def _places(
    excerpts: Sequence[Excerpt], neurons: Sequence[Neuron], activations: Sequence[npt.NDArray[np.float32]]
) -> Places:
    together = np.concatenate(list(activations))
    return Places(
        [excerpt.document.tokens for excerpt in excerpts],
        np.repeat(np.arange(len(excerpts)), [len(excerpt.tokens) for excerpt in excerpts]),
        np.concatenate([excerpt.tokens for excerpt in excerpts]),
        {neuron: together[:, place] for place, neuron in enumerate(neurons)},
    )
