"""How long scoring takes and what memory it needs, compared with one sort of the same data and with other libraries.

    python benchmarks/scoring.py [--neurons 36864 --positions 2000 --present 200] [--layers 28 --layer-neurons 8960]
                                 [--json PATH] [--smoke]

Everything is timed in one process on the same matrix of random activations, each line as the median of its repeats.
Ratios are to one contiguous numpy sort of that matrix, timed anew before and after each repeat, so that a busy machine
slows both. A line that loops over neurons is timed on some of them and scaled up, and says so. The same holds of the
logistic probe and scikit-learn's loop, which is timed before and after each repeat of the probe.

Memory is the most that a process of its own holds beyond the activations, as Linux counts it. The real size streams
layer by layer, each made anew and gone before the next, in a process of its own too.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SCORERS = {
    "auc": ("auc",),
    "cohens_d": ("cohens_d",),
    "auc + cohens_d": ("auc", "cohens_d"),
    "average_precision": ("average_precision",),
    "auc_binned": ("auc_binned",),
    "logistic_probe": ("logistic_probe",),
}
AT_MOST_SORTS = {"auc": 3.0}
AT_LEAST_TIMES_SKLEARN = 50.0
AT_MOST_OFF = 1e-4
AT_MOST_LAYERS_MORE = 1.0


@dataclass(frozen=True)
class Size:
    """How much is scored, and how often."""

    neurons: int = 36_864  # As many as Gemma 3 270M has.
    positions: int = 2_000
    present: int = 200
    repeats: int = 5
    looped: int = 500  # How many neurons a loop over them is timed on.
    layers: int = 28  # As many as DeepSeek-R1-Distill-Qwen-1.5B has, each of so many neurons:
    layer_neurons: int = 8_960

    def __str__(self) -> str:
        return f"{self.neurons:,} neurons at {self.positions:,} positions"


SMOKE = Size(neurons=256, positions=200, present=20, repeats=2, looped=16, layers=2, layer_neurons=64)


def random_batch(size: Size, neurons: int, seed: int = 0) -> Any:
    """Return random activations; they are made in pieces, so that making them takes no memory of its own."""
    import torch

    from neurosieve import Batch, Site

    rng = torch.Generator().manual_seed(seed)
    labels = torch.zeros(size.positions, 1, dtype=torch.int8)
    labels[torch.randperm(size.positions, generator=rng)[: size.present]] = 1
    activations = torch.empty(size.positions, neurons)
    for rows in activations.split(50):
        rows.copy_(torch.nn.functional.gelu(torch.randn(rows.shape, generator=rng)))
    number = torch.arange(size.positions)
    return Batch(Site(0), activations, labels, number, number, number)


def score(batch: Any, *names: str) -> dict[str, Any]:
    """Go all the way: from a batch to its summaries and its scores."""
    from neurosieve.scoring.engine import score as score_batches
    from neurosieve_plugins import register_scorers

    return score_batches([batch], {name: register_scorers()[name]() for name in names})


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def timed_against(
    work: Callable[[], object], reference: Callable[[], object], repeats: int, scale: float = 1.0
) -> dict[str, float]:
    """Return how long `work` takes, times `scale`, and how many times as long as the reference before and after it."""
    taken, ratios = [], []
    for _ in range(repeats):
        before = seconds(reference)
        taken.append(seconds(work) * scale)
        ratios.append(taken[-1] * 2 / (before + seconds(reference)))
    return {"seconds": statistics.median(taken), "ratio": statistics.median(ratios), "repeats": repeats}


def peers(batch: Any, looped: int) -> dict[str, tuple[Callable[[], object] | None, str]]:
    """Return what others do with the first `looped` neurons, None for what is not installed, and a note on each."""
    import numpy as np
    from scipy import stats
    from sklearn.metrics import roc_auc_score

    rows = batch.activations[:, :looped].contiguous()
    values, columns, labels = rows.numpy(), rows.T.contiguous().numpy(), batch.labels[:, 0].numpy()
    is_present, is_control = labels == 1, labels == 0

    def founding_loop() -> None:
        for column in columns:
            roc_auc_score(labels, column)
            present, control = column[is_present], column[is_control]
            (present.mean() - control.mean()) / np.sqrt((present.var() + control.var()) / 2)

    def mann_whitney_loop() -> None:
        for column in columns:
            stats.mannwhitneyu(column[is_present], column[is_control])

    def all_at_once() -> object:
        return stats.mannwhitneyu(values[is_present], values[is_control], axis=0)

    try:
        from torchmetrics.functional.classification import binary_auroc, multilabel_auroc
    except ImportError:
        missing = "torchmetrics is not installed"
        at_once, one_by_one = (None, missing), (None, missing)
    else:
        target = batch.labels.long()
        every = target.expand(-1, looped)
        at_once = (lambda: multilabel_auroc(rows, every, num_labels=looped, average=None), "a neuron as a label")
        one_by_one = (lambda: [binary_auroc(column, target[:, 0]) for column in rows.T], "")
    return {
        "the notebook's loop: roc_auc_score + Cohen's d": (founding_loop, ""),
        "a loop of scipy's mannwhitneyu": (mann_whitney_loop, ""),
        "scipy's mannwhitneyu(axis=0)": (all_at_once, ""),
        "scipy's rankdata(axis=0)": (lambda: stats.rankdata(values, axis=0), "no area yet"),
        "torchmetrics' multilabel_auroc": at_once,
        "a loop of torchmetrics' binary_auroc": one_by_one,
    }


def against_a_sort(size: Size, batch: Any) -> list[dict[str, Any]]:
    """Return a row for each of ours and of the peers."""
    import numpy as np
    import torch

    columns = batch.activations.T.contiguous().numpy()

    def sort() -> None:
        np.sort(columns, axis=1)

    score(batch, "auc", "cohens_d")  # The first call pays for imports and memory.
    against, rows = "one contiguous np.sort of the same matrix", []
    for name, names in SCORERS.items():
        figures = timed_against(lambda names=names: score(batch, *names), sort, size.repeats)
        line = {"what": f"{name}, {size}", "against": against, "aim": AT_MOST_SORTS.get(name), "better": "lower"}
        rows.append({**line, "note": f"{torch.get_num_threads()} threads; the sort has one", **figures})
    looped = min(size.looped, size.neurons)
    for name, (work, note) in peers(batch, looped).items():
        line = {"what": f"{name}, {size}", "against": against, "aim": None, "better": "lower"}
        if work is None:
            rows.append({**line, "ratio": None, "note": f"left out: {note}"})
            continue
        work()
        figures = timed_against(work, sort, max(1, size.repeats // 2), scale=size.neurons / looped)
        scaled = f"scaled from {looped} neurons"
        rows.append({**line, "note": f"{scaled}; {note}" if note else scaled, **figures, "neurons_timed": looped})
    return rows


def against_sklearn(size: Size, batch: Any) -> list[dict[str, Any]]:
    """Return how many times as fast the logistic probe is as scikit-learn's loop, and how far they are apart."""
    import numpy as np
    import torch
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    looped = min(size.looped, size.neurons) // 2
    labels = batch.labels[:, 0].numpy()
    columns = batch.activations[:, :looped].T.contiguous().double().numpy()
    columns = (columns - columns.mean(axis=1, keepdims=True)) / columns.std(axis=1, keepdims=True)

    def fit(**settings: Any) -> list[float]:
        # One regression is too small for several threads: on a busy machine, waiting for them takes most of the time.
        with threadpool_limits(1):
            return [LogisticRegression(**settings).fit(column[:, None], labels).coef_.item() for column in columns]

    fit()
    score(batch, "logistic_probe")
    figures = timed_against(fit, lambda: score(batch, "logistic_probe"), size.repeats, scale=size.neurons / looped)
    exact = np.array(fit(tol=1e-8, max_iter=10_000, solver="newton-cholesky"))
    ours = score(batch, "logistic_probe")["logistic_probe"].value[0, :looped].numpy()
    note = f"scaled from {looped} neurons, one thread; the probe has {torch.get_num_threads()}"
    return [
        {
            "what": f"logistic_probe: times faster than the sklearn loop, {size}",
            "against": "a loop of scikit-learn's LogisticRegression",
            "aim": AT_LEAST_TIMES_SKLEARN,
            "better": "higher",
            "note": note,
            **figures,
            "neurons_timed": looped,
        },
        {
            "what": "logistic_probe: largest difference of coefficients from sklearn",
            "against": "scikit-learn's LogisticRegression(tol=1e-8), per standard deviation",
            "ratio": float(np.abs(ours - exact).max()),
            "aim": AT_MOST_OFF,
            "better": "lower",
            "note": f"a difference, no ratio; {looped} neurons, the largest coefficient {np.abs(exact).max():.3g}",
        },
    ]


