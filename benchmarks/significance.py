"""How often pure noise passes for a discovery, and how often an interval holds the truth.

    python benchmarks/significance.py [--smoke] [--json PATH]

Noise: each run is 30 documents, in each of which a neuron has a level of its own, and about 100 present positions that
are spread over some of them unevenly, one in eleven of all positions. No neuron has an effect. A run names a neuron by
- `top of the list`: it is the best, as in the founding notebook;
- `p`: its own permutation p is at most 0.05;
- `bonferroni`: the p of Mann and Whitney, times the neurons, is at most 0.05, which takes positions to be independent;
- `p_fwer`, `q_fdr`: the value of neurosieve is at most 0.05.

Intervals: each simulation is 40 documents that share a random effect, and differ in how much the behaviour shows. Those
of neurosieve know documents; naive ones take each position for a document of its own.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from figures import Row, command_line, row
from scipy.stats import binomtest, norm

from neurosieve import Batch, Scorer, Site
from neurosieve.evidence.permutation import permutation_null
from neurosieve.scoring.engine import score
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
    """Yield layers of noise, and note the largest effect of each."""
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
    # The variance of Mann and Whitney's area where nothing has an effect and positions are independent.
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
        covered: dict[tuple[str, str], int] = {}
        for _ in range(simulations // neurons):
            batch, area = clustered(rng, effect, documents, neurons)
            alone = torch.arange(len(batch.labels))
            naive = Batch(batch.site, batch.activations, batch.labels, alone, alone, alone)
            scorers: tuple[tuple[str, Scorer[Any], float], ...] = (
                ("auc", Auc(), area),
                ("mean_difference", MeanDifference(), effect),
            )
            for name, scorer, truth in scorers:
                for kind, grouped in (("clustered", batch), ("naive", naive)):
                    interval = scorer.interval(grouped, 0.95)
                    assert interval is not None
                    hits = int(((interval.low <= truth) & (truth <= interval.high)).sum())
                    covered[name, kind] = covered.get((name, kind), 0) + hits
        total = simulations // neurons * neurons
        for (name, kind), count in covered.items():
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
        line = {"of_document": of_document, "runs": runs, "runs_that_name": named, "p_at_most_005": below}
        lines.append(line | {"low": float(interval.low), "high": float(interval.high)})
    return lines


def rows(small: bool) -> list[Row]:
    runs, neurons, permutations, simulations = (3, 360, 99, 50) if small else (200, 36_864, 1_000, 1_000)
    lines = [
        row(
            f"{line['interval']} 95 % intervals of `{line['score']}` that hold the truth, effect {line['effect']}",
            "all of them",
            line["coverage"],
            note=f"{line['documents']} documents, {line['simulations']:,} simulations; "
            f"{line['low']:.1%} to {line['high']:.1%}",
        )
        for line in coverage(simulations)
    ]
    noisy = shares([least_on_noise(seed, neurons, permutations) for seed in range(runs)])
    return (
        lines
        + [
            row(
                f"runs on pure noise in which `{rule}` names a neuron",
                "all runs",
                named["share"],
                note=f"{runs} runs, {neurons:,} neurons, {permutations:,} permutations; "
                f"{named['low']:.1%} to {named['high']:.1%}",
            )
            for rule, named in noisy.items()
        ]
        + [
            row(
                f"runs on noise, {named['of_document']:.0%} of it a document's, that name one by `auc_within_token`",
                "all runs",
                named["runs_that_name"] / named["runs"],
                note=f"{named['runs']} runs, {min(neurons, 2_000):,} neurons; "
                f"{named['low']:.1%} to {named['high']:.1%}; "
                f"p at most 0.05 for {named['p_at_most_005']:.1%}",
            )
            for named in within_tokens(runs, min(neurons, 2_000), permutations)
        ]
    )


if __name__ == "__main__":
    command_line(rows, __doc__)
