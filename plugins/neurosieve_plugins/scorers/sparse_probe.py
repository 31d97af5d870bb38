"""One sparse logistic regression on all neurons of a layer."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

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

__all__ = ["SparseProbe"]

_ITERATIONS = 1000
"""A fit that needs more is one that rounding keeps from meeting the solver's own test, as a rule."""
_OFF = 1e-2
"""So much may the conditions of the optimum be missed by, of the penalty on a coefficient."""


@dataclass(frozen=True)
class SparseProbe(Scorer[RowsState]):
    """What a neuron adds to the log odds of the behaviour, given the other neurons of its layer; most add nothing.

    The coefficient, per standard deviation, of one logistic regression on all neurons of a layer under an L1 penalty,
    which leaves most of them at 0 (Gurnee et al. 2023, "Finding neurons in a haystack"). 0 is chance level.

    Details: `selection_frequency`, the share of bootstraps over groups in which the neuron is taken up; `heldout_auc`,
    how well the whole probe tells positions of groups that had no part in fitting it, the same for every neuron: near
    0.5 the coefficients mean nothing.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> rng = torch.Generator().manual_seed(0)
    >>> labels = torch.arange(200).remainder(2).to(torch.int8).unsqueeze(1)
    >>> activations = torch.randn(200, 5, generator=rng)
    >>> activations[:, 3] += 2 * labels[:, 0]
    >>> groups = torch.arange(200) // 10
    >>> batch = Batch(Site(0), activations, labels, documents=groups, groups=groups, token_ids=groups)
    >>> scorer = SparseProbe(bootstraps=5)
    >>> scores = scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 5), batch))
    >>> scores.value.abs().argmax().item(), scores.details["selection_frequency"][0, 3].item()
    (3, 1.0)
    """

    joint: ClassVar[bool] = True

    Cs: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0)
    """The inverse strengths of the penalty to choose from, as scikit-learn's C: the smaller, the fewer neurons."""
    folds: int = 5
    """Into how many parts the groups are split, to choose C and again to try the probe on what it has not seen. Fewer
    where fewer groups have the behaviour, or controls."""
    bootstraps: int = 20
    """How many times to draw groups with replacement and fit again with the chosen C."""
    screen: int | None = 512
    """How many neurons a fit starts from, those that correlate best with the labels of its own training positions; the
    others get 0. None starts from all, which takes several times as long."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.Cs or not all(0 < strength < float("inf") for strength in self.Cs):
            raise ConfigError(
                f"`Cs` of `sparse_probe` is {list(self.Cs)}: it must hold positive numbers, at least one."
            )
        for name, least in (("folds", 2), ("bootstraps", 0), ("screen", 1), ("seed", 0)):
            number = getattr(self, name)
            if number is not None and number < least:
                raise ConfigError(f"`{name}` of `sparse_probe` is {number}: it must be at least {least}.")

    @property
    def statistic(self) -> Rows:
        """The activations themselves, with the group of each."""
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        """Return the coefficient per behaviour and neuron.

        nan for a constant neuron, for an absent class, and for all neurons where fewer than two groups have a class, as
        C cannot be chosen then.
        """
        behaviours, neurons = state.labels.shape[1], state.activations.shape[1]
        value, frequency, auc = np.full((3, behaviours, neurons), np.nan)
        for behaviour in range(behaviours):
            classes = state.labels[:, behaviour]
            if not ((classes == 0).any() and (classes == 1).any()):
                continue
            data, usable = examples_of(state, behaviour)
            strength = self._choose(data) if len(usable) else None
            if strength is None:
                continue
            (probe,) = self._fit(data, strength)
            value[behaviour, usable] = probe.coefficients
            frequency[behaviour, usable] = self._selected(data, strength)
            auc[behaviour] = self._heldout_auc(data)
        scores, *details = (torch.from_numpy(column).to(state.activations.device) for column in (value, frequency, auc))
        return Scores(scores, details=dict(zip(("selection_frequency", "heldout_auc"), details, strict=True)))

    def _fit(self, data: Examples, *strengths: float) -> Iterator[Probe]:
        """Yield a fit for each strength; nothing but `data` has a say in it."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        inputs, mean, deviation = standardised(data)
        chosen = np.arange(len(mean))
        if self.screen is not None and self.screen < len(mean):
            correlation = np.abs((data.labels - data.labels.mean()) @ inputs)
            chosen = np.sort(np.argsort(-correlation, kind="stable")[: self.screen])
            inputs = np.ascontiguousarray(inputs[:, chosen])
        for strength in strengths:
            model = LogisticRegression(
                l1_ratio=1.0,
                C=strength,
                solver="liblinear",
                # This solver penalises the intercept as the weight of a constant: one so large that it costs nothing.
                intercept_scaling=10_000.0,
                # Ten times finer, and rounding keeps some fits from ever getting there.
                tol=1e-7,
                max_iter=_ITERATIONS,
                random_state=self.seed,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # What it says is tested below.
                fit = model.fit(inputs, data.labels)
            if fit.n_iter_[0] >= _ITERATIONS and _missed_by(fit, inputs, data.labels, strength) > _OFF:
                warnings.warn(
                    "a fit of `sparse_probe` has not come to its optimum: its coefficients are approximate; give "
                    "smaller `Cs`",
                    RuntimeWarning,
                    stacklevel=2,
                )
            coefficients = np.zeros(len(mean))
            coefficients[chosen] = fit.coef_[0]
            yield Probe(mean, deviation, coefficients, float(fit.intercept_[0]))

    def _splits(self, data: Examples) -> Iterator[tuple[Examples, Examples]]:
        return split_by_group(data, self.folds, self.seed)

    def _choose(self, data: Examples) -> float | None:
        """Return the C with the least log loss on groups that a fit has not seen, None if there are too few to tell."""
        if len(self.Cs) == 1:
            return self.Cs[0]
        # From the sparsest, as `argmin` takes the first of equals.
        strengths = sorted(self.Cs)
        losses = np.zeros(len(strengths))
        tried = False
        for training, heldout in self._splits(data):
            tried = True
            sign = 1 - 2 * heldout.labels
            for index, probe in enumerate(self._fit(training, *strengths)):
                losses[index] += np.logaddexp(0, sign * probe.log_odds(heldout.activations)).sum()
        return strengths[int(losses.argmin())] if tried else None

    def _heldout_auc(self, data: Examples) -> float:
        """Return the AUC over pairs of held-out positions of one fold."""
        won = pairs = 0.0
        for training, heldout in self._splits(data):
            strength = self._choose(training)
            if strength is None or not heldout.both_classes:
                continue
            (probe,) = self._fit(training, strength)
            more, among = pairs_won(heldout, probe.log_odds(heldout.activations))
            won, pairs = won + more, pairs + among
        return won / pairs if pairs else np.nan

    def _selected(self, data: Examples, strength: float) -> Floats:
        """Return in which share of the bootstraps each neuron has a coefficient, nan without any bootstrap."""
        rng = np.random.default_rng(self.seed)
        rows_of = [np.flatnonzero(data.groups == group) for group in np.unique(data.groups)]
        selected, drawn = np.zeros(data.activations.shape[1]), 0
        for _ in range(self.bootstraps):
            draw = data.at(np.concatenate([rows_of[index] for index in rng.integers(len(rows_of), size=len(rows_of))]))
            if draw.both_classes:
                (probe,) = self._fit(draw, strength)
                selected += probe.coefficients != 0
                drawn += 1
        return selected / drawn if drawn else np.full_like(selected, np.nan)


def _missed_by(fit: Any, inputs: Floats, labels: Integers, strength: float) -> float:
    """Return by how much the conditions of the optimum are missed, where the penalty on a coefficient is 1.

    There the gradient of the loss is -1 or 1, against the sign of the coefficient, and no larger where that is 0.
    """
    coefficients = fit.coef_[0]
    odds = inputs @ coefficients + fit.intercept_[0]
    gradient = strength * ((0.5 + 0.5 * np.tanh(odds / 2) - labels) @ inputs)
    missed = np.where(coefficients != 0, np.abs(gradient + np.sign(coefficients)), np.abs(gradient) - 1)
    return float(missed.max(initial=0.0))
