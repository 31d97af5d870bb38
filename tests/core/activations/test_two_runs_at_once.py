"""Runs in processes of their own that share a store, or fill a disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.slow
FIND = ["model=tiny", "source.documents=80", "permutations=20", "interval_bootstraps=5", "reports=[]"]


def start(folder: Path, store: Path, *asked: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "neurosieve", "find", *FIND, f"store={store}", f"hydra.run.dir={folder}", *asked]
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | path, cwd=folder.parent
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, error = process.communicate(timeout=300)
    return process.returncode, error


def passes(folder: Path) -> int:
    return json.loads((folder / "run.json").read_text())["reading"]["forward_passes"]


def scores(folder: Path) -> pd.DataFrame:
    table = pd.read_parquet(folder / "neurons.parquet")[["behaviour", "layer", "neuron", "auc", "cohens_d"]]
    return table.sort_values(["behaviour", "layer", "neuron"]).reset_index(drop=True)


def holds_whole_shards_alone(store: Path) -> bool:
    return all(path.name == "space.json" or path.suffix == ".safetensors" for path in store.glob("*/*"))


def test_two_runs_on_one_fresh_store_both_finish_and_nothing_is_torn(tmp_path):
    store = tmp_path / "store"
    # The texts are the same in part, and other groups of them are held out.
    runs = [("seed=0", "source.documents=80"), ("seed=1", "source.documents=50")]
    for process in [start(tmp_path / f"run{number}", store, *one) for number, one in enumerate(runs)]:
        code, error = ended(process)
        assert code == 0, error
    assert holds_whole_shards_alone(store)
    for number, one in enumerate(runs):
        code, error = ended(start(tmp_path / f"again{number}", store, *one))
        assert code == 0, error
        assert passes(tmp_path / f"again{number}") == 0
        code, error = ended(start(tmp_path / f"alone{number}", tmp_path / f"own{number}", *one))
        assert code == 0, error
        alone = scores(tmp_path / f"alone{number}")
        for name in (f"run{number}", f"again{number}"):
            pd.testing.assert_frame_equal(scores(tmp_path / name), alone, rtol=1e-3, atol=1e-3)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own, on which little fits."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_disk_that_fills_up_keeps_whole_shards_and_the_same_command_goes_on_once_there_is_room(tmp_path, small_disk):
    store, asked = small_disk / "store", ("tokens_per_batch=4096", "source.documents=1500")
    code, error = ended(start(tmp_path / "full", store, *asked))
    assert code == 2, error
    assert error.startswith("neurosieve: cannot write a shard of ")
    assert "No space left" in error
    assert "MiB free" in error
    assert not (tmp_path / "full").exists()
    assert holds_whole_shards_alone(store)
    kept = {path: path.stat().st_ino for path in store.glob("*/*.safetensors")}
    assert kept
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    code, error = ended(start(tmp_path / "full", store, *asked))
    assert code == 0, error
    assert kept.items() <= {path: path.stat().st_ino for path in store.glob("*/*.safetensors")}.items()
    code, error = ended(start(tmp_path / "alone", tmp_path / "own", *asked))
    assert code == 0, error
    assert 0 < passes(tmp_path / "full") < passes(tmp_path / "alone")
    pd.testing.assert_frame_equal(scores(tmp_path / "full"), scores(tmp_path / "alone"), rtol=1e-4, atol=1e-4)
