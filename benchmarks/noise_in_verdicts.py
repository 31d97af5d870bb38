"""How often a behaviour drawn at random from real text is said to be driven by a neuron, the whole way.

    python benchmarks/noise_in_verdicts.py [--smoke] [--json PATH]

In each run one word in 30 of the completions of 60 embedded texts is drawn at random and stands for a behaviour.
`find reading=attribution` ranks the neurons of `tiny` by what they do to it, and `ablate mode=each` edits the ten best
of either sign one by one on the held-out half. No neuron does more to those words than to the controls, which are words
of the same kind: a verdict that one drives or opposes the behaviour is false.
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import regex
from figures import Row, command_line, row
from scipy.stats import binomtest

import neurosieve
from neurosieve import Detector, Document, Span
from neurosieve_plugins.sources.arithmetic import Arithmetic

FOUND = ("drives", "opposes")


@dataclass(frozen=True)
class Drawn(Detector):
    """Words drawn at random, one in `every`."""

    seed: int
    every: int = 30

    def detect(self, document: Document) -> Iterator[Span]:
        for match in regex.finditer(r"\w+", document.text):
            key = f"{self.seed} {document.id} {match.start()}".encode()
            if int.from_bytes(hashlib.sha256(key).digest()[:8]) % self.every == 0:
                yield Span(*match.span())


def rows(small: bool) -> list[Row]:
    runs, settings = (1, {"top": 2}) if small else (200, {"top": 10})
    model, texts = neurosieve.Model("tiny", "tiny"), list(Arithmetic(documents=60))
    named, verdicts, by_null = 0, Counter[str](), 0
    for seed in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            drawn = {"noise": Drawn(seed)}
            result = neurosieve.find(
                model,
                texts,
                drawn,
                reading="attribution",
                folder=Path(folder) / "run",
                seed=seed,
                permutations=199,
                stability_bootstraps=0,
                test_top=0,
                store=f"{folder}/store",
            )
            by_null += bool((result.neurons.p_fwer <= 0.05).any())
            run = neurosieve.ablate(
                result, source=texts, detectors=drawn, mode="each", sign="any", seed=seed, **settings
            )
            given = Counter(run.table("single_neurons").verdict)
            verdicts += given
            named += any(given[verdict] for verdict in FOUND)
    lines = []
    for what, count in (("find that a neuron drives or opposes", named), ("name a neuron by `p_fwer`", by_null)):
        low, high = binomtest(count, runs).proportion_ci(0.95, method="exact")
        lines.append(
            row(
                f"runs that {what}, for a behaviour drawn from words",
                "all runs",
                count / runs,
                note=f"{count} of {runs} runs, {low:.1%} to {high:.1%}; verdicts "
                + ", ".join(f"{verdict} {number}" for verdict, number in sorted(verdicts.items())),
            )
        )
    return lines


if __name__ == "__main__":
    command_line(rows, __doc__)
