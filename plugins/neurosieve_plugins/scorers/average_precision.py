"""The area under the precision-recall curve."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from neurosieve import Rows, RowsState, Scorer, Scores
from neurosieve_plugins.scorers.ordering import Ordered, scored_in_order

__all__ = ["AveragePrecision"]


@dataclass(frozen=True)
class AveragePrecision(Scorer[RowsState]):
    """The precision of calling the behaviour wherever a neuron fires at least so much, averaged over the recall.

    The sum over distinct thresholds of precision times the gain in recall, as scikit-learn defines it: the mean, over
    the present positions, of the precision at their own activation. The prevalence is chance level.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [1], [0], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[3.0], [1.0], [2.0], [0.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> scorer = AveragePrecision()
    >>> scores = scorer.compute(scorer.statistic.update(scorer.statistic.empty(1, 1), batch))
    >>> round(scores.value.item(), 4), scores.neutral.item()
    (0.8333, 0.5)
    """

    unit_free: ClassVar[bool] = True

    centred: ClassVar[bool] = False
    """Noise has an average precision above the prevalence, the more so the fewer positions there are."""

    @property
    def statistic(self) -> Rows:
        """The activations themselves."""
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        """Return the area per behaviour and neuron, nan without a present or a control position."""
        present, control = (state.labels == 1).sum(dim=0), (state.labels == 0).sum(dim=0)
        prevalence = present.double() / (present + control)
        return Scores(scored_in_order(state, _area), neutral=prevalence.unsqueeze(-1))


def _area(ordered: Ordered) -> Float64[Tensor, "neurons"]:
    present, control = ordered
    hits = present.shape[1] - torch.searchsorted(present, present)
    false_alarms = control.shape[1] - torch.searchsorted(control, present)
    return (hits.double() / (hits + false_alarms)).mean(dim=1)
