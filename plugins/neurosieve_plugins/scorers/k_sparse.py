"""Logistic regressions on the best few neurons of a layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from neurosieve import ConfigError, Rows, RowsState, Scorer, Scores
from neurosieve_plugins.scorers.probing import (
    Examples,
    Floats,
    Integers,
    Probe,
    examples_of,
    pairs_won,
    split_by_group,
    standardised,
)

__all__ = ["KSparse"]


@dataclass(frozen=True)
class KSparse(Scorer[RowsState]):
    """What a neuron adds to the log odds of the behaviour in a probe on the best few neurons of its layer.

    How few neurons tell a behaviour (Gurnee et al. 2023, "Finding neurons in a haystack")? A logistic regression under
    an L2 penalty on the `screen` neurons that correlate best with the labels; then on those of the largest coefficients
    alone, as many as the largest k; then on the best of these, and so on down to the smallest k. The score is the
    coefficient, per standard deviation, in the probe of the largest k, and 0 for a neuron that is not in it.

    Details: `heldout_auc_<k>`, the curve: how well the probe on the best k neurons tells positions of groups that had
    no part in choosing or fitting them, the same for every neuron, and nan where k is more than there are; `probes`, in
    how many of the probes the neuron is: the best one is in all.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> rng = torch.Generator().manual_seed(0)
    >>> labels = torch.arange(200).remainder(2).to(torch.int8).unsqueeze(1)
    >>> activations = torch.randn(200, 5, generator=rng)
    >>> activations[:, 3] += 2 * labels[:, 0]
    >>> groups = torch.arange(200) // 10
    >>> batch = Batch(Site(0), activations, labels, documents=groups, groups=groups, token_ids=groups)
    >>> scorer = KSparse(ks=(1, 2))
    >>> scores = scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 5), batch))
    >>> [round(scores.details[f"heldout_auc_{k}"][0, 0].item(), 2) for k in (1, 2)]
    [0.91, 0.91]
    >>> scores.details["probes"][0].argmax().item()
    3
    """

    joint: ClassVar[bool] = True

    ks: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """How many neurons the probes have, from few to many."""
    C: float = 1.0
    """The inverse of the penalty's strength, as scikit-learn's C."""
    screen: int = 128
    """How many neurons the first probe starts from, those that correlate best with the labels of its own training
    positions."""
    folds: int = 5
    """Into how many parts the groups are split to try the probes on what they have not seen. Fewer where fewer groups
    have the behaviour, or controls."""
    seed: int = 0
    """Splits the groups."""

    def __post_init__(self) -> None:
        if not self.ks or self.ks[0] < 1 or list(self.ks) != sorted(set(self.ks)):
            raise ConfigError(f"`ks` of `k_sparse` is {list(self.ks)}: it must hold numbers from 1 on, each larger.")
        if not 0 < self.C < float("inf"):
            raise ConfigError(f"`C` of `k_sparse` is {self.C}: it must be a positive number.")
        for name, least in (("screen", self.ks[-1]), ("folds", 2), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"`{name}` of `k_sparse` is {getattr(self, name)}: it must be at least {least}.")

    @property
    def statistic(self) -> Rows:
        """The activations themselves, with the group of each."""
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        """Return the coefficient per behaviour and neuron, nan for a constant neuron and for an absent class.

        All are nan where fewer neurons vary than the smallest k; the curve is where fewer than two groups have a class.
        """
        behaviours, neurons = state.labels.shape[1], state.activations.shape[1]
        value, probes = np.full((2, behaviours, neurons), np.nan)
        curve = np.full((len(self.ks), behaviours, neurons), np.nan)
        for behaviour in range(behaviours):
            classes = state.labels[:, behaviour]
            if not ((classes == 0).any() and (classes == 1).any()):
                continue
            data, usable = examples_of(state, behaviour)
            if len(usable) < self.ks[0]:
                continue
            coefficients = np.stack([probe.coefficients for probe in self._fit(data)])
            value[behaviour, usable], probes[behaviour, usable] = coefficients[0], (coefficients != 0).sum(axis=0)
            curve[:, behaviour] = self._heldout_aucs(data)[:, None]
        details = {"probes": probes, **{f"heldout_auc_{k}": auc for k, auc in zip(self.ks, curve, strict=True)}}
        device = state.activations.device
        return Scores(
            torch.from_numpy(value).to(device),
            details={name: torch.from_numpy(column).to(device) for name, column in details.items()},
        )

    def _fit(self, data: Examples) -> Iterator[Probe]:
        """Yield the probe of each k that there are neurons for, from the largest; nothing but `data` has a say."""
        inputs, mean, deviation = standardised(data)
        weight = np.abs((data.labels - data.labels.mean()) @ inputs)
        chosen = _largest(weight, self.screen)
        coefficients, _ = self._regression(inputs[:, chosen], data.labels)
        for k in reversed(self.ks):
            if k > len(mean):
                continue
            chosen = chosen[_largest(np.abs(coefficients), k)]
            coefficients, intercept = self._regression(inputs[:, chosen], data.labels)
            every = np.zeros(len(mean))
            every[chosen] = coefficients
            yield Probe(mean, deviation, every, intercept)

    def _regression(self, inputs: Floats, labels: Integers) -> tuple[Floats, float]:
        from sklearn.linear_model import LogisticRegression

        fit = LogisticRegression(C=self.C, solver="newton-cholesky", tol=1e-10).fit(inputs, labels)
        coefficients: Floats = fit.coef_[0]
        return coefficients, float(fit.intercept_[0])

    def _heldout_aucs(self, data: Examples) -> Floats:
        """Return the AUC of each k over pairs of held-out positions of one fold; the neurons are chosen in each."""
        won, pairs = np.zeros((2, len(self.ks)))
        for training, heldout in split_by_group(data, self.folds, self.seed):
            if heldout.both_classes:
                probes = list(self._fit(training))[::-1]
                for index, probe in enumerate(probes):
                    more, among = pairs_won(heldout, probe.log_odds(heldout.activations))
                    won[index] += more
                    pairs[index] += among
        curve: Floats = np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)
        return curve


def _largest(weight: Floats, count: int) -> Integers:
    """Return the places of the largest weights, in order of place; of equals, the first."""
    return np.sort(np.argsort(-weight, kind="stable")[:count])
