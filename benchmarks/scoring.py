"""How long scoring takes beside one sort of the same activations, and beside a loop over neurons.

    python benchmarks/scoring.py [--neurons 36864 --positions 2000 --present 200] [--json PATH] [--small]

Everything is timed in one process on the same matrix of random activations, each line as the median of its repeats.
Ratios are to one contiguous numpy sort of that matrix, timed anew before and after each repeat, so that a busy machine
slows both. A line that loops over neurons is timed on some of them and scaled up, and says so.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from neurosieve import Batch, Scorer, Site
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.average_precision import AveragePrecision
from neurosieve_plugins.scorers.cohens_d import CohensD
from neurosieve_plugins.scorers.logistic_probe import LogisticProbe


def random_batch(positions: int, neurons: int, present: int) -> Batch:
    rng = torch.Generator().manual_seed(0)
    labels = torch.zeros(positions, 1, dtype=torch.int8)
    labels[torch.randperm(positions, generator=rng)[:present]] = 1
    activations = torch.nn.functional.gelu(torch.randn(positions, neurons, generator=rng))
    number = torch.arange(positions)
    return Batch(Site(0), activations, labels, number, number, number)


def score(batch: Batch, *scorers: Scorer[Any]) -> None:
    """Go all the way: from a batch to its summary and its scores."""
    for scorer in scorers:
        empty = scorer.statistic.empty(batch.labels.shape[1], batch.activations.shape[1])
        scorer.compute(scorer.statistic.update(empty, batch))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(batch: Batch, repeats: int, looped: int) -> dict[str, dict[str, float]]:
    neurons = batch.activations.shape[1]
    columns = batch.activations.T.contiguous().numpy()
    rows = batch.activations.numpy()
    labels = batch.labels[:, 0].numpy()
    few = columns[:looped]

    def founding_loop() -> None:
        for column in few:
            roc_auc_score(labels, column)
            present, control = column[labels == 1], column[labels == 0]
            (present.mean() - control.mean()) / np.sqrt((present.var() + control.var()) / 2)

    def scipy_loop() -> None:
        for column in few:
            present, control = column[labels == 1], column[labels == 0]
            stats.mannwhitneyu(present, control)
            stats.ttest_ind(present, control)

    def logistic_loop() -> None:
        for column in few:
            column = (column - column.mean()) / column.std()
            LogisticRegression().fit(column[:, None], labels)

    def sort() -> None:
        np.sort(columns, axis=1)

    # What is timed, on how many neurons, and how often.
    lines: dict[str, tuple[Callable[[], object], int, int]] = {
        "one contiguous np.sort": (sort, neurons, repeats),
        "auc": (lambda: score(batch, Auc()), neurons, repeats),
        "cohens_d": (lambda: score(batch, CohensD()), neurons, repeats),
        "auc + cohens_d": (lambda: score(batch, Auc(), CohensD()), neurons, repeats),
        "average_precision": (lambda: score(batch, AveragePrecision()), neurons, repeats),
        "logistic_probe": (lambda: score(batch, LogisticProbe()), neurons, repeats),
        "scipy.stats.rankdata(axis=0)": (lambda: stats.rankdata(rows, axis=0), neurons, 1),
        "loop: roc_auc_score + Cohen's d": (founding_loop, looped, repeats),
        "loop: mannwhitneyu + ttest_ind": (scipy_loop, looped, repeats),
        "loop: LogisticRegression": (logistic_loop, looped, repeats),
    }
    score(batch, Auc(), CohensD())  # The first call pays for imports and memory.
    measured = {}
    for name, (work, timed, times) in lines.items():
        taken, ratios = [], []
        for _ in range(times):
            before = seconds(sort)
            taken.append(seconds(work) * neurons / timed)
            ratios.append(taken[-1] / ((before + seconds(sort)) / 2))
        measured[name] = {
            "seconds": statistics.median(taken),
            "ratio": statistics.median(ratios),
            "neurons_timed": timed,
            "repeats": times,
        }
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=36_864, help="as many as Gemma 3 270M has")
    parser.add_argument("--positions", type=int, default=2_000)
    parser.add_argument("--present", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--looped", type=int, default=500, help="how many neurons a loop is timed on")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--small", action="store_true", help="a quick run, to see that it works")
    options = parser.parse_args()
    if options.small:
        options.neurons, options.positions, options.present, options.repeats, options.looped = 256, 200, 20, 2, 16
    batch = random_batch(options.positions, options.neurons, options.present)
    measured = measure(batch, options.repeats, min(options.looped, options.neurons))
    print(f"{options.positions} positions ({options.present} present) x {options.neurons} neurons")
    print(f"{'':<34}{'seconds':>10}{'x sort':>10}")
    for name, figures in measured.items():
        scaled = (
            f"  scaled from {figures['neurons_timed']} neurons" if figures["neurons_timed"] < options.neurons else ""
        )
        print(f"{name:<34}{figures['seconds']:>10.2f}{figures['ratio']:>10.1f}{scaled}")
    if options.json is not None:
        versions = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
        settings = {name: value for name, value in vars(options).items() if name != "json"}
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), **versions}
        options.json.write_text(json.dumps({"settings": settings, "machine": machine, "measured": measured}, indent=2))


if __name__ == "__main__":
    main()