class Memory:
    """The most memory this process has held since this was made, beyond what it held then."""

    def __init__(self) -> None:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # The kernel's high-water mark starts anew.
        self._before = self._figure("VmRSS")

    def most(self) -> int:
        return self._figure("VmHWM") - self._before

    def _figure(self, name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def peak(size: Size, names: list[str]) -> dict[str, float]:
    """Return the most memory that scoring takes beyond the activations, in this process."""
    score(random_batch(size, 64), *names)
    batch = random_batch(size, size.layer_neurons)
    memory = Memory()
    score(batch, *names)
    return {"bytes": memory.most(), "bytes_of_the_activations": batch.activations.nbytes}


def streamed(size: Size, names: list[str]) -> dict[str, float]:
    """Return how long scoring takes by layer, compared with a sort of each, and the peak memory with the layer itself.

    The sort's copy is gone before scoring starts, but it counts: one layer's worth, as much as the sort holds.
    """
    import numpy as np

    score(random_batch(size, 64), *names)
    memory, sorting, scoring, layer = Memory(), [], [], 0
    for number in range(size.layers):
        batch = random_batch(size, size.layer_neurons, seed=number)
        layer = batch.activations.nbytes
        # In pieces, so that what the sort needs does not hide what scoring needs.
        pieces = batch.activations.split(256, dim=1)
        turned = (piece.T.contiguous().numpy() for piece in pieces)
        sorting.append(sum(seconds(lambda columns=columns: np.sort(columns, axis=1)) for columns in turned))
        scoring.append(seconds(lambda batch=batch: score(batch, *names)))
        del batch, pieces, turned
    ratio = statistics.median(own / reference for own, reference in zip(scoring, sorting, strict=True))
    return {
        "ratio": ratio,
        "seconds": sum(scoring),
        "seconds_of_sorting": sum(sorting),
        "bytes": memory.most(),
        "bytes_of_a_layer": layer,
    }


def elsewhere(work: Callable[[Size, list[str]], dict[str, float]], size: Size, names: tuple[str, ...]) -> Any:
    """Return what `work` says in a process of its own, whose start is too long for a quick run."""
    if size == SMOKE:
        return work(size, list(names))
    arguments = json.dumps({"work": work.__name__, "size": asdict(size), "names": names})
    done = subprocess.run(
        [sys.executable, __file__, "--part", arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def in_memory(size: Size) -> list[dict[str, Any]]:
    """Return how much memory each of ours takes beyond the activations of one layer."""
    against = "the activations themselves"
    if not Path("/proc/self/clear_refs").exists():
        note = "left out: this system does not tell the most memory a process has held"
        return [{"what": "memory", "against": against, "ratio": None, "aim": None, "note": note}]
    rows = []
    for name, names in SCORERS.items():
        figures = elsewhere(peak, size, names)
        rows.append(
            {
                "what": f"{name}: most memory beyond the activations, "
                f"{size.layer_neurons:,} neurons at {size.positions:,} positions",
                "against": against,
                "ratio": figures["bytes"] / figures["bytes_of_the_activations"],
                "aim": AT_MOST_LAYERS_MORE if name == "auc" else None,
                "better": "lower",
                "note": f"{figures['bytes'] / 2**20:,.0f} MiB",
                **figures,
            }
        )
    return rows


def layer_by_layer(size: Size) -> list[dict[str, Any]]:
    """Return how long the real size takes, and its memory."""
    where = f"{size.layers} layers of {size.layer_neurons:,} neurons at {size.positions:,} positions, one by one"
    rows = []
    for name in ("auc", "auc + cohens_d", "logistic_probe"):
        figures = elsewhere(streamed, size, SCORERS[name])
        rows.append(
            {
                "what": f"{name}, {where}",
                "against": "np.sort of the same layer",
                "aim": AT_MOST_SORTS.get(name),
                "better": "lower",
                "note": "the median of the layers",
                **figures,
            }
        )
        rows.append(
            {
                "what": f"{name}: most memory, {where}",
                "against": "the activations of one layer, which it holds too",
                "ratio": figures["bytes"] / figures["bytes_of_a_layer"],
                "aim": 1 + AT_MOST_LAYERS_MORE if name == "auc" else None,
                "better": "lower",
                "note": f"{figures['bytes'] / 2**20:,.0f} MiB",
            }
        )
    return rows


def rows_of(size: Size) -> list[dict[str, Any]]:
    batch = random_batch(size, size.neurons)
    return [*against_a_sort(size, batch), *against_sklearn(size, batch), *in_memory(size), *layer_by_layer(size)]


def rows(small: bool) -> list[dict[str, Any]]:
    """Return a row for each figure; `small` only shows that all of it works."""
    return rows_of(SMOKE if small else Size())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in asdict(Size()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=number)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--smoke", action="store_true", help="a quick run, to see that it works")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is not None:
        arguments = json.loads(options.part)
        work = {"peak": peak, "streamed": streamed}[arguments["work"]]
        print(json.dumps(work(Size(**arguments["size"]), arguments["names"])))
        return
    size = SMOKE if options.smoke else Size(**{name: getattr(options, name) for name in asdict(Size())})
    measured = rows_of(size)
    print(f"{'ratio':>12}  {'aim':<10}")
    for row in measured:
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3g}"
        bound = {"lower": "at most", "higher": "at least"}[row.get("better", "lower")]
        aim = "" if row["aim"] is None else f" [{bound} {row['aim']:g}]"
        print(f"{ratio:>12}  {row['what']} : {row['against']}{aim}  ({row['note']})")
    if options.json is not None:
        import numpy as np
        import torch

        versions = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), **versions}
        options.json.write_text(json.dumps({"size": asdict(size), "machine": machine, "rows": measured}, indent=2))


if __name__ == "__main__":
    main()
