"""How often noise names a neuron where whole texts are compared, such as wrong with right answers to problems.

    python benchmarks/noise_in_outcomes.py [--smoke] [--json PATH]

In each run a model answers 60 problems of unequal difficulty 8 times each, or 300 problems once each. Given the
problem, no neuron has to do with an answer being wrong. Half of the variance of a neuron is its problem's; where it
knows the difficulty, that correlates with how often answers are wrong, by up to 0.7 from neuron to neuron. A run names
a neuron where the smallest `p_fwer` of all is at most 0.05. The naive null permutes labels across all answers.

Last, how often intervals of `auc_within_group` hold the truth, and how many of the best neurons replicate on other
problems.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from figures import Row, command_line, row
from scipy.stats import binomtest, norm

from neurosieve import Batch, Scorer, Site
from neurosieve.evidence.exchange import Exchange
from neurosieve.evidence.permutation import permutation_null
from neurosieve.scoring.engine import score_batch
from neurosieve_plugins.scorers.auc import Auc
from neurosieve_plugins.scorers.auc_within_group import AucWithinGroup
from neurosieve_plugins.scorers.cohens_d import CohensD

ALL_SCORERS: Mapping[str, Scorer[Any]] = {
    "auc": Auc(),
    "cohens_d": CohensD(),
    "auc_within_group": AucWithinGroup(),
}
ACROSS_GROUPS = {name: ALL_SCORERS[name] for name in ("auc", "cohens_d")}
KNOWN = 0.7
"""How much a neuron's level of a problem correlates with its difficulty, at most."""


class World(NamedTuple):
    """What problems and neurons are like."""

    problems: int
    samples: int
    known: float
    """How much neurons know of the difficulty."""


MANY, MANY_KNOWN = World(60, 8, 0.0), World(60, 8, KNOWN)
SINGLE, SINGLE_KNOWN = World(300, 1, 0.0), World(300, 1, KNOWN)


def outcomes(world: World, neurons: int, seed: int, effect: float = 0.0) -> Batch:
    """Return answers to problems, wrong ones present: `effect` is what being wrong adds to each neuron."""
    rng = np.random.default_rng(seed)
    difficulty = rng.standard_normal(world.problems)
    group = np.repeat(np.arange(world.problems), world.samples)
    wrong = rng.random(len(group)) < 1 / (1 + np.exp(-1.5 * difficulty[group]))
    knows = rng.uniform(-world.known, world.known, neurons)
    level = difficulty[:, None] * knows + rng.standard_normal((world.problems, neurons)) * np.sqrt(1 - knows**2)
    values = math.sqrt(0.5) * (level[group] + rng.standard_normal((len(group), neurons))) + effect * wrong[:, None]
    number = torch.from_numpy(group)
    labels = torch.from_numpy(wrong.astype(np.int8))[:, None]
    documents = torch.arange(len(group))
    return Batch(Site(0), torch.from_numpy(values.astype(np.float32)), labels, documents, number, number)


def of_both_kinds(batch: Batch) -> Batch:
    """Return the groups that hold wrong and right answers."""
    present = torch.bincount(batch.groups, batch.labels[:, 0])
    size = torch.bincount(batch.groups)
    rows = ((present > 0) & (present < size))[batch.groups]
    fields = (batch.activations, batch.labels, batch.documents, batch.groups, batch.token_ids)
    return Batch(batch.site, *(values[rows] for values in fields))


def within_groups(batch: Batch) -> tuple[Batch, Exchange]:
    compared = of_both_kinds(batch)
    return compared, Exchange(compared.groups.numpy())


def between_groups(batch: Batch) -> tuple[Batch, Exchange]:
    return batch, Exchange(_zeros(batch), batch.groups.numpy())


def naive(batch: Batch) -> tuple[Batch, Exchange]:
    return batch, Exchange(_zeros(batch))


def _zeros(batch: Batch) -> npt.NDArray[np.int64]:
    return np.zeros(len(batch.labels), dtype=np.int64)


