"""The area under the ROC curve among positions that hold the same token."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve import Batch, Interval, Rows, RowsState, Scorer, Scores
from neurosieve_plugins.scorers.clusters import area_interval, sums_by_group
from neurosieve_plugins.scorers.ordering import areas_of_resamples, midranks
from neurosieve_plugins.scorers.strata import area_within, mixed_strata

__all__ = ["AucWithinToken"]


@dataclass(frozen=True)
class AucWithinToken(Scorer[RowsState]):
    """The chance that a neuron fires more with the behaviour than at a control that holds the very same token.

    Only pairs of positions with one token id count, so that a neuron that detects a word scores 0.5. Each token id
    weighs as much as it has pairs (van Elteren 1960). Read it with controls that share tokens (`control=lexical`).
    Its null flips the signs of what whole groups add to it (see `contributions`).

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [0], [1], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[9.0], [8.0], [1.0], [2.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> scorer = AucWithinToken()
    >>> scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 1), batch)).value.item()
    0.5
    """

    area: ClassVar[bool] = True
    between_documents: ClassVar[bool] = True

    @property
    def statistic(self) -> Rows:
        """The activations themselves."""
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        """Return the area per behaviour and neuron, nan where no token id has both a present and a control position."""
        return Scores(area_within(state.activations, state.labels, state.token_ids), neutral=0.5)

    def contributions(self, batch: Batch) -> Float[Tensor, "positions neurons"]:
        """Return each position's midrank times its label, both minus their mean over its token id, over all pairs.

        Most pairs that share a token id lie between documents, whose levels differ: permuting labels among these would
        treat the positions of a document as independent.
        """
        labels = batch.labels[:, 0]
        values, pairs = torch.zeros_like(batch.activations, dtype=torch.float32), 0
        for rows in mixed_strata(labels, batch.token_ids):
            present = (labels[rows] == 1).float()
            ranks = midranks(batch.activations[rows].float()) - (len(rows) + 1) / 2
            values[rows] = (present - present.mean())[:, None] * ranks
            m = int(present.sum())
            pairs += m * (len(rows) - m)
        return values / (pairs or torch.nan)

    def resampled(self, batch: Batch, weights: Float[Tensor, "draws positions"]) -> Scores:
        """Return the area of each draw; a neuron's controls are sorted once for all of them."""
        return Scores(areas_of_resamples(batch, batch.token_ids, weights), neutral=0.5)

    def interval(self, batch: Batch, confidence: float) -> Interval:
        """Return intervals by the variance of each group's share in the area, on the logit scale; exact for 0 or 1.

        The area is a sum over pairs; what a position adds to it, less its expectation, is summed over the positions of
        a group, as Obuchowski (1997) does for one stratum.
        """
        device = batch.activations.device
        labels, token_ids, groups = (x.to(device) for x in (batch.labels[:, 0], batch.token_ids, batch.groups))
        share = torch.zeros_like(batch.activations, dtype=torch.float64)
        expected, pairs = torch.zeros(len(labels), 1, dtype=torch.float64, device=device), 0
        won = torch.zeros(share.shape[1], dtype=torch.float64, device=device)
        for rows in mixed_strata(labels, token_ids):
            present = labels[rows] == 1
            m, n = int(present.sum()), int((~present).sum())
            values = batch.activations[rows].float()
            ranks = midranks(values).double()
            share[rows[present]] = ranks[present] - midranks(values[present])
            share[rows[~present]] = m - (ranks[~present] - midranks(values[~present]))
            expected[rows[present]], expected[rows[~present]] = n, m
            won += share[rows[present]].sum(dim=0)
            pairs += m * n
        if not pairs:
            nothing = torch.full_like(won, torch.nan)
            return Interval(nothing, nothing.clone())
        used = expected[:, 0] > 0
        area = won / pairs
        sums, _ = sums_by_group((share - expected * area)[used] / pairs, groups[used], groups[used])
        clusters = len(sums)
        variance = (clusters / (clusters - 1) if clusters > 1 else torch.nan) * sums.square().sum(dim=0)
        fewest = min(len(torch.unique(groups[used & (labels == label)])) for label in (0, 1))
        return area_interval(area, variance, confidence, clusters - 1, fewest)
