"""The passes that a reading of some positions takes, and roughly for how long, before any weight is loaded."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from neurosieve.activations.capture import document_batches
from neurosieve.activations.row_tokens import row_tokens, tokens_read
from neurosieve.contracts import Reading
from neurosieve.data import Site
from neurosieve.models.activation import Activation
from neurosieve.models.architectures import Atlas
from neurosieve.models.gradients import read_together
from neurosieve.models.loading import LanguageModel, auto_class
from neurosieve.texts.positions import Positions
from neurosieve.wording import plural

__all__ = ["Passes", "bytes_of_cell", "passes_of"]

_LEAST, _LEAST_BACK = 4e-4, 8e-4
"""A layer takes roughly so many seconds in any pass forth, and in any pass back, however small it is: its operations
are started one by one."""
_SHARE_OF_PEAK = 0.5
"""The speed of reading a model, as a share of the speed of large matrix products: a rough measure on small models."""


class Passes(NamedTuple):
    """The passes of a run, and the tokens that go through the model in them, padding included."""

    forward: int
    backward: int
    tokens: int
    tokens_back: int
    rows: int
    """That the store would gain."""

    def __str__(self) -> str:
        back = f" and {plural(self.backward, 'backward pass', 'backward passes')}" if self.backward else ""
        return plural(self.forward, "forward pass", "forward passes") + back

    def seconds(self, lm: LanguageModel, share: float) -> float:
        """Return roughly how long they take; `share` of the layers are read, and all where gradients are."""
        share = 1.0 if self.backward else share
        operations = (self.tokens + self.tokens_back) * _operations(lm, share) / (_SHARE_OF_PEAK * _speed(lm))
        layers = int(lm.config.get_text_config().num_hidden_layers) * share
        return operations + layers * (self.forward * _LEAST + self.backward * _LEAST_BACK)


def passes_of(
    reading: Reading,
    lm: LanguageModel,
    atlas: Atlas,
    sites: Sequence[Site],
    positions: Positions,
    budget: int,
    activations_known: bool = False,
) -> Passes:
    """Return the passes of a reading of some positions, none of which the store holds.

    `budget` is how many tokens go through the model at a time. `activations_known`: the store holds their activations,
    which the means at the controls are made of.
    """
    forward = backward = tokens = tokens_back = rows = 0
    if reading.needs_control_means and not activations_known:
        rows += len(positions.token_of_row)
        for batch, ends, _ in _batches(positions, budget):
            forward, tokens = forward + 1, tokens + int(len(batch) * ends.max())
    forth = round(reading.passes(0))
    goes_back = reading.passes(1) > reading.passes(0)
    # Each behaviour has means of its own, and is read by itself then.
    apart = [positions.of_behaviour(name) for name in positions.behaviours if reading.needs_control_means]
    for part in apart or [positions]:
        rows += len(part.token_of_row)
        for batch, ends, counts in _batches(part, budget):
            # What the reading looks at behind a document's last position is read too, as far as the document goes.
            of_documents = [len(part.documents[number].token_ids) for number in batch]
            lengths = np.minimum(ends + reading.tokens_after(), of_documents)
            together = read_together(lm, atlas, lengths.tolist(), sites) if goes_back else [slice(None)]
            for documents in together:
                # A pass back is for one position of each document.
                back = round(reading.passes(int(counts[documents].max()))) - forth
                # What gradients are taken of ends before the last token: nothing is predicted from there.
                longest = int(lengths[documents].max()) - goes_back
                padded = len(lengths[documents]) * longest
                forward, backward = forward + forth, backward + back
                tokens, tokens_back = tokens + forth * padded, tokens_back + back * padded
    return Passes(forward, backward, tokens, tokens_back, rows)


def bytes_of_cell(reading: Reading, lm: LanguageModel, positions: Positions) -> int:
    """Return how many bytes the store takes for a cell: what is computed of activations is kept in float32."""
    as_it_is = isinstance(reading, Activation) and row_tokens(positions).pool != "mean"
    return torch.empty((), dtype=lm.dtype if as_it_is else torch.float32).element_size()


def _batches(
    positions: Positions, budget: int
) -> Iterator[tuple[list[int], npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield the documents of each batch, how many tokens of each are read, and how many positions it has."""
    bounds = np.searchsorted(positions.document_of_row, np.arange(len(positions.documents) + 1))
    ends, counts = tokens_read(positions), np.diff(bounds)
    for batch in document_batches(positions, budget):
        yield batch, ends[batch], counts[batch]


def _operations(lm: LanguageModel, share: float) -> float:
    """Return the floating point operations of one token in a share of the layers: two for each of their weights."""
    with torch.device("meta"):
        module = auto_class(lm.config).from_config(lm.config, trust_remote_code=False)
    embedding = module.get_input_embeddings().weight.numel()
    weights = sum(int(parameter.numel()) for parameter in module.base_model.parameters() if parameter.ndim > 1)
    return 2.0 * (weights - int(embedding)) * share


def _speed(lm: LanguageModel) -> float:
    """Return how many floating point operations a second the device does, by multiplying a few matrices."""
    left, right = (torch.ones(1024, 1024, device=lm.device, dtype=lm.dtype) for _ in "ab")
    fastest = math.inf
    for _ in range(5):
        began = time.perf_counter()
        (left @ right)[0, 0].item()  # Asking for a number waits for the device.
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * 1024**3 / fastest