Null = Callable[[Batch], tuple[Batch, Exchange]]
CASES: tuple[tuple[str, World, Null, Mapping[str, Scorer[Any]]], ...] = (
    ("8 answers to each, difficulty known; null within groups", MANY_KNOWN, within_groups, ALL_SCORERS),
    ("8 answers to each, difficulty known; naive null", MANY_KNOWN, naive, ACROSS_GROUPS),
    ("8 answers to each, difficulty unknown; null within groups", MANY, within_groups, ALL_SCORERS),
    ("8 answers to each, difficulty unknown; naive null", MANY, naive, ACROSS_GROUPS),
    ("8 answers to each, difficulty unknown; null between groups", MANY, between_groups, ALL_SCORERS),
    (
        "8 answers to each, difficulty known; null between groups",
        MANY_KNOWN,
        between_groups,
        ACROSS_GROUPS,
    ),
    ("1 answer to each, difficulty unknown; null between groups", SINGLE, between_groups, ACROSS_GROUPS),
    (
        "1 answer to each, difficulty known; null between groups",
        SINGLE_KNOWN,
        between_groups,
        ACROSS_GROUPS,
    ),
)


def named(world: World, null: Null, scorer: Scorer[Any], runs: int, neurons: int, permutations: int) -> int:
    """Return how many runs name a neuron."""
    count = 0
    for seed in range(runs):
        batch, exchange = null(outcomes(world, neurons, seed))
        count += bool(permutation_null([batch], scorer, permutations, seed, exchange).p_fwer.min() <= 0.05)
    return count


def coverage(simulations: int, neurons: int = 5) -> list[Row]:
    """Return how often an interval of `auc_within_group` holds the truth, by the size of the effect."""
    lines = []
    for effect in (0.0, 0.5, 1.5):
        truth, hits = norm.cdf(effect), 0  # Two answers to a problem differ by the effect, and by noise of variance 1.
        for seed in range(simulations // neurons):
            interval = AucWithinGroup().interval(outcomes(MANY_KNOWN, neurons, seed, effect), 0.95)
            hits += int(((interval.low <= truth) & (truth <= interval.high)).sum())
        share = binomtest(hits, simulations // neurons * neurons).proportion_ci(0.95, method="exact")
        lines.append(
            row(
                f"95 % intervals of `auc_within_group` that hold the truth, effect {effect:g}",
                "all of them",
                hits / (simulations // neurons * neurons),
                note=f"{simulations:,} simulations, {share.low:.1%} to {share.high:.1%}",
            )
        )
    return lines


def replicated(runs: int, neurons: int, best: int) -> list[Row]:
    """Return how many of the best neurons by AUC replicate on other problems, by AUC and within groups."""
    counts = dict.fromkeys(("auc", "auc_within_group"), 0)
    for seed in range(runs):
        answers = outcomes(MANY_KNOWN._replace(problems=120), neurons, seed)
        ranking, held_out = (of_both_kinds(part) for part in _halves(answers))
        effect = score_batch(ranking, Auc()).value[0] - 0.5
        top = effect.abs().topk(best).indices
        some = Batch(held_out.site, held_out.activations[:, top], held_out.labels, *_where(held_out))
        for name in counts:
            interval = ALL_SCORERS[name].interval(some, 0.95)
            assert interval is not None
            sign = effect[top].sign()
            beyond = torch.where(sign > 0, interval.low > 0.5, interval.high < 0.5)
            counts[name] += int(beyond.sum())
    return [
        row(
            f"of the best {best} by `auc`, difficulty known, those whose held-out `{name}` replicates",
            "all of them",
            count / (runs * best),
            note=f"{runs} runs",
        )
        for name, count in counts.items()
    ]


def _halves(batch: Batch) -> list[Batch]:
    parts = [batch.groups % 2 == part for part in (0, 1)]
    return [
        Batch(batch.site, batch.activations[rows], batch.labels[rows], *(values[rows] for values in _where(batch)))
        for rows in parts
    ]


def _where(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return batch.documents, batch.groups, batch.token_ids


def rows(small: bool) -> list[Row]:
    runs, neurons, permutations, simulations = (3, 64, 19, 50) if small else (200, 2_000, 199, 2_000)
    lines = []
    for what, world, null, scorers in CASES:
        for name, scorer in scorers.items():
            count = named(world, null, scorer, runs, neurons, permutations)
            interval = binomtest(count, runs).proportion_ci(0.95, method="exact")
            lines.append(
                row(
                    f"runs of noise that name a neuron by `{name}`: {what}",
                    "all runs",
                    count / runs,
                    note=f"{count} of {runs} runs, {interval.low:.1%} to {interval.high:.1%}; {permutations} "
                    f"permutations, {neurons:,} neurons",
                )
            )
    return [*lines, *coverage(simulations), *replicated(max(2, runs // 10), neurons, 50)]


if __name__ == "__main__":
    command_line(rows, __doc__)
