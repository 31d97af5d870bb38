"""How often a neuron has which activation, in bounded memory."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from neurosieve.contracts import Statistic
from neurosieve.data import Batch
from neurosieve.errors import ConfigError

__all__ = ["Histogram", "HistogramState"]

_LOWEST, _HIGHEST = -22, 10
"""The powers of 2 between which magnitudes are distinguished: from the last steps of a GELU in float32 before 0, to
1,024."""
_FRACTION = 23
"""How many bits of a float32 come after its exponent."""
_ELEMENTS_AT_ONCE = 1 << 20
"""How many int64 numbers a temporary may hold: 8 MiB of them, which stay in a processor's cache."""


class HistogramState(NamedTuple):
    """How many positions fall into each bin. The first axis is the label: 0 control, 1 present."""

    counts: Int64[Tensor, "2 behaviours neurons bins"]
    """By activation, from low to high; the last bin counts nan."""


@dataclass(frozen=True)
class Histogram(Statistic[HistogramState]):
    """Counts of each neuron's activations in fixed bins, present and control, per behaviour.

    The bins are the same for every neuron and text, so that shards add up: each power of 2 from 2^-22 to 2^10, positive
    and negative, is cut into `steps` bins of equal width, at most 1 / `steps` of what they hold. 0 has a bin of its
    own, as has what is between it and the smallest power on either side; the outermost bins hold all that is farther
    out. Memory: 16 bytes for each neuron, behaviour and bin, however many positions there are.

    >>> import torch
    >>> from neurosieve import Batch, Site
    >>> where = torch.tensor([0, 0, 1])
    >>> labels = torch.tensor([[1], [1], [0]], dtype=torch.int8)
    >>> activations = torch.tensor([[1.0], [1.01], [7.0]])
    >>> batch = Batch(Site(0), activations, labels, documents=where, groups=where, token_ids=where)
    >>> state = Histogram().update(Histogram().empty(behaviours=1, neurons=1), batch)
    >>> [state.counts[label].max().item() for label in (0, 1)]
    [1, 2]
    """

    steps: int = 16
    """Into how many bins each power of 2 is cut: a power of 2 itself."""

    bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.steps not in (1, 2, 4, 8, 16, 32, 64, 128, 256):
            raise ConfigError(f"`steps` of `histogram` is {self.steps}: it must be a power of 2 from 1 to 256.")

    @property
    def bins(self) -> int:
        """How many bins there are, with that of nan."""
        return 2 * (self._steps_out + 1) + 2

    @property
    def _steps_out(self) -> int:
        return (_HIGHEST - _LOWEST) * self.steps

    @property
    def zero(self) -> int:
        """The number of the bin that holds 0 alone."""
        return self._steps_out + 1

    def bin_of(self, activations: Float[Tensor, "*shape"]) -> Int64[Tensor, "*shape"]:
        """Return the number of each activation's bin: the higher of two never has the lower number."""
        # A float32's bits without the sign, in the order of magnitudes: the exponent, then the fraction. Cut short,
        # they number steps, of equal width within a power of 2.
        bits = activations.float().contiguous().view(torch.int32)
        magnitude = bits & 0x7FFFFFFF
        step = magnitude >> (_FRACTION - self.steps.bit_length() + 1)
        least = (_LOWEST + 127) * self.steps
        out = (step - (least - 1)).clamp_(0, self._steps_out)
        out.masked_fill_(magnitude == 0, -1).add_(1)
        number = torch.where(bits < 0, self.zero - out, self.zero + out)
        return number.masked_fill_(activations.isnan(), self.bins - 1).long()

    def empty(self, behaviours: int, neurons: int) -> HistogramState:
        """Return the summary of nothing, the identity of `merge`."""
        return HistogramState(torch.zeros(2, behaviours, neurons, self.bins, dtype=torch.int64))

    def update(self, state: HistogramState, batch: Batch) -> HistogramState:
        """Return `state` with `batch` added, on the batch's device."""
        counts, labels = state.counts.to(batch.activations.device), batch.labels.to(batch.activations.device)
        neurons = counts.shape[2]
        width = max(1, _ELEMENTS_AT_ONCE // max(1, len(labels)))
        for start in range(0, neurons, width):
            chunk = slice(start, start + width)
            number = self.bin_of(batch.activations[:, chunk])
            number += torch.arange(number.shape[1], device=number.device) * self.bins
            for label in (0, 1):
                for behaviour in range(labels.shape[1]):
                    # A view: counts of one behaviour's neurons lie side by side.
                    flat = counts[label, behaviour, chunk].view(-1)
                    chosen = number[labels[:, behaviour] == label].view(-1)
                    flat.scatter_add_(0, chosen, torch.ones_like(chosen))
        return HistogramState(counts)

    def merge(self, left: HistogramState, right: HistogramState) -> HistogramState:
        """Return the summary of what `left` and `right` summarise, on the device of `left`."""
        return HistogramState(left.counts.add_(right.counts.to(left.counts.device)))
