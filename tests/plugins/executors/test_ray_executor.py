import builtins
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch

import neurosieve
from neurosieve import ConfigError, ExecutorError, ModelError
from neurosieve.models.architectures import atlas_of
from neurosieve.models.batches import Reader, TextBatch
from neurosieve.models.loading import Model, open_model
from neurosieve.models.pooling import Units
from neurosieve.models.tiny import tiny_model
from neurosieve_plugins.executors.ray import Ray
from neurosieve_plugins.sources.arithmetic import Arithmetic

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_alone_throughout")]
TEXTS = Arithmetic(documents=40)
QUICK = {
    "permutations": 19,
    "stability_bootstraps": 0,
    "interval_bootstraps": 20,
    "test_top": 5,
    "tokens_per_batch": 512,
}


@pytest.fixture(scope="module", autouse=True)
def _sent_by_value() -> Iterator[None]:
    # Workers cannot import this file.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Dying:
    """Work whose process dies at a unit: always, or as long as the marker is not there."""

    at: int
    marker: Path | None = None

    def __call__(self) -> Callable[[Iterable[int]], Iterator[int]]:
        return self.work

    def work(self, units: Iterable[int]) -> Iterator[int]:
        for unit in units:
            if unit == self.at and not (self.marker and self.marker.exists()):
                if self.marker:
                    self.marker.touch()
                os._exit(1)
            yield unit * unit


def found(folder: Path, executor: str | Ray, **settings: object) -> pd.DataFrame:
    return neurosieve.find(
        "tiny", TEXTS, executor=executor, folder=folder / "run", store=str(folder / "store"), **QUICK | settings
    ).neurons


def test_the_result_of_two_workers_is_that_of_this_process_bit_for_bit(tmp_path: Path) -> None:
    here, there = found(tmp_path / "here", "local"), found(tmp_path / "there", Ray(workers=2))
    pd.testing.assert_frame_equal(here, there, check_exact=True)


def test_attribution_by_two_workers_is_that_of_this_process(tmp_path: Path) -> None:
    settings = {"reading": "attribution"}
    here, there = found(tmp_path / "here", "local", **settings), found(tmp_path / "there", Ray(workers=2), **settings)
    # A worker adds up on other threads, in another order.
    pd.testing.assert_frame_equal(here, there, rtol=1e-4, atol=1e-6)


def test_contributions_by_two_workers_are_those_of_this_process(tmp_path: Path) -> None:
    settings = {"reading": "contribution"}
    here, there = found(tmp_path / "here", "local", **settings), found(tmp_path / "there", Ray(workers=2), **settings)
    pd.testing.assert_frame_equal(here, there, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_units_of_several_tokens_read_by_two_workers_are_those_of_this_process(pool: str, tmp_path: Path) -> None:
    lm = open_model(Model("tiny", format="tiny"))
    atlas = atlas_of(lm)
    sizes, rng = [[5, 1, 9], [30], [2, 2]], np.random.default_rng(0)
    batches = [
        TextBatch(
            [f"d{number}"],
            [rng.integers(2, 300, size=sum(of_document))],
            [np.arange(sum(of_document))],
            Units([np.array(of_document)], pool),
        )
        for number, of_document in enumerate(sizes)
    ]
    reader = Reader(lm, atlas, atlas.sites)
    here, there = list(reader()(batches)), list(Ray(workers=2).map(reader, batches))
    for left, right in zip(here, there, strict=True):
        for site in atlas.sites:
            torch.testing.assert_close(left.cells[site], right.cells[site], rtol=1e-5, atol=1e-6)


def test_a_unit_whose_worker_dies_is_done_again_and_nothing_comes_twice(tmp_path: Path) -> None:
    squares = list(Ray(workers=2).map(Dying(7, tmp_path / "died"), range(30)))
    assert (tmp_path / "died").exists()
    assert squares == [unit * unit for unit in range(30)]


def test_work_that_kills_every_worker_is_an_error_with_what_to_do() -> None:
    with pytest.raises(ExecutorError, match=r"died 3 times at the same work.*fewer `executor.workers`"):
        list(Ray(workers=2, retries=2).map(Dying(3), range(10)))


def test_a_worker_killed_in_the_midst_of_a_run_changes_nothing(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    killed = []

    class Killing:
        @neurosieve.hookimpl
        def batch_read(self) -> None:
            if not killed:
                workers = [one for one in psutil.Process().children(recursive=True) if one not in before]
                mine = [one for one in workers if "_Worker" in " ".join(one.cmdline())]
                mine[0].send_signal(signal.SIGKILL)
                killed.append(mine[0].pid)

    from neurosieve.registry import installed

    manager, listener = installed().manager, Killing()
    manager.register(listener)
    try:
        there = found(tmp_path / "there", Ray(workers=2))
    finally:
        manager.unregister(listener)
    assert killed
    pd.testing.assert_frame_equal(found(tmp_path / "here", "local"), there, check_exact=True)


def test_a_model_that_was_handed_over_cannot_be_read_by_workers(tmp_path: Path) -> None:
    model, tokenizer = tiny_model()
    with pytest.raises(ModelError, match=r"other processes cannot open it.*executor=local"):
        neurosieve.find(model, TEXTS, tokenizer=tokenizer, executor=Ray(), folder=tmp_path / "run", store=str(tmp_path))


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import_as_ever = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "ray":
            raise ImportError("No module named 'ray'")
        return import_as_ever(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install neurosieve\[ray\]"):
        list(Ray().map(Dying(-1), range(3)))


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"cpus": 0}, {"gpus": -1.0}, {"retries": -1}])
def test_a_number_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"the executor `ray`: {next(iter(wrong))} is "):
        Ray(**wrong)


def test_more_gpus_than_there_are_are_an_error_and_no_endless_wait() -> None:
    with pytest.raises(ExecutorError, match=r"2 workers of Ray want 2000 GPUs, and it has \d+ here"):
        list(Ray(workers=2, gpus=1000.0).map(Dying(-1), range(3)))


def test_many_more_workers_than_cores_are_an_error_before_any_starts() -> None:
    cores = os.cpu_count()
    assert cores is not None
    many = 50 * cores
    with pytest.raises(ExecutorError, match=rf"{many} workers of Ray want {many} cores.*it has {cores} here"):
        list(Ray(workers=many).map(Dying(-1), range(3)))


def test_workers_that_find_no_room_are_done_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert list(Ray(workers=1).map(Dying(-1), range(3))) == [0, 1, 4]  # Ray runs, with all cores of this machine.
    cores = ray.cluster_resources()["CPU"]
    other = ray.remote(_Other).options(num_cpus=cores - 1).remote()
    ray.get(other.is_there.remote())
    monkeypatch.setattr("neurosieve_plugins.executors.ray._PATIENCE", 15.0)
    assert list(Ray(workers=2).map(Dying(-1), range(20))) == [unit * unit for unit in range(20)]
    assert "1 of 2 workers of Ray have started" in caplog.text
    monkeypatch.setattr("neurosieve_plugins.executors.ray._PATIENCE", 0.0)
    with pytest.raises(ExecutorError, match=r"no worker of Ray has started in 0 seconds.*executor=local"):
        list(Ray(workers=2).map(Dying(-1), range(3)))
    ray.kill(other)


def test_work_without_units_starts_nothing() -> None:
    assert list(Ray(workers=2, gpus=1000.0).map(Dying(-1), [])) == []


class _Other:
    """What takes cores of the machine."""

    def is_there(self) -> None:
        pass
