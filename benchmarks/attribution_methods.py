"""How well cheap readings tell what real ablations do: a neuron at a time, and the best of each together.

    python benchmarks/attribution_methods.py [--smoke] [--json PATH]

Gemma 3 270M and the embedded texts. The ranking part of 50 documents gives the control means and each reading's best
neurons; on held-out documents, 100 of the best neurons and 100 at random are really set to their mean, one by one, at
every token but special ones, and what that does to the log-probability of the onsets is compared with what each reading
foretold there. Then the best 10, 50 and 100 of each are edited together, with 95 % intervals over documents, and what
that does to tokens at controls stands beside it.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from figures import Row, command_line, row
from scipy.stats import spearmanr

READINGS = {
    "gradient": {"method": "gradient"},
    "relevance (RelP)": {"method": "relevance"},
    "integrated, 4 steps": {"method": "integrated", "steps": 4},
}


def rows(small: bool) -> list[Row]:
    import neurosieve
    from neurosieve.ablation.measured_tokens import measured_tokens
    from neurosieve.data import Neuron
    from neurosieve.pipeline.reopening import reopen
    from neurosieve_plugins.readings.attribution import Attribution

    model, documents, tried, ks = ("tiny", 8, 10, (2,)) if small else ("gemma-3-270m", 50, 100, (10, 50, 100))
    settings = {"permutations": 0, "stability_bootstraps": 0, "test_top": 0}
    scores: dict[str, npt.NDArray[np.float64]] = {}
    foretold: dict[str, npt.NDArray[np.float64]] = {}
    for name, fields in READINGS.items():
        reading = Attribution(documents=documents, **fields)
        folder = Path(tempfile.mkdtemp()) / "run"
        result = neurosieve.find(model, reading=reading, folder=folder, **settings)
        table = result.neurons.sort_values(["layer", "neuron"])
        scores[name] = table.paired_difference.to_numpy()
        foretold[name] = table.mean_present_heldout.to_numpy()
    keys = [Neuron(*map(int, key)) for key in table[["layer", "neuron"]].to_numpy()]
    opened = reopen(result, model=None)
    counts: Counter[str] = Counter()
    chosen, _ = measured_tokens(
        opened.documents, opened.positions.table, "backtracking", 3 if small else 20, 2, 0, counts
    )
    means = _means(opened)
    generator = np.random.default_rng(0)
    best = np.argsort(-np.abs(scores["gradient"]))[:tried]
    others = generator.choice(np.setdiff1d(np.arange(len(keys)), best), tried, replace=False)
    numbers = np.concatenate([best, others])
    onsets = [token._replace(further=range(0)) for token in chosen if token.label == 1]
    controls = [token._replace(further=range(0)) for token in chosen if token.label == 0]
    real = _effects(opened, onsets, [[keys[number]] for number in numbers], means).mean(axis=1)
    table_rows = []
    for name in READINGS:
        for what, part in (("best and random", slice(None)), ("best", slice(0, tried)), ("random", slice(tried, None))):
            agreement = spearmanr(foretold[name][numbers[part]], real[part]).statistic
            table_rows.append(
                row(f"foretold by {name}, {what}", "rank correlation with real ablations", float(agreement))
            )
    sets = {(name, k): np.argsort(scores[name])[:k] for name in READINGS for k in ks}
    edited = [[keys[number] for number in drivers] for drivers in sets.values()]
    at_onsets, at_controls = (_effects(opened, tokens, edited, means) for tokens in (onsets, controls))
    for (name, k), changes, costs in zip(sets, at_onsets, at_controls, strict=True):
        low, high = _interval(changes, onsets)
        table_rows.append(
            row(
                f"the best {k} by {name}, together",
                "nats",
                float(changes.mean()),
                note=f"{low:+.2f} to {high:+.2f}; tokens at controls {costs.mean():+.2f}",
            )
        )
    return table_rows


def _interval(changes: npt.NDArray[np.float64], tokens: Sequence) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean, documents resampled."""
    documents = [token.document.id for token in tokens]
    of_document = [changes[[other == name for other in documents]] for name in dict.fromkeys(documents)]
    sums, counts = np.array([(part.sum(), len(part)) for part in of_document]).T
    drawn = np.random.default_rng(0).integers(len(sums), size=(2000, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def _means(opened) -> dict:
    from neurosieve.activations.control_means import control_means

    return control_means(opened.space, opened.positions, opened.positions.behaviours[0])


def _effects(opened, tokens, sets: Sequence[Sequence], means) -> npt.NDArray[np.float64]:
    from neurosieve.ablation.edit import Edit
    from neurosieve.ablation.editing_hooks import Edits
    from neurosieve.ablation.teacher_forcing import teacher_forced
    from neurosieve.data import Site
    from neurosieve_plugins.interventions.mean import Mean

    edits = [
        Edit(Mean(), {neuron: means[Site(neuron.layer)][neuron.neuron].reshape(1) for neuron in neurons})
        for neurons in sets
    ]
    forced = teacher_forced(opened.lm, tokens, Edits(opened.lm, opened.atlas, *edits), 0, 4096, lambda *_, **__: None)
    return forced.change


if __name__ == "__main__":
    command_line(rows, __doc__)
