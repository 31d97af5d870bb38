"""What a finished run stored of some neurons: how each behaviour changes them, and where they are strongest."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float
from scipy.stats import rankdata

from neurosieve.activations.capture import batches_at, keys_of
from neurosieve.activations.store import DamagedShardError
from neurosieve.data import Neuron, Site, TokenizedDocument
from neurosieve.pipeline.reopening import Reopened
from neurosieve.texts.positions import PARTS
from neurosieve.wording import plural

__all__ = ["Places", "contexts_table", "directions", "distribution_table", "stored_places"]

_CHARACTERS = 60
"""How much text a context has before and after its token."""
_QUANTILES = {"minimum": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "maximum": 1.0}


class Places(NamedTuple):
    """Tokens of documents, and the activations of neurons there."""

    documents: Sequence[TokenizedDocument]
    document: npt.NDArray[np.int64]
    """Which of the documents each token is in."""
    token: npt.NDArray[np.int64]
    activations: Mapping[Neuron, Float[np.ndarray, "places"]]
    """Of those neurons that were read there; nan where one was not."""


def stored_places(opened: Reopened, neurons: Sequence[Neuron], warnings: list[str]) -> Places:
    """Return the stored activations of neurons at the run's positions; `warnings` gains what is missing, and why."""
    positions, space = opened.positions, opened.space
    stored: dict[Neuron, npt.NDArray[np.float32]] = {}
    places = Places(positions.documents, positions.document_of_row, positions.token_of_row, stored)
    unread = [neuron for neuron in neurons if Site(neuron.layer, space.kind) not in space.sites]
    if unread:
        warnings.append(
            f"the run did not read the layers of {', '.join(f'L{layer}N{index}' for layer, index in unread)}: "
            "they have no distribution, and their contexts are only of the documents shown"
        )
    try:
        if (~space.has(*keys_of(positions))).any():
            raise DamagedShardError
        for layer in sorted({neuron.layer for neuron in neurons if neuron not in unread}):
            in_layer = [neuron for neuron in neurons if neuron.layer == layer]
            columns = [neuron.neuron for neuron in in_layer]
            batches = batches_at(space, positions, Site(layer, space.kind), neurons=columns)
            activations = np.concatenate([batch.activations.numpy() for batch in batches])
            stored |= dict(zip(in_layer, activations.T, strict=True))
    except DamagedShardError:
        stored.clear()
        lacking = int((~space.has(*keys_of(positions))).sum())
        lack = f"the store lacks {lacking:,} of the run's {len(positions.token_of_row):,} positions"
        cells = opened.result.cells
        if not (cells.fires or cells.foretells or space.damaged):
            warnings.append(
                f"{lack} (the run read the {cells.name} of neurons, not what fires): contexts are only of the "
                "documents shown, and there are no distributions; `neurosieve find reading=activation` of the same "
                "texts fills it"
            )
            return places
        why = (
            f"it removed {plural(space.damaged, 'damaged shard')}"
            if space.damaged
            else f"it was cleared, or the run was not in {str(opened.lm.dtype).removeprefix('torch.')}"
        )
        warnings.append(
            f"{lack} ({why}): contexts are only of the documents shown, and distributions only of the run's best "
            "neurons; the same `neurosieve find` in another folder fills it again"
        )
    return places


def distribution_table(
    opened: Reopened, behaviours: Sequence[str], neurons: Sequence[Neuron], places: Places
) -> pd.DataFrame:
    """Return a row per behaviour, neuron, part and label with the distribution of the neuron's activation there.

    The columns are `behaviour, layer, neuron, part, label, positions, mean`, quantiles from `minimum` to `maximum`, and
    `auc`: the chance that a present position outfires a control one, the same in both rows. Neurons whose activations
    are not known have no row.
    """
    rows = []
    # A ranking by another reading keeps that of its best neurons there.
    has_best = opened.result.cells.fires and "activations" in opened.result.tables
    best = opened.result.table("activations") if has_best else None
    for behaviour, neuron, (number, part) in product(behaviours, neurons, enumerate(PARTS)):
        if neuron in places.activations:
            column = number * len(opened.positions.behaviours) + opened.positions.behaviours.index(behaviour)
            labels, values = opened.positions.labels[:, column], places.activations[neuron]
        elif best is not None:
            chosen = best[(best.behaviour == behaviour) & (best.part == part)]
            chosen = chosen[(chosen.layer == neuron.layer) & (chosen.neuron == neuron.neuron)]
            labels, values = chosen.label.to_numpy(), chosen.activation.to_numpy()
        else:
            continue
        present, control = (values[labels == label].astype(np.float64) for label in (1, 0))
        auc = _auc(present, control)
        for label, of_label in ((1, present), (0, control)):
            if len(of_label):
                quantiles = np.quantile(of_label, list(_QUANTILES.values())).tolist()
                rows.append((behaviour, *neuron, part, label, len(of_label), float(of_label.mean()), *quantiles, auc))
    columns = ["behaviour", "layer", "neuron", "part", "label", "positions", "mean", *_QUANTILES, "auc"]
    return pd.DataFrame(rows, columns=columns)


