"""How long 1,000 permutations of every neuron take, beside one single-precision matrix product of that size.

    python benchmarks/permutation.py [--layers 28 --neurons 8960 --positions 2000] [--json PATH] [--smoke]

Activations are random, and made anew for each layer; making them is not timed. The product, of permutations x positions
by positions x neurons, is timed layer by layer in the same process, right before the null of that layer, so that a busy
machine slows both. The null includes all it does: drawing the permutations, ranks, comparing, error rates.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurosieve import Batch, Scorer, Site
from neurosieve.permutation import permutation_null
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
            "largest_distance_median": float(np.median(null.largest)),
            "smallest_p_fwer": float(null.p_fwer.min()),
        }
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=28, help="as many as DeepSeek-R1-Distill-Qwen-1.5B has")
    parser.add_argument("--neurons", type=int, default=8_960, help="of each layer")
    parser.add_argument("--positions", type=int, default=2_000)
    parser.add_argument("--permutations", type=int, default=1_000)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--smoke", action="store_true", help="a quick run, to see that it works")
    options = parser.parse_args()
    if options.smoke:
        options.layers, options.neurons, options.positions, options.permutations = 2, 256, 200, 50
    measured = measure(options.layers, options.neurons, options.positions, options.permutations)
    print(
        f"{options.permutations} permutations, {options.positions} positions x {options.layers * options.neurons} "
        f"neurons, {torch.get_num_threads()} threads"
    )
    print(f"{'':<20}{'seconds':>10}{'one product':>14}{'ratio':>10}")
    for name, figures in measured.items():
        print(f"{name:<20}{figures['seconds']:>10.2f}{figures['product_seconds']:>14.2f}{figures['ratio']:>10.2f}")
    if options.json is not None:
        versions = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
        settings = {name: value for name, value in vars(options).items() if name != "json"}
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
        figures = {"settings": settings, "machine": machine | versions, "measured": measured}
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
