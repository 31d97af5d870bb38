"""What a finished run captured of some neurons: how each behaviour parts them, and where they are strongest."""

from collections.abc import Mapping, Sequence
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

__all__ = ["Places", "captured", "contexts_table", "directions", "distribution_table"]

_CHARACTERS = 60
"""How much text a context has before and behind its token."""
_QUANTILES = {"minimum": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "maximum": 1.0}


class Places(NamedTuple):
    """Tokens of documents, and what neurons hold there."""

    documents: Sequence[TokenizedDocument]
    document: npt.NDArray[np.int64]
    """Which of the documents each token is in."""
    token: npt.NDArray[np.int64]
    activations: Mapping[Neuron, Float[np.ndarray, "places"]]
    """Of those neurons that were read there; nan where one was not."""


def captured(opened: Reopened, neurons: Sequence[Neuron], warnings: list[str]) -> Places:
    """Return what the store holds of some neurons at the run's positions; `warnings` gains what it lacks, and why."""
    positions, space = opened.positions, opened.space
    held: dict[Neuron, npt.NDArray[np.float32]] = {}
    places = Places(positions.documents, positions.document_of_row, positions.token_of_row, held)
    unread = [neuron for neuron in neurons if Site(neuron.layer, space.kind) not in space.sites]
    if unread:
        warnings.append(
            f"the run did not read the layers of {', '.join(f'L{layer}N{index}' for layer, index in unread)}: "
            "there is no distribution of what it held, and its contexts are of the documents shown alone"
        )
    try:
        if (~space.has(*keys_of(positions))).any():
            raise DamagedShardError
        for layer in sorted({neuron.layer for neuron in neurons if neuron not in unread}):
            those = [neuron for neuron in neurons if neuron.layer == layer]
            columns = [neuron.neuron for neuron in those]
            site = Site(layer, space.kind)
            batches = [one.activations.numpy() for one in batches_at(space, positions, site, neurons=columns)]
            held |= dict(zip(those, np.concatenate(batches).T, strict=True))
    except DamagedShardError:
        held.clear()
        lacking = int((~space.has(*keys_of(positions))).sum())
        why = (
            f"{space.damaged} damaged shard(s) were removed"
            if space.damaged
            else f"it was cleared, or the run was not in {str(opened.held.dtype).removeprefix('torch.')}"
        )
        warnings.append(
            f"the store lacks {lacking:,} of the run's {len(positions.token_of_row):,} positions ({why}): contexts are "
            "of the documents shown alone, and distributions of the run's best neurons alone; the same "
            "`neurosieve find` in another folder fills it again"
        )
    return places


def distribution_table(
    opened: Reopened, behaviours: Sequence[str], neurons: Sequence[Neuron], places: Places
) -> pd.DataFrame:
    """Return a line per behaviour, neuron, part and label that sums up what the neuron held there.

    The columns are `behaviour, layer, neuron, part, label, positions, mean`, quantiles from `minimum` to `maximum`, and
    `auc`: the chance that a present position outfires a control one, the same on both lines. Neurons of which nothing
    is at hand have no line.
    """
    lines = []
    kept = opened.result.table("activations") if "activations" in opened.result.tables else None
    for behaviour in behaviours:
        for neuron in neurons:
            for number, part in enumerate(PARTS):
                if neuron in places.activations:
                    column = number * len(opened.positions.behaviours) + opened.positions.behaviours.index(behaviour)
                    labels, values = opened.positions.labels[:, column], places.activations[neuron]
                elif kept is not None:
                    mine = kept[(kept.behaviour == behaviour) & (kept.part == part)]
                    mine = mine[(mine.layer == neuron.layer) & (mine.neuron == neuron.neuron)]
                    labels, values = mine.label.to_numpy(), mine.activation.to_numpy()
                else:
                    continue
                present, control = (values[labels == label].astype(np.float64) for label in (1, 0))
                auc = _auc(present, control)
                for label, there in ((1, present), (0, control)):
                    if len(there):
                        quantiles = np.quantile(there, list(_QUANTILES.values())).tolist()
                        lines.append(
                            (behaviour, *neuron, part, label, len(there), float(there.mean()), *quantiles, auc)
                        )
    columns = ["behaviour", "layer", "neuron", "part", "label", "positions", "mean", *_QUANTILES, "auc"]
    return pd.DataFrame(lines, columns=columns)


def _auc(present: Float[np.ndarray, "present"], control: Float[np.ndarray, "control"]) -> float:
    # Mann and Whitney's U, over the number of pairs; a tie counts half.
    if not (len(present) and len(control)):
        return float("nan")
    ranks = rankdata(np.concatenate([present, control]))[: len(present)]
    return float((ranks.sum() - len(present) * (len(present) + 1) / 2) / (len(present) * len(control)))


def directions(distribution: pd.DataFrame) -> dict[Neuron, int]:
    """Return which way each neuron goes where the behaviour shows: up, 1, or down, -1.

    The behaviour is the one that its ranking part tells best by the neuron; of neurons that tell none, nothing is said.
    """
    lines = distribution[(distribution.part == PARTS[0]) & distribution.auc.notna() & (distribution.auc != 0.5)]
    told = lines.auc - 0.5
    lines = lines.assign(way=np.where(told > 0, 1, -1), told=told.abs()).sort_values("told", kind="stable")
    return {
        Neuron(layer, index): way
        for layer, index, way in zip(lines.layer.tolist(), lines.neuron.tolist(), lines.way.tolist(), strict=True)
    }


def contexts_table(
    neurons: Sequence[Neuron], searched: Sequence[Places], toward: Mapping[Neuron, int], count: int
) -> tuple[pd.DataFrame, dict[Neuron, int]]:
    """Return where each neuron is strongest, and over how many tokens that was looked for.

    A document gives its strongest token alone, and texts that are the same up to that token count once, so that one
    text does not fill the list.

    Args:
        neurons: to look for.
        searched: where.
        toward: which way strong is for a neuron: the highest (1), or the lowest (-1); where nothing is said, what is
            largest in size, for a gated neuron acts with either sign.
        count: how many places of each.

    Returns:
        `layer, neuron, place, document, token, activation, before, text, after`, and the tokens of each neuron.
    """
    documents = [document for places in searched for document in places.documents]
    number_of = {document.id: number for number, document in enumerate(documents)}
    tables, tokens = [], {}
    for neuron in neurons:
        found = [_lines(places, neuron, number_of) for places in searched if neuron in places.activations]
        together = pd.concat(found).dropna().drop_duplicates(["number", "token"])
        tokens[neuron] = len(together)
        way = toward.get(neuron, 0)
        together["strength"] = together.activation * way if way else together.activation.abs()
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
        table = pd.DataFrame(
            list(chosen.values()), columns=["document", "token", "activation", "before", "text", "after"]
        )
        table.insert(0, "layer", neuron.layer)
        table.insert(1, "neuron", neuron.neuron)
        table.insert(2, "place", range(1, len(table) + 1))
        tables.append(table)
    return pd.concat(tables, ignore_index=True), tokens


def _lines(places: Places, neuron: Neuron, number_of: Mapping[str, int]) -> pd.DataFrame:
    numbers = np.array([number_of[one.id] for one in places.documents])
    return pd.DataFrame(
        {"number": numbers[places.document], "token": places.token, "activation": places.activations[neuron]}
    )