def _auc(present: Float[np.ndarray, "present"], control: Float[np.ndarray, "control"]) -> float:
    # Mann and Whitney's U, over the number of pairs; a tie counts half.
    if not (len(present) and len(control)):
        return float("nan")
    ranks = rankdata(np.concatenate([present, control]))[: len(present)]
    return float((ranks.sum() - len(present) * (len(present) + 1) / 2) / (len(present) * len(control)))


def directions(distribution: pd.DataFrame) -> dict[Neuron, int]:
    """Return whether each neuron is higher (1) or lower (-1) where the behaviour shows.

    The behaviour is the one that has the largest effect on the neuron in the ranking part. A neuron on which none has
    an effect is left out.
    """
    rows = distribution[(distribution.part == PARTS[0]) & distribution.auc.notna() & (distribution.auc != 0.5)]
    effect = rows.auc - 0.5
    rows = rows.assign(direction=np.where(effect > 0, 1, -1), effect=effect.abs()).sort_values("effect", kind="stable")
    triples = rows[["layer", "neuron", "direction"]].to_numpy().tolist()
    return {Neuron(layer, index): direction for layer, index, direction in triples}


def contexts_table(
    neurons: Sequence[Neuron], searched: Sequence[Places], direction: Mapping[Neuron, int], count: int
) -> tuple[pd.DataFrame, dict[Neuron, int]]:
    """Return where each neuron is strongest, and how many tokens were searched for that.

    A document gives its strongest token alone, and texts that are the same up to that token count once, so that one
    text does not fill the list.

    `direction` says what is strong for a neuron: the highest (1) or the lowest (-1) activation. For a neuron not
    in it, that is the largest in size, as a gated neuron acts with either sign.

    Returns:
        `layer, neuron, place, document, token, activation, before, text, after`, and the tokens of each neuron.
    """
    documents = [document for places in searched for document in places.documents]
    number_of = {document.id: number for number, document in enumerate(documents)}
    numbers = [np.array([number_of[item.id] for item in places.documents])[places.document] for places in searched]
    rows, tokens = [], {}
    for neuron in neurons:
        tables = [
            pd.DataFrame({"number": number, "token": places.token, "activation": places.activations[neuron]})
            for places, number in zip(searched, numbers, strict=True)
            if neuron in places.activations
        ]
        together = pd.concat(tables).dropna().drop_duplicates(["number", "token"])
        tokens[neuron] = len(together)
        sign = direction.get(neuron, 0)
        together["strength"] = together.activation * sign if sign else together.activation.abs()
        strongest = together.sort_values("strength", ascending=False, kind="stable").drop_duplicates("number")
        chosen: dict[tuple[str, str], tuple[str, int, float, str, str, str]] = {}
        for number, token, activation in strongest[["number", "token", "activation"]].itertuples(index=False):
            if len(chosen) == count:
                break
            document = documents[number]
            start, end = int(document.starts[token]), int(document.ends[token])
            before, text = document.text[max(0, start - _CHARACTERS) : start], document.text[start:end]
            after = document.text[end : end + _CHARACTERS]
            chosen.setdefault((before, text), (document.id, token, activation, before, text, after))
        rows += [(*neuron, place, *context) for place, context in enumerate(chosen.values(), 1)]
    columns = ["layer", "neuron", "place", "document", "token", "activation", "before", "text", "after"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[:3], int)), tokens
