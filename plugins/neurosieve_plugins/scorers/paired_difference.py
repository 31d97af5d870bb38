"""The difference of means, tested group by group."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve import Batch
from neurosieve_plugins.scorers.mean_difference import MeanDifference

__all__ = ["PairedDifference"]


@dataclass(frozen=True)
class PairedDifference(MeanDifference):
    """The mean where the behaviour shows minus the mean at controls, as `mean_difference`, with a null by groups.

    Its null flips the sign of what a whole group adds to the difference. It stays honest where values vary more with
    the behaviour than at controls, as attributions do: onsets are surprising tokens. There, labels that are permuted
    one by one name neurons far too often.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1, 1])
    >>> labels = torch.tensor([[1], [0], [1], [0]], dtype=torch.int8)
    >>> batch = Batch(Site(0), torch.tensor([[4.0], [1.0], [6.0], [3.0]]), labels, where, where, where)
    >>> PairedDifference().contributions(batch).sum(dim=0).item()
    3.0
    """

    between_documents: ClassVar[bool] = True

    def contributions(self, batch: Batch) -> Float[Tensor, "positions neurons"]:
        """Return what each position adds to the difference of the means."""
        present = batch.labels[:, 0].to(batch.activations.device) == 1
        shows, controls = int(present.sum()), int((~present).sum())
        if not shows or not controls:
            return torch.full_like(batch.activations, torch.nan)
        weights = torch.where(present, 1 / shows, -1 / controls)[:, None].to(batch.activations.dtype)
        return weights * (batch.activations - batch.activations.mean(dim=0))
