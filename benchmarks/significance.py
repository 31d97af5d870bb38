"""How often pure noise passes for a discovery, and how often an interval holds the truth.

    python benchmarks/significance.py [--runs 200 --neurons 36864] [--simulations 1000] [--json PATH] [--smoke]

Noise: each run is 30 documents, in each of which a neuron has a level of its own, and about 100 present positions that
are spread over some of them unevenly, one in eleven of all positions. Nothing tells them. A run names a neuron by
- `top of the list`: it is the best, as in the founding notebook;
- `p`: its own permutation p is at most 0.05;
- `bonferroni`: the p of Mann and Whitney, times the neurons, is at most 0.05, which takes positions to be independent;
- `p_fwer`, `q_fdr`: what neurosieve says is at most 0.05.

Intervals: each simulation is 40 documents that share a random effect, and differ in how much the behaviour shows. Those
of neurosieve know documents; naive ones take each position for a document of its own.
"""

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binomtest, norm

from neurosieve import Batch, Scorer, Site
from neurosieve.engine import score
from neurosieve.permutation import permutation_null
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_token import AucWithinToken
from neurosieve_plugins.scorers.mean_difference import MeanDifference

LAYERS = 18
DOCUMENTS = 30
POSITIONS, PRESENT = 1_100, 100
RULES = ("top of the list", "p", "bonferroni", "p_fwer", "q_fdr")


def places(rng: np.random.Generator) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    """Return labels and documents of one run: documents of all lengths, some of them full of the behaviour."""
    documents = np.sort(rng.choice(DOCUMENTS, POSITIONS, p=rng.dirichlet(np.full(DOCUMENTS, 3.0))))
    leaning = rng.gamma(0.5, size=DOCUMENTS)[documents]
    labels = np.zeros(POSITIONS, dtype=np.int8)
    labels[rng.choice(POSITIONS, PRESENT, replace=False, p=leaning / leaning.sum())] = 1
    return labels, documents


def noise(seed: int, neurons: int, farthest: list[float]) -> Iterator[Batch]:
    """Yield layers of noise, and note how far the best of each is from telling nothing."""
    labels, documents = places(np.random.default_rng(seed))
    random = torch.Generator().manual_seed(seed)
    where = torch.from_numpy(documents)
    for layer in range(LAYERS):
        width = neurons // LAYERS
        levels = torch.randn(DOCUMENTS, width, generator=random)
        values = torch.randn(POSITIONS, width, generator=random).add_(levels[where])
        batch = Batch(Site(layer), values, torch.from_numpy(labels)[:, None], where, where, where)
        farthest.append(float((score([batch], {"auc": Auc()})["auc"].value - 0.5).abs().max()))
        yield batch


def least_on_noise(seed: int, neurons: int, permutations: int) -> dict[str, float]:
    """Return the least that each rule says of any neuron of one run, to be compared with 0.05."""
    farthest: list[float] = []
    null = permutation_null(noise(seed, neurons, farthest), Auc(), permutations, seed)
    # The variance of Mann and Whitney's area where nothing tells and positions are independent.
    deviation = math.sqrt((POSITIONS + 1) / (12 * PRESENT * (POSITIONS - PRESENT)))
    return {
        "top of the list": 0.0,
        "p": float(null.p.min()),
        "bonferroni": float(2 * norm.sf(max(farthest) / deviation) * neurons),
        "p_fwer": float(null.p_fwer.min()),
        "q_fdr": float(null.q_fdr.min()),
    }


