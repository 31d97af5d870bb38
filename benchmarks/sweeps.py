"""What a sweep of eight jobs that differ in scorers and seeds costs, compared with one job; both from an empty store.

    python benchmarks/sweeps.py [--smoke] [--json PATH]

Whole commands, in processes of their own, with Gemma 3 270M (extra `demo`). As in the chains of thought of the founding
case, one token in a hundred is a position: of the embedded texts, where the behaviour is eight times as dense, each
span has one control, and no additional position. `run.json` of each job says how often the model was run.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import Row, command_line, row

VARIED = ("scorers=[auc],[cohens_d]", "seed=0,1,2,3")


def seconds(folder: Path, *arguments: str) -> tuple[float, list[dict[str, Any]]]:
    """Return how long a command took, and what each of its runs tells, in the order of their end."""
    folders = (f"store={folder / 'store'}", f"hydra.run.dir={folder / 'runs'}", f"hydra.sweep.dir={folder / 'runs'}")
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "neurosieve", "find", *arguments, *folders], check=True, capture_output=True)
    taken = time.perf_counter() - began
    files = sorted((folder / "runs").rglob("run.json"), key=lambda file: file.stat().st_mtime)
    runs = [json.loads(file.read_text()) for file in files]
    return taken, [run for run in runs if run["command"] == "find"]  # A sweep ends with a comparison of its runs.


def rows(small: bool) -> list[Row]:
    chosen = (
        "model=gemma-3-270m",
        "source.documents=600",
        "selection.controls_per_position=1",
        "selection.extra_positions=[]",
    )
    varied = VARIED
    if small:
        chosen, varied = ("model=tiny", "source.documents=40", "permutations=20", "reports=[]"), ("seed=0,1",)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as eight:
        single, [first] = seconds(Path(one), *chosen, "scorers=[auc]")
        sweep, runs = seconds(Path(eight), "-m", *varied, *chosen)
    further = len(runs) - 1
    passes = [run["reading"]["forward_passes"] for run in runs]
    stages: dict[str, float] = {}
    for run in runs[1:]:
        for stage, taken in run["timings_seconds"].items():
            stages[stage] = stages.get(stage, 0.0) + taken / further
    largest = sorted(stages.items(), key=lambda item: -item[1])[:4]
    return [
        row(
            f"{len(runs)} jobs of one sweep over scorers and seeds",
            "one job",
            sweep / single,
            1.3,
            f"{' '.join(chosen)}; {single:,.0f} s, of which reading {first['timings_seconds']['reading']:,.0f} s, and "
            f"{sweep:,.0f} s; of each further job " + ", ".join(f"{stage} {taken:.1f} s" for stage, taken in largest),
            seconds=sweep,
            seconds_against=single,
            stages_of_further_jobs=stages,
            stages_of_one=first["timings_seconds"],
        ),
        row(
            f"forward passes of its {further} jobs after the first",
            "those of the first",
            sum(passes[1:]) / passes[0],
            0.0,
            f"{passes[0]:,} forward passes in the first",
        ),
    ]


if __name__ == "__main__":
    command_line(rows, __doc__)
