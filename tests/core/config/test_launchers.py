"""Sweeps whose jobs are sent to other processes by Hydra's launchers."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
PARALLEL = {
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit": ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10"],
}
FIND = [
    "find",
    "-m",
    "model=tiny",
    "source.documents=80",
    "permutations=20",
    "interval_bootstraps=5",
    "reports=[]",
    "hydra.sweep.dir=sweep",
]
LOGS = (
    "# @package hydra\njob_logging: {version: 1, root: {level: INFO}, formatters: {x: {'()': os.mkdir, path: made}}}\n"
)


@pytest.fixture
def sweep(tmp_path):
    """Run `neurosieve find -m` in a process of its own, as a user does; return its exit code, output and errors."""

    def sweep(launcher, *asked):
        pytest.importorskip(f"hydra_plugins.hydra_{launcher}_launcher", reason="the extra `sweeps` is not installed")
        command = [sys.executable, "-m", "neurosieve", *FIND, *PARALLEL[launcher], f"store={tmp_path}/store", *asked]
        path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | path, timeout=500)
        return done.returncode, done.stdout, done.stderr

    return sweep


@pytest.mark.parametrize("launcher", [*PARALLEL])
def test_a_job_that_fails_is_one_message_and_the_others_end(sweep, launcher, tmp_path):
    code, _, error = sweep(launcher, "rank_by=auc,acu,cohens_d")
    assert code == 2, error
    assert "Traceback" not in error
    assert error.splitlines()[-1] == "neurosieve: rank_by is `acu`, which is not among the scorers: did you mean `auc`?"
    assert "rank_by=acu" in error.splitlines()[-2]  # Hydra says which job it was.
    ranked = {json.loads(path.read_text())["rank_by"] for path in (tmp_path / "sweep").glob("*/run.json")}
    assert ranked == {"auc", "cohens_d"}
    assert not (tmp_path / "sweep" / "1").exists()
    # The same command again, mended, reads nothing.
    if launcher == "joblib":
        code, out, error = sweep(launcher, "rank_by=auc,cohens_d", "hydra.sweep.dir=again")
        assert code == 0, error
        runs = [json.loads(path.read_text()) for path in (tmp_path / "again").glob("[0-9]*/run.json")]
        assert [run["reading"]["forward_passes"] for run in runs] == [0, 0]
        assert (tmp_path / "again" / "comparison" / "run.json").exists()
        assert "what each run found" in out


def test_what_a_stranger_s_experiment_would_run_as_logs_is_refused_in_the_workers_too(sweep, tmp_path):
    (tmp_path / "experiment").mkdir()
    for name in ("one", "two"):
        (tmp_path / "experiment" / f"{name}.yaml").write_text(LOGS)
    code, _, error = sweep("joblib", "--config-dir", str(tmp_path), "+experiment=one,two")
    assert code == 2, error
    assert "`hydra.job_logging.formatters.x.()` is `os.mkdir`, which is neither" in error
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "sweep").exists()


def test_a_command_for_the_cluster_is_taken_from_the_command_line_alone(sweep, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/one.yaml").write_text("# @package hydra\nlauncher: {setup: [touch made]}\n")
    code, _, error = sweep(
        "submitit", "--config-dir", str(tmp_path), "+experiment=one", "hydra/launcher=submitit_slurm"
    )
    assert code == 2, error
    assert "`hydra.launcher.setup` is set by a config file" in error
    assert not (tmp_path / "made").exists()