def shares(runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return in how many runs each rule names a neuron, with a binomial interval."""
    figures = {}
    for rule in RULES:
        count = sum(run[rule] <= 0.05 for run in runs)
        interval = binomtest(count, len(runs)).proportion_ci(0.95, method="exact")
        figures[rule] = {
            "runs_that_name": count,
            "share": count / len(runs),
            "low": float(interval.low),
            "high": float(interval.high),
        }
    return figures


def clustered(rng: np.random.Generator, effect: float, documents: int, neurons: int) -> tuple[Batch, float]:
    """Return documents with a random effect that all of a document's positions share, and the true AUC.

    Half of the variance of a position is its document's; where the behaviour shows, it shows by `effect`, give or take
    0.5 from document to document.
    """
    where = np.repeat(np.arange(documents), rng.integers(5, 20, documents))
    labels = np.zeros(len(where), dtype=np.int8)
    for document in np.flatnonzero(rng.random(documents) < 0.7):
        labels[rng.choice(np.flatnonzero(where == document), rng.integers(1, 5), replace=False)] = 1
    level = math.sqrt(0.5) * rng.standard_normal((documents, neurons))
    shows = effect + 0.5 * rng.standard_normal((documents, neurons))
    values = level[where] + labels[:, None] * shows[where]
    values += math.sqrt(0.5) * rng.standard_normal(values.shape)
    # Two positions of one document share its level; of the pairs, so many do.
    counts = np.array(
        [[np.sum(labels[where == document] == label) for label in (1, 0)] for document in range(documents)]
    )
    within = counts.prod(axis=1).sum() / counts.sum(axis=0).prod()
    apart, together = (norm.cdf(effect / math.sqrt(variance + 0.25)) for variance in (2.0, 1.0))
    number = torch.from_numpy(where)
    batch = Batch(
        Site(0), torch.from_numpy(values.astype(np.float32)), torch.from_numpy(labels)[:, None], number, number, number
    )
    return batch, float((1 - within) * apart + within * together)


def coverage(simulations: int, documents: int = 40, neurons: int = 5) -> list[dict[str, Any]]:
    """Return how often each interval holds the truth, over simulations of several sizes of effect.

    Each layout of documents and labels is simulated with a few neurons, which are independent.
    """
    lines = []
    for effect in (0.0, 0.5, 1.5):
        rng = np.random.default_rng(round(10 * effect))
        held: dict[tuple[str, str], int] = {}
        for _ in range(simulations // neurons):
            batch, area = clustered(rng, effect, documents, neurons)
            alone = torch.arange(len(batch.labels))
            naive = Batch(batch.site, batch.activations, batch.labels, alone, alone, alone)
            scorers: tuple[tuple[str, Scorer[Any], float], ...] = (
                ("auc", Auc(), area),
                ("mean_difference", MeanDifference(), effect),
            )
            for name, scorer, truth in scorers:
                for kind, one in (("clustered", batch), ("naive", naive)):
                    interval = scorer.interval(one, 0.95)
                    assert interval is not None
                    hits = int(((interval.low <= truth) & (truth <= interval.high)).sum())
                    held[name, kind] = held.get((name, kind), 0) + hits
        total = simulations // neurons * neurons
        for (name, kind), count in held.items():
            interval = binomtest(count, total).proportion_ci(0.95, method="exact")
            lines.append(
                {
                    "score": name,
                    "interval": kind,
                    "effect": effect,
                    "simulations": total,
                    "documents": documents,
                    "coverage": count / total,
                    "low": interval.low,
                    "high": interval.high,
                }
            )
    return lines


def within_tokens(runs: int, neurons: int, permutations: int) -> list[dict[str, Any]]:
    """Return in how many runs on noise a neuron is named beyond the word, by how much of it is its document's."""
    lines = []
    for of_document in (0.0, 0.2, 0.5):
        named, below = 0, 0.0
        for seed in range(runs):
            rng = np.random.default_rng(seed)
            labels, documents = places(rng)
            noise = math.sqrt(of_document) * rng.standard_normal((DOCUMENTS, neurons))[documents]
            noise += math.sqrt(1 - of_document) * rng.standard_normal((POSITIONS, neurons))
            where = torch.from_numpy(documents)
            words = torch.from_numpy(rng.integers(0, 8, POSITIONS))
            values = torch.from_numpy(noise.astype(np.float32))
            batch = Batch(Site(0), values, torch.from_numpy(labels)[:, None], where, where, words)
            null = permutation_null([batch], AucWithinToken(), permutations, seed)
            named += bool(null.p_fwer.min() <= 0.05)
            below += float((null.p <= 0.05).mean()) / runs
        interval = binomtest(named, runs).proportion_ci(0.95, method="exact")
        told = {"of_document": of_document, "runs": runs, "runs_that_name": named, "p_at_most_005": below}
        lines.append(told | {"low": float(interval.low), "high": float(interval.high)})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="of pure noise")
    parser.add_argument("--neurons", type=int, default=36_864, help="as many as Gemma 3 270M has")
    parser.add_argument("--permutations", type=int, default=1_000)
    parser.add_argument("--simulations", type=int, default=1_000, help="of intervals, for each size of effect")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--smoke", action="store_true", help="a quick run, to see that it works")
    options = parser.parse_args()
    if options.smoke:
        options.runs, options.neurons, options.permutations, options.simulations = 3, 360, 99, 50
    start = time.perf_counter()
    intervals = coverage(options.simulations)
    print(f"nominal 95 % intervals, {intervals[0]['documents']} documents, {intervals[0]['simulations']} simulations")
    for line in intervals:
        print(
            f"{line['score']:<18}{line['interval']:<12}effect {line['effect']:<6}"
            f"{line['coverage']:>8.1%}  ({line['low']:.1%} to {line['high']:.1%})"
        )
    noisy = shares([least_on_noise(seed, options.neurons, options.permutations) for seed in range(options.runs)])
    print(f"{options.runs} runs on pure noise, {options.neurons} neurons, {options.permutations} permutations")
    for rule in RULES:
        line = noisy[rule]
        print(
            f"{rule:<18}names a neuron in {line['runs_that_name']:>4} runs"
            f"{line['share']:>8.1%}  ({line['low']:.1%} to {line['high']:.1%})"
        )
    beyond = within_tokens(options.runs, min(options.neurons, 2_000), options.permutations)
    for line in beyond:
        print(
            f"within tokens, {line['of_document']:.0%} of the noise a document's: a neuron is named in "
            f"{line['runs_that_name']} of {line['runs']} runs ({line['low']:.1%} to {line['high']:.1%}), "
            f"p is at most 0.05 for {line['p_at_most_005']:.1%}"
        )
    if options.json is not None:
        versions = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
        settings = {name: value for name, value in vars(options).items() if name != "json"}
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), **versions}
        figures = {
            "noise": noisy,
            "intervals": intervals,
            "within_tokens": beyond,
            "seconds": time.perf_counter() - start,
        }
        options.json.write_text(json.dumps({"settings": settings, "machine": machine, "measured": figures}, indent=2))


if __name__ == "__main__":
    main()
