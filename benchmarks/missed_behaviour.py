"""What misses and false marks of a detector do to a neuron: its AUC, its p_fwer, its replication.

    python benchmarks/missed_behaviour.py [--smoke] [--json PATH]

Texts like those of Thought Anchors are simulated: 40 documents of 145 sentences, of which 11.6 % show the behaviour. A
neuron fires by normal noise, and more where the behaviour truly shows, so that its AUC against clean labels is known;
255 others are noise. A detector of a known precision and recall marks sentences, independent of the neurons. Present
are the sentences that it marks, and three controls for each are drawn from those that it does not mark. Half of the
documents rank, half are held out. `seen_auc` says what AUC is expected to be seen.
"""

from typing import NamedTuple

import numpy as np
import torch
from figures import Row, command_line, row
from scipy.stats import binomtest, norm

from neurosieve import Batch, Site
from neurosieve.evidence.intervals import clustered_interval
from neurosieve.evidence.mislabelled import seen_auc
from neurosieve.evidence.permutation import permutation_null
from neurosieve.scoring.engine import score_batch
from neurosieve_plugins.scorers.auc import Auc

DOCUMENTS, SENTENCES, SHOWING = 40, 145, 672 / 5814
NEURONS, CONTROLS = 256, 3
AUCS = (0.65, 0.8)
AUC = Auc()


class Labels(NamedTuple):
    """How good a detector is."""

    precision: float
    recall: float
    what: str

    @property
    def false_alarms(self) -> float:
        """The share of sentences without the behaviour that it marks."""
        return self.recall * SHOWING * (1 - self.precision) / (self.precision * (1 - SHOWING))

    @property
    def false_omission(self) -> float:
        """The share of what it does not mark that shows the behaviour."""
        missed = SHOWING * (1 - self.recall)
        return missed / (missed + (1 - SHOWING) * (1 - self.false_alarms))


LABELS = (
    Labels(1.0, 1.0, "clean labels"),
    Labels(1.0, 0.05, "recall 0.05, no false mark"),
    Labels(0.83, 0.05, "precision 0.83, recall 0.05, as the founding phrases"),
    Labels(0.6, 0.8, "precision 0.60, recall 0.80"),
)


def simulated(labels: Labels, auc: float, rng: np.random.Generator) -> tuple[Batch, Batch]:
    """Return the sentences that are compared, of the documents that rank and of those that are held out.

    Neuron 0 is the one that fires at the behaviour.
    """
    document = np.repeat(np.arange(DOCUMENTS), SENTENCES)
    shows = rng.random(len(document)) < SHOWING
    marked = rng.random(len(document)) < np.where(shows, labels.recall, labels.false_alarms)
    rows = []
    for number in range(DOCUMENTS):
        present = np.flatnonzero(marked & (document == number))
        others = np.flatnonzero(~marked & (document == number))
        rows += [present, rng.choice(others, min(len(others), CONTROLS * len(present)), replace=False)]
    chosen = np.concatenate(rows)
    activations = rng.standard_normal((len(chosen), NEURONS)).astype(np.float32)
    activations[:, 0] += np.float32(np.sqrt(2) * norm.ppf(auc)) * shows[chosen]
    parts = [chosen[(document[chosen] < DOCUMENTS // 2) == first] for first in (True, False)]
    place = {sentence: at for at, sentence in enumerate(chosen.tolist())}
    batches = []
    for part in parts:
        values = torch.from_numpy(activations[[place[sentence] for sentence in part.tolist()]])
        numbers = torch.from_numpy(document[part])
        batches.append(
            Batch(
                Site(0, "mlp_post"),
                values,
                torch.from_numpy(marked[part].astype(np.int8))[:, None],
                numbers,
                numbers,
                torch.zeros(len(part), dtype=torch.int64),
            )
        )
    return batches[0], batches[1]


def rows(small: bool) -> list[Row]:
    runs, permutations = (3, 19) if small else (200, 199)
    torch.set_num_threads(1)  # Each score is small: threads would wait for each other longer than they work.
    lines = []
    for auc in AUCS:
        for labels in LABELS:
            seen, named, replicated, present = [], 0, 0, 0
            for seed in range(runs):
                ranking, held_out = simulated(labels, auc, np.random.default_rng(seed))
                seen.append(float(score_batch(ranking, AUC).value[0, 0]))
                present += int(ranking.labels.sum())
                null = permutation_null([ranking], AUC, permutations, seed)
                found = null.p_fwer[0] <= 0.05 and seen[-1] > 0.5
                named += found
                replicated += found and clustered_interval(held_out, AUC, seed).low[0] > 0
            expected = seen_auc(auc, labels.precision, labels.false_omission)
            error = np.std(seen, ddof=1) / np.sqrt(runs)
            what = f"AUC {auc}, {labels.what}"
            lines.append(
                row(
                    f"{what}: AUC that is seen",
                    "the formula",
                    float(np.mean(seen)) / expected,
                    note=f"{np.mean(seen):.4f} on average, standard error {error:.4f}; formula {expected:.4f}, with "
                    f"c = {labels.false_omission:.3f}; {present / runs:,.0f} present sentences on average",
                )
            )
            for verb, number in (("p_fwer at most 0.05", named), ("and it replicates", replicated)):
                interval = binomtest(number, runs).proportion_ci(0.95, method="exact")
                note = f"{number} of {runs} runs, {interval.low:.0%} to {interval.high:.0%}"
                lines.append(row(f"{what}: {verb}", "all runs", number / runs, note=note))
    return lines


if __name__ == "__main__":
    command_line(rows, __doc__)
