"""What chance does to a ranking: the permutation null of every behaviour, beside its neurons."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurosieve.activations.capture import batches_at
from neurosieve.activations.store import Space
from neurosieve.contracts import Scorer
from neurosieve.data import Batch, Site
from neurosieve.evidence.permutation import FEWEST, arrangements_of, flips_groups, permutation_null
from neurosieve.texts.positions import Positions
from neurosieve.texts.selection import Selection

__all__ = ["add_null", "labelled_batch", "labelled_batches"]

_KEYS = ["behaviour", "layer", "neuron"]
_OF_POSITIONS = ("activations", "labels", "documents", "groups", "token_ids")


def add_null(
    neurons: pd.DataFrame,
    space: Space,
    positions: Positions,
    scorer: Scorer[Any],
    selection: Selection,
    draws: int,
    seed: int,
    announce: Callable[..., None],
) -> tuple[pd.DataFrame, dict[str, dict[str, float | int | None]], list[str]]:
    """Return the ranking with `p`, `p_fwer` and `q_fdr`, the null of each behaviour in numbers, and warnings.

    All three are nan for a behaviour whose labels can be arranged in too few ways or in which no neuron has a score,
    for a scorer that rates neurons jointly, for which there is no null of single neurons, and where labels would be
    permuted among neighbouring tokens, which are alike: the present ones would move apart, as they never do.

    Args:
        neurons: the ranking.
        space: holds the activations.
        positions: where they were read.
        scorer: the one that ranked.
        selection: how positions were chosen.
        draws: how many permutations; 0 leaves the null out, and its columns.
        seed: draws them.
        announce: hears how far it has come.
    """
    tables, told, warnings = [], dict[str, dict[str, float | int | None]](), []
    if not draws:
        return neurons, told, ["no null was asked for (`permutations=0`): how high chance alone scores is not known"]
    if scorer.joint:
        warnings.append("a scorer that rates neurons jointly has no permutation null of single neurons: p is nan")
    for behaviour in () if scorer.joint else positions.behaviours:
        number = positions.column(behaviour)
        first = labelled_batch(space, positions, number, space.sites[0])
        flips = flips_groups(first, scorer)
        if selection.neighbours and not flips:
            warnings.append(
                f"the positions of `{behaviour}` are neighbouring tokens of its spans, which are alike: they are not "
                "exchangeable with scattered controls, and p is nan; read `selection=onset` for p, or rank by "
                "`auc_within_token`, whose null keeps whole problems together"
            )
            continue
        ways = np.exp(min(700.0, arrangements_of(first, scorer)))
        if ways < FEWEST:
            where = "groups to flip them" if flips else "documents to permute its labels"
            warnings.append(
                f"`{behaviour}` shows beside controls in too few {where} ({ways:.0f} arrangements): p is nan; give "
                "more texts"
            )
            continue
        layers = labelled_batches(space, positions, number, "permuting", announce)
        null = permutation_null(layers, scorer, draws, seed)
        if np.isnan(null.p).all():
            warnings.append(f"no neuron of `{behaviour}` has a score: p is nan")
            continue
        told[behaviour] = {
            "permutations": draws,
            "arrangements": None if ways > 1e15 else int(ways),
            "null_max_median": float(np.median(null.largest)),
            "null_max_q95": float(np.quantile(null.largest, 0.95)),
            "null_max": float(null.largest.max()),
            "p_fwer_05": int((null.p_fwer <= 0.05).sum()),
            "q_fdr_05": int((null.q_fdr <= 0.05).sum()),
        }
        width = len(null.p) // len(space.sites)
        table = pd.DataFrame({"p": null.p, "p_fwer": null.p_fwer, "q_fdr": null.q_fdr, "behaviour": behaviour})
        table["layer"] = np.repeat(np.array([site.layer for site in space.sites], dtype=np.int32), width)
        table["neuron"] = np.tile(np.arange(width, dtype=np.int32), len(space.sites))
        tables.append(table)
    if not tables:
        return neurons.assign(p=np.nan, p_fwer=np.nan, q_fdr=np.nan), told, warnings
    return neurons.merge(pd.concat(tables), on=_KEYS, how="left", validate="one_to_one"), told, warnings


def labelled_batches(
    space: Space, positions: Positions, column: int, stage: str, announce: Callable[..., None]
) -> Iterator[Batch]:
    """Yield the positions of one column of labels at each layer, and announce each when it is done with."""
    for number, site in enumerate(space.sites, 1):
        yield labelled_batch(space, positions, column, site)
        announce("stage_progressed", stage=stage, done=number, total=len(space.sites), unit="layers")


def labelled_batch(
    space: Space, positions: Positions, column: int, site: Site, neurons: Sequence[int] | None = None
) -> Batch:
    """Return the positions of one column of labels at one layer, every one that is labelled_batch, in one batch.

    `neurons` are those to return, in this order; all by default.
    """
    rows = np.flatnonzero(positions.labels[:, column] >= 0)
    parts = list(batches_at(space, positions, site, rows=rows, neurons=neurons))
    whole = {name: torch.cat([getattr(part, name) for part in parts]) for name in _OF_POSITIONS}
    return Batch(site, **{**whole, "labels": whole["labels"][:, [column]]})
