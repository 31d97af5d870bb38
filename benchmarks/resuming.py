"""Does a `find` that is killed and run again end with the same numbers? Kills at random moments.

    python benchmarks/resuming.py [--smoke] [--json PATH]

A random model, whose shards fill soon, is read by the command in a process of its own, which is killed (SIGKILL) at a
moment between its first look into the store and its end. The command is then run again from what the store holds, and
its `neurons.parquet` compared, byte by byte, with that of an undisturbed run.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Row, command_line, row


def command(model: Path, folder: Path, name: str, documents: int) -> "subprocess.Popen[bytes]":
    """Begin a run."""
    chosen = (f"model.name={model}", f"source.documents={documents}", "scorers=[auc]", "permutations=50")
    where = (
        f"store={folder / 'store'}",
        f"hydra.run.dir={folder / name}",
        "reports=[]",
        "tokens_per_batch=1024",
        "hydra.output_subdir=null",
    )
    call = [sys.executable, "-m", "neurosieve", "find", "model=pretrained", *chosen, *where]
    return subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def begun(run: "subprocess.Popen[bytes]", folder: Path) -> float:
    """Wait until a run opens its store, and return when that was."""
    while run.poll() is None and not (folder / "store").exists():
        time.sleep(0.01)
    return time.monotonic()


def rows(small: bool) -> list[Row]:
    from neurosieve.models.tiny import tiny_model

    kills, documents, neurons = (2, 20, 256) if small else (20, 80, 4096)
    drawn = random.Random(0)
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "model"
        for part in tiny_model(layers=4, width=64, neurons=neurons):
            part.save_pretrained(model)
        calm = Path(place) / "calm"
        run = command(model, calm, "run", documents)
        opened = begun(run, calm)
        if run.wait():
            raise RuntimeError("the undisturbed run failed")
        lasting = time.monotonic() - opened
        expected = (calm / "run" / "neurons.parquet").read_bytes()
        same = late = partly = 0
        for kill in range(kills):
            folder = Path(place) / f"kill{kill}"
            run = command(model, folder, "killed", documents)
            begun(run, folder)
            try:
                run.wait(drawn.uniform(0, lasting))
                late += 1  # It was faster than the undisturbed one.
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGKILL)
                run.wait()
            again = command(model, folder, "again", documents)
            if again.wait():
                raise RuntimeError(f"the run that went on after kill {kill} failed")
            read = json.loads((folder / "again" / "run.json").read_text())["reading"]["positions"]
            whole = json.loads((calm / "run" / "run.json").read_text())["reading"]["positions"]
            partly += 0 < read < whole
            same += (folder / "again" / "neurons.parquet").read_bytes() == expected
    return [
        row(
            "runs that were killed and went on, with the same bytes",
            "all that were killed",
            same / kills,
            1.0,
            f"{kills} kills in {lasting:.0f} s of work; {partly} went on from a store that was partly filled; "
            f"{late} had ended before",
            at_least=True,
        )
    ]


if __name__ == "__main__":
    command_line(rows, __doc__)
