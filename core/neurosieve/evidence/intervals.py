"""Confidence intervals of scores, where the positions of one group are not independent."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int

from neurosieve.contracts import Scorer
from neurosieve.data import Batch
from neurosieve.scoring.engine import score_batch
from neurosieve.scoring.ranking import minus_neutral

__all__ = [
    "Intervals",
    "bootstrap_interval",
    "clustered_interval",
    "formula_interval",
    "percentile_interval",
    "repeated",
    "resample_weights",
]


class Intervals(NamedTuple):
    """A confidence interval per neuron, of its score minus the neutral value; nan where undefined."""

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def resample_weights(groups: int, draws: int, seed: int) -> Int[np.ndarray, "draws groups"]:
    """Return how often each group counts in each resample: as many groups as there are, drawn with replacement.

    Source: Field and Welsh (2007), Bootstrapping clustered data, J. R. Stat. Soc. B 69.
    """
    return np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / max(1, groups)), size=draws)


def percentile_interval(
    values: Float[np.ndarray, "draws *columns"], tail: float = 0.025
) -> tuple[Float[np.ndarray, "*columns"], Float[np.ndarray, "*columns"]]:
    """Return the quantiles `tail` and `1 - tail` of what each resample gave: a 95 % interval by default.

    A draw in which the value is undefined is left out. Where more than a tenth of the draws is, the interval is nan.
    """
    finite = np.isfinite(values)
    defined = np.asarray(finite.sum(axis=0) > 0.9 * len(values))
    low, high = np.full(defined.shape, np.nan), np.full(defined.shape, np.nan)
    if defined.any():
        usable = np.where(finite, values, np.nan)[..., defined]
        low[defined], high[defined] = np.nanquantile(usable, [tail, 1 - tail], axis=0)
    return low, high


def clustered_interval(
    batch: Batch, scorer: Scorer[Any], seed: int, draws: int = 1000, confidence: float = 0.95
) -> Intervals:
    """Return intervals by the scorer's own formula where it has one, and from resampling groups where it has none."""
    exact = formula_interval(batch, scorer, confidence)
    return bootstrap_interval(batch, scorer, seed, draws, confidence) if exact is None else exact


def formula_interval(batch: Batch, scorer: Scorer[Any], confidence: float = 0.95) -> Intervals | None:
    """Return intervals by the scorer's own formula, None where it has none."""
    if (interval := scorer.interval(batch, confidence)) is None:
        return None
    neutral = float(torch.as_tensor(score_batch(batch, scorer).neutral).flatten()[0])
    low, high = (end.double().cpu().numpy() - neutral for end in interval)
    return Intervals(low, high)


def bootstrap_interval(
    batch: Batch, scorer: Scorer[Any], seed: int, draws: int = 1000, confidence: float = 0.95
) -> Intervals:
    """Return percentile intervals from resampling whole groups with replacement (the cluster bootstrap).

    `scorer` must not be joint, and `batch` holds one column of labels. A draw in which the score is undefined is left
    out; where more than a tenth of them are, so is the interval.

    Source: Field and Welsh (2007), Bootstrapping clustered data, J. R. Stat. Soc. B 69.
    """
    generator = np.random.default_rng(seed)
    groups = batch.groups.numpy()
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    values = np.empty((draws, batch.activations.shape[1]))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # Each draw is small: threads would wait for each other longer than they work.
    try:
        for draw in range(draws):
            chosen = generator.integers(len(members), size=len(members))
            # A group that is drawn twice counts as two: its copies get different numbers.
            copies = np.repeat(np.arange(len(chosen)), [len(members[group]) for group in chosen])
            rows = torch.from_numpy(np.concatenate([members[group] for group in chosen]))
            resampled = repeated(batch, rows, torch.from_numpy(copies))
            values[draw] = minus_neutral(score_batch(resampled, scorer))[0]
    finally:
        torch.set_num_threads(threads)
    return Intervals(*percentile_interval(values, (1 - confidence) / 2))


def repeated(batch: Batch, rows: torch.Tensor, groups: torch.Tensor) -> Batch:
    """Return some positions of a batch, each as often as it is in `rows`, in the groups of these numbers."""
    documents, token_ids = batch.documents[rows], batch.token_ids[rows]
    return Batch(batch.site, batch.activations[rows], batch.labels[rows], documents, groups, token_ids)
