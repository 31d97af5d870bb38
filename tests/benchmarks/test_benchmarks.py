"""Every benchmark still runs, on sizes so small that its figures mean nothing."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
NAMES = sorted(file.stem for file in FOLDER.glob("*.py") if "\ndef rows(" in file.read_text())


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    # Two cores for tiny work would wait for each other.
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    call = [sys.executable, str(FOLDER), *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, timeout=300, env=env, cwd=FOLDER.parent)


@pytest.mark.parametrize("name", NAMES)
def test_a_smoke_run_of_every_benchmark_gives_rows_with_finite_ratios(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if name == "workers":
        request.getfixturevalue("ray_alone")
    ended = run(name, "--smoke", "--output", tmp_path / "figures")
    assert ended.returncode == 0, ended.stderr[-3000:]
    rows = json.loads((tmp_path / "figures.json").read_text())[name]["rows"]
    assert rows
    for row in rows:
        assert math.isfinite(row["ratio"])
        assert row["what"] in (tmp_path / "figures.md").read_text().replace("\\|", "|")
        assert row["peak_mib"] > 0


def test_every_file_of_the_folder_has_rows_but_what_they_share() -> None:
    assert {file.stem for file in FOLDER.glob("*.py")} - set(NAMES) == {"__main__", "figures", "places"}


def test_figures_of_benchmarks_that_were_not_asked_for_are_kept(tmp_path: Path) -> None:
    kept = {
        "rows": [{"what": "an older figure", "against": "another", "ratio": 2.5, "aim": 3.0, "note": "", "met": True}]
    }
    held = {"processor": "one", "cores": 2, "memory_gib": 4, "gpu": None, "threads": 1, "date": "2026-01-01"}
    held |= {"load_before": 0.1, "python": "3.11", "versions": {"torch": "2"}}
    (tmp_path / "figures.json").write_text(json.dumps({"workers": {"machine": held, "seconds": 1.0, **kept}}))
    ended = run("permutation", "--smoke", "--output", tmp_path / "figures")
    assert ended.returncode == 0, ended.stderr[-3000:]
    told = json.loads((tmp_path / "figures.json").read_text())
    assert set(told) == {"permutation", "workers"}
    assert "| an older figure | another | 2.50 | ≤ 3.00 | yes |" in (tmp_path / "figures.md").read_text()


def test_an_unknown_benchmark_is_said_by_name() -> None:
    ended = run("readign")
    assert ended.returncode == 2
    assert "no benchmark `readign`" in ended.stderr


def test_on_a_gpu_keeps_each_figure_at_once_and_ends_well_without_one(tmp_path: Path) -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    call = [sys.executable, str(FOLDER / "on_a_gpu.py"), "--kept", str(tmp_path / "kept.jsonl")]
    ended = subprocess.run(call, capture_output=True, text=True, timeout=300, env=env)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "there is no GPU here" in ended.stderr
    assert not (tmp_path / "kept.jsonl").exists()
    ended = subprocess.run([*call, "--smoke"], capture_output=True, text=True, timeout=300, env=env)
    assert ended.returncode == 0, ended.stderr[-3000:]
    kept = [json.loads(line) for line in (tmp_path / "kept.jsonl").read_text().splitlines()]
    assert len(kept) >= 6
    [activations, *_] = kept
    assert activations["met"]  # On one device both round alike.
