"""One sparse logistic regression on all neurons of a layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from neurosieve import ConfigError, Scorer, Scores
from neurosieve_plugins.statistics.rows import Rows, RowsState

__all__ = ["SparseProbe"]

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]


class _Data(NamedTuple):
    """What a probe learns from or is tried on."""

    activations: _Floats
    """[positions, neurons]"""
    labels: _Integers
    groups: _Integers

    def at(self, rows: _Integers) -> "_Data":
        return _Data(self.activations[rows], self.labels[rows], self.groups[rows])

    @property
    def both_classes(self) -> bool:
        return bool(self.labels.min(initial=1) == 0 and self.labels.max(initial=0) == 1)


class _Probe(NamedTuple):
    """A fit: log odds = intercept + coefficients · (activations - mean) / deviation."""

    mean: _Floats
    deviation: _Floats
    coefficients: _Floats
    """Per standard deviation; 0 for a neuron that was not taken up."""
    intercept: float

    def log_odds(self, activations: _Floats) -> _Floats:
        used = self.coefficients.nonzero()[0]
        standardised = (activations[:, used] - self.mean[used]) / self.deviation[used]
        odds: _Floats = standardised @ self.coefficients[used] + self.intercept
        return odds


@dataclass(frozen=True)
class SparseProbe(Scorer[RowsState]):
    """What a neuron adds to the log odds of the behaviour beside the other neurons of its layer, most adding nothing.

    The coefficient, per standard deviation, of one logistic regression on all neurons of a layer under an L1 penalty,
    which leaves most of them at 0 (Gurnee et al. 2023, "Finding neurons in a haystack"). 0 tells nothing.

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
            data, usable = _data(state, behaviour)
            strength = self._choose(data) if len(usable) else None
            if strength is None:
                continue
            (probe,) = self._fit(data, strength)
            value[behaviour, usable] = probe.coefficients
            frequency[behaviour, usable] = self._selected(data, strength)
            auc[behaviour] = self._heldout_auc(data)
        scores, *details = (torch.from_numpy(column).to(state.activations.device) for column in (value, frequency, auc))
        return Scores(scores, details=dict(zip(("selection_frequency", "heldout_auc"), details, strict=True)))

    def _fit(self, data: _Data, *strengths: float) -> Iterator[_Probe]:
        """Yield a fit for each strength; nothing but `data` has a say in it."""
        from sklearn.linear_model import LogisticRegression

        mean, deviation = data.activations.mean(axis=0), data.activations.std(axis=0)
        # A neuron that varies among all positions may be constant among these.
        deviation[np.ptp(data.activations, axis=0) == 0] = np.inf
        standardised = (data.activations - mean) / deviation
        kept = np.arange(len(mean))
        if self.screen is not None and self.screen < len(mean):
            correlation = np.abs((data.labels - data.labels.mean()) @ standardised)
            kept = np.sort(np.argsort(-correlation, kind="stable")[: self.screen])
            standardised = np.ascontiguousarray(standardised[:, kept])
        for strength in strengths:
            fit = LogisticRegression(
                l1_ratio=1.0,
                C=strength,
                solver="liblinear",
                # This solver penalises the intercept as the weight of a constant: one so large that it costs nothing.
                intercept_scaling=10_000.0,
                # Ten times finer, and rounding keeps some fits from ever getting there.
                tol=1e-7,
                max_iter=10_000,
                random_state=self.seed,
            ).fit(standardised, data.labels)
            coefficients = np.zeros(len(mean))
            coefficients[kept] = fit.coef_[0]
            yield _Probe(mean, deviation, coefficients, float(fit.intercept_[0]))

    def _splits(self, data: _Data) -> Iterator[tuple[_Data, _Data]]:
        """Yield training and held-out data: no group is in both, and both classes are in the training data."""
        from sklearn.model_selection import StratifiedGroupKFold

        folds = min(self.folds, *(len(np.unique(data.groups[data.labels == label])) for label in (0, 1)))
        if folds < 2:
            return
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=self.seed)
        for training, heldout in splitter.split(data.labels, data.labels, data.groups):
            learn_from = data.at(training)
            if learn_from.both_classes:
                yield learn_from, data.at(heldout)

    def _choose(self, data: _Data) -> float | None:
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

    def _heldout_auc(self, data: _Data) -> float:
        """Return the AUC over pairs of held-out positions of one fold: log odds of two fits are not to be compared."""
        from sklearn.metrics import roc_auc_score

        won = pairs = 0.0
        for training, heldout in self._splits(data):
            strength = self._choose(training)
            if strength is None or not heldout.both_classes:
                continue
            (probe,) = self._fit(training, strength)
            weight = float((heldout.labels == 1).sum() * (heldout.labels == 0).sum())
            won += weight * roc_auc_score(heldout.labels, probe.log_odds(heldout.activations))
            pairs += weight
        return won / pairs if pairs else np.nan

    def _selected(self, data: _Data, strength: float) -> _Floats:
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


def _data(state: RowsState, behaviour: int) -> tuple[_Data, _Integers]:
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
    return _Data(activations[:, usable], classes[order], groups[order]), usable
