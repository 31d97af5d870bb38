"""The area under the ROC curve, from counts in bins."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from neurosieve import Batch, ConfigError, Contrast, Histogram, HistogramState, Interval, Scorer, Scores
from neurosieve_plugins.scorers.auc import Auc

__all__ = ["AucBinned"]

_NEURONS_AT_ONCE = 1024


@dataclass(frozen=True)
class AucBinned(Scorer[HistogramState]):
    """The chance that a neuron fires more with the behaviour than at a control, from counts: for any number of tokens.

    As `auc`, but activations that share a bin of the histogram count as equal, so that memory stays bounded. 0.5 is
    chance level.

    Detail: `error_bound`, by how much at most it is off from `auc`: half the chance that a present and a control
    activation share a bin. A pair that shares one counts half, and could count anything from 0 to 1. Pairs in the bin
    of 0 are equal, and add nothing.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[3.0], [1.01], [1.0], [0.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> scorer = AucBinned()
    >>> scores = scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 1), batch))
    >>> scores.value.item(), scores.details["error_bound"].item()
    (0.875, 0.125)
    """

    area: ClassVar[bool] = True
    bounded: ClassVar[bool] = True

    steps: int = 16
    """Into how many bins each power of 2 is cut: a power of 2 itself. Twice as many halve the error, and take twice the
    memory."""

    def __post_init__(self) -> None:
        try:
            self.statistic  # noqa: B018
        except ConfigError as error:
            raise ConfigError(str(error).replace("`histogram`", "`auc_binned`")) from None

    @property
    def statistic(self) -> Histogram:
        """Counts in bins."""
        return Histogram(self.steps)

    def compute(self, state: HistogramState) -> Scores:
        """Return the area per behaviour and neuron, nan without a present or a control position."""
        control, present = state.counts
        value, bound = torch.full((2, *control.shape[:-1]), torch.nan, dtype=torch.float64, device=control.device)
        for start in range(0, value.shape[1], _NEURONS_AT_ONCE):
            chunk = slice(start, start + _NEURONS_AT_ONCE)
            # Without the last bin: nan has no order.
            low, high = (counts[:, chunk, :-1].double() for counts in (control, present))
            pairs = low.sum(dim=-1) * high.sum(dim=-1)
            below = low.cumsum(dim=-1) - low
            won = (high * (below + low / 2)).sum(dim=-1)
            shared = (high * low).sum(dim=-1) - high[..., self.statistic.zero] * low[..., self.statistic.zero]
            defined = (pairs > 0) & (control[:, chunk, -1] == 0) & (present[:, chunk, -1] == 0)
            value[:, chunk] = (won / pairs).where(defined, torch.nan)
            bound[:, chunk] = (shared / (2 * pairs)).where(defined, torch.nan)
        return Scores(value, neutral=0.5, details={"error_bound": bound})

    def contrast(self, batch: Batch) -> Contrast:
        """Return the midranks of the bins."""
        return Auc().contrast(self._binned(batch))

    def interval(self, batch: Batch, confidence: float) -> Interval:
        """Return intervals by the clustered variance of Obuchowski (1997), as those of `auc`; nan for 0 or 1."""
        return Auc().interval(self._binned(batch), confidence)

    def _binned(self, batch: Batch) -> Batch:
        bins = self.statistic.bin_of(batch.activations).float()
        bins.masked_fill_(batch.activations.isnan(), torch.nan)
        return Batch(batch.site, bins, batch.labels, batch.documents, batch.groups, batch.token_ids)
