"""Shared by probes on several neurons at once: their data, folds by group, and their held-out AUC."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosieve import RowsState

__all__ = ["Examples", "Floats", "Integers", "Probe", "examples_of", "pairs_won", "split_by_group", "standardised"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Examples(NamedTuple):
    """What a probe learns from or is tried on."""

    activations: Floats
    """[positions, neurons]"""
    labels: Integers
    groups: Integers

    def at(self, rows: Integers) -> "Examples":
        """Return some of the positions."""
        return Examples(self.activations[rows], self.labels[rows], self.groups[rows])

    @property
    def both_classes(self) -> bool:
        """Whether there are present and control positions."""
        return bool(self.labels.min(initial=1) == 0 and self.labels.max(initial=0) == 1)


class Probe(NamedTuple):
    """A fit: log odds = intercept + coefficients · (activations - mean) / deviation."""

    mean: Floats
    deviation: Floats
    coefficients: Floats
    """Per standard deviation; 0 for a neuron that was not taken up."""
    intercept: float

    def log_odds(self, activations: Floats) -> Floats:
        """Return how likely the probe holds the behaviour at each position."""
        used = self.coefficients.nonzero()[0]
        inputs = (activations[:, used] - self.mean[used]) / self.deviation[used]
        odds: Floats = inputs @ self.coefficients[used] + self.intercept
        return odds


def standardised(examples: Examples) -> tuple[Floats, Floats, Floats]:
    """Return the activations by standard deviations from the mean, then the mean and the deviation."""
    mean, deviation = examples.activations.mean(axis=0), examples.activations.std(axis=0)
    # A neuron that varies among all positions may be constant among these.
    deviation[np.ptp(examples.activations, axis=0) == 0] = np.inf
    return (examples.activations - mean) / deviation, mean, deviation


def split_by_group(examples: Examples, folds: int, seed: int) -> Iterator[tuple[Examples, Examples]]:
    """Yield training and held-out data: no group is in both, and both classes are in the training data.

    In fewer folds where fewer groups have a class, and nothing where only one has.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    possible = min(len(np.unique(examples.groups[examples.labels == label])) for label in (0, 1))
    if min(folds, possible) < 2:
        return
    splitter = StratifiedGroupKFold(min(folds, possible), shuffle=True, random_state=seed)
    for training, heldout in splitter.split(examples.labels, examples.labels, examples.groups):
        learn_from = examples.at(training)
        if learn_from.both_classes:
            yield learn_from, examples.at(heldout)


def pairs_won(heldout: Examples, log_odds: Floats) -> tuple[float, float]:
    """Return how many pairs of a present and a control position the odds put in order, and how many there are.

    AUCs of several folds are averaged by these: log odds of two fits are not to be compared.
    """
    from sklearn.metrics import roc_auc_score

    pairs = float((heldout.labels == 1).sum() * (heldout.labels == 0).sum())
    return pairs * float(roc_auc_score(heldout.labels, log_odds)), pairs


def examples_of(state: RowsState, behaviour: int) -> tuple[Examples, Integers]:
    """Return the compared positions, with those neurons that vary among them, and which neurons these are."""
    labels = state.labels[:, behaviour]
    rows = labels >= 0
    columns = [state.documents[rows], state.groups[rows], state.token_ids[rows], labels[rows]]
    documents, groups, token_ids, classes = (column.cpu().numpy().astype(np.int64) for column in columns)
    activations = state.activations[rows].double().cpu().numpy()
    # One order for the same positions however they were read, so that no rounding can tip what is selected.
    order = np.lexsort((activations.sum(axis=1), classes, token_ids, documents, groups))
    activations = activations[order]
    usable = np.flatnonzero(np.isfinite(activations).all(axis=0) & (np.ptp(activations, axis=0) > 0))
    return Examples(activations[:, usable], classes[order], groups[order]), usable
