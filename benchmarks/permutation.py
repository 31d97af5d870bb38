"""How long 1,000 permutations of every neuron take, compared with one single-precision matrix product of that size.

    python benchmarks/permutation.py [--smoke] [--json PATH]

Activations are random, and made anew for each layer; making them is not timed. The product, of permutations x positions
by positions x neurons, is timed layer by layer in the same process, right before the null of that layer, so that a busy
machine slows both. The null includes all it does: drawing the permutations, ranks, comparing, error rates.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from figures import Row, command_line, row

from neurosieve import Batch, Scorer, Site
from neurosieve.evidence.permutation import permutation_null
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.mean_difference import MeanDifference

SCORERS: dict[str, Scorer[Any]] = {"auc": Auc(), "mean_difference": MeanDifference(), "cohens_d": CohensD()}
PER_DOCUMENT = 40
"""How many positions each document has; one in eleven is present."""


class Layers:
    """Layers of random activations, and how long the product of each with the permutations takes."""

    def __init__(self, layers: int, neurons: int, positions: int, permutations: int) -> None:
        self.layers, self.neurons = layers, neurons
        self.documents = torch.arange(positions) // PER_DOCUMENT
        self.labels = (torch.arange(positions) % 11 == 0).to(torch.int8).unsqueeze(1)
        self.member = torch.rand(permutations, positions)
        self.product = 0.0
        self.away = 0.0

    def __iter__(self) -> Iterator[Batch]:
        for layer in range(self.layers):
            start = time.perf_counter()
            random = torch.Generator().manual_seed(layer)
            activations = torch.nn.functional.gelu(torch.randn(len(self.labels), self.neurons, generator=random))
            before = time.perf_counter()
            self.member @ activations
            self.product += time.perf_counter() - before
            self.away += time.perf_counter() - start
            yield Batch(Site(layer), activations, self.labels, self.documents, self.documents, self.documents)


def measure(layers: int, neurons: int, positions: int, permutations: int) -> dict[str, dict[str, float]]:
    measured = {}
    for name, scorer in SCORERS.items():
        # The first call pays for imports and memory.
        permutation_null(Layers(1, min(neurons, 512), positions, permutations), scorer, permutations, seed=0)
        work = Layers(layers, neurons, positions, permutations)
        start = time.perf_counter()
        null = permutation_null(work, scorer, permutations, seed=0)
        seconds = time.perf_counter() - start - work.away
        measured[name] = {
            "seconds": seconds,
            "product_seconds": work.product,
            "ratio": seconds / work.product,
            "null_max_median": float(np.median(null.largest)),
            "smallest_p_fwer": float(null.p_fwer.min()),
        }
    return measured


def rows(small: bool) -> list[Row]:
    layers, neurons, positions, permutations = (2, 256, 200, 50) if small else (28, 8_960, 2_000, 1_000)
    sizes = f"{permutations:,} permutations, {positions:,} positions x {layers * neurons:,} neurons"
    return [
        row(
            f"the permutation null of every neuron by `{name}`",
            "one single-precision matrix product of its size",
            figures["ratio"],
            None,
            f"{sizes}; {figures['seconds']:.1f} s, and {figures['product_seconds']:.1f} s",
            **{key: value for key, value in figures.items() if key != "ratio"},
        )
        for name, figures in measure(layers, neurons, positions, permutations).items()
    ]


if __name__ == "__main__":
    command_line(rows, __doc__)
