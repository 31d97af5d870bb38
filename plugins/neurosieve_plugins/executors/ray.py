"""Work in processes of Ray, on one machine or a cluster."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

from annotated_types import Ge

from neurosieve import ConfigError, Executor, ExecutorError, check_fields

__all__ = ["Ray"]

_UNITS_PER_WORKER = 2
"""So many are sent to a worker at a time, so that the next one waits when it has done one."""
_PATIENCE = 300.0
"""Seconds in which workers are to start."""
_CROWDING = 2
"""How many workers' threads may share a core of this machine: many more wait for each other, and fill its memory."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ray(Executor):
    """In worker processes of Ray (extra `ray`), on this machine or a cluster; each opens the model for itself."""

    workers: Annotated[int, Ge(1)] = 2
    """How many processes."""
    cpus: Annotated[int, Ge(1)] = 1
    """The processor cores, and threads, of each."""
    gpus: Annotated[float, Ge(0)] = 0.0
    """The GPUs of each: 1 for one worker a GPU."""
    address: str | None = None
    """The cluster, as `ray.init` takes it: `auto`, `ray://head:10001`; null starts Ray on this machine alone."""
    retries: Annotated[int, Ge(0)] = 3
    """How often a unit of work is done again when its worker died, before that is an error."""

    def __post_init__(self) -> None:
        check_fields(self, "the executor `ray`: ")

    def map(
        self, prepare: Callable[[], Callable[[Iterable[Any]], Iterator[Any]]], units: Iterable[Any]
    ) -> Iterator[Any]:
        """Yield what comes of each unit, in the order of the units."""
        coming = iter(units)
        try:
            first = next(coming)
        except StopIteration:
            return  # No worker is started for nothing.
        pool = _Pool(self._started(), self, prepare)
        try:
            pool.start()
            yield from pool.map(chain([first], coming))
        finally:
            pool.close()

    def _started(self) -> Any:
        try:
            import ray
        except ImportError as error:
            raise ConfigError(
                "`executor=ray` needs Ray, which is not installed: `pip install neurosieve[ray]`, or take "
                "`executor=local`"
            ) from error
        cores, available = self.workers * self.cpus, os.cpu_count() or 1
        if self.address is None and cores > _CROWDING * available:
            raise self._too_much(cores, "cores", available, "cpus")
        if not ray.is_initialized():
            try:
                # The messages of Ray are no part of a run's output.
                settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
                if self.address is None:
                    # Ray's workers give way to whatever else runs (niceness 15): on a busy machine they stand still.
                    settings |= {"num_cpus": max(cores, available), "_system_config": {"worker_niceness": 0}}
                ray.init(self.address or "local", include_dashboard=False, **settings)
            except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
                raise ExecutorError(
                    f"Ray cannot be started or reached at `{self.address or 'this machine'}` ({error}): check "
                    "`executor.address`, or take `executor=local`"
                ) from error
        resources: Any = ray.cluster_resources()
        # A cluster may grow; this machine does not, and would wait for ever.
        if self.address is None:
            for wanted, name, what in ((cores, "CPU", "cores"), (self.workers * self.gpus, "GPU", "GPUs")):
                if wanted > resources.get(name, 0):
                    raise self._too_much(wanted, what, resources.get(name, 0), f"{name.lower()}s")
        return ray

    def _too_much(self, wanted: int | float, what: str, available: int | float, field: str) -> ExecutorError:
        return ExecutorError(
            f"{self.workers} workers of Ray want {wanted:g} {what}, and it has {available:g} here: "
            f"give fewer `executor.workers`, or less to each (`executor.{field}`)"
        )


class _Worker:
    """What runs in a process of Ray."""

    def __init__(self, prepare: Callable[[], Callable[[Iterable[Any]], Iterator[Any]]], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._prepare = prepare
        self._work: Callable[[Iterable[Any]], Iterator[Any]] | None = None

    def has_started(self) -> None:
        """Answer once this process has started."""

    def do(self, unit: Any) -> Any:
        """Return what comes of one unit."""
        if self._work is None:  # Here, an error is one of the work, and not the death of the worker.
            self._work = self._prepare()
        [done] = self._work(iter([unit]))
        return done


@dataclass
class _Task:
    """A unit under way."""

    unit: Any
    place: int
    """The number of its worker."""
    result: Any
    deaths: int = 0
    """How many workers died at it, or while it waited for them."""


class _Pool:
    """Some workers, each replaced when it dies."""

    def __init__(self, ray: Any, settings: Ray, prepare: Callable[[], Any]) -> None:
        self._ray, self._settings = ray, settings
        self._prepare = ray.put(prepare)
        self._actor = ray.remote(_Worker).options(num_cpus=settings.cpus, num_gpus=settings.gpus or None)
        self._workers: list[Any] = []
        self._tasks: deque[_Task] = deque()

    def start(self) -> None:
        """Start the workers, and continue with those that start in time: where there is no room, some never do.

        Raises:
            ExecutorError: none came, on this machine; on a cluster, which may grow, the first is waited for.
        """
        self._workers = [self._new_worker() for _ in range(self._settings.workers)]
        answers = {worker.has_started.remote(): worker for worker in self._workers}
        started, _ = self._ray.wait(list(answers), num_returns=len(answers), timeout=_PATIENCE)
        while not started:
            if self._settings.address is None:
                raise ExecutorError(
                    f"no worker of Ray has started in {_PATIENCE:g} seconds: look at Ray's logs (`session_latest/logs` "
                    "in its temporary folder), or take `executor=local`"
                )
            _log.warning("no worker of Ray has started yet: the cluster has no room; still waiting")
            started, _ = self._ray.wait(list(answers), timeout=_PATIENCE)
        if len(started) < len(answers):
            _log.warning("%d of %d workers of Ray have started: continuing with these", len(started), len(answers))
            self._let_go(worker for answer, worker in answers.items() if answer not in started)
            self._workers = [answers[answer] for answer in started]

    def _new_worker(self) -> Any:
        return self._actor.remote(self._prepare, self._settings.cpus)

    def map(self, units: Iterable[Any]) -> Iterator[Any]:
        """Yield what comes of each unit, while at most a few a worker are under way."""
        for unit in units:
            self._send(_Task(unit, 0, None))
            if len(self._tasks) >= _UNITS_PER_WORKER * len(self._workers):
                yield self._first()
        while self._tasks:
            yield self._first()

    def _send(self, task: _Task) -> None:
        load = [sum(other.place == place for other in self._tasks) for place in range(len(self._workers))]
        task.place = load.index(min(load))
        task.result = self._workers[task.place].do.remote(task.unit)
        self._tasks.append(task)

    def _first(self) -> Any:
        """Return what came of the first unit under way, having it done again for as long as its worker dies."""
        errors = self._ray.exceptions
        while True:
            task = self._tasks[0]
            try:
                done = self._ray.get(task.result)
            except errors.RayTaskError as error:
                raise error.cause from error
            except (errors.RayActorError, errors.OutOfMemoryError, errors.ObjectLostError) as error:
                self._replace(task.place, error)
            else:
                self._tasks.popleft()
                return done

    def _replace(self, place: int, error: Exception) -> None:
        """Put a new worker in the place of one that died, and have it do what was not done."""
        self._ray.kill(self._workers[place])
        self._workers[place] = self._new_worker()
        for task in self._tasks:
            if task.place == place and not self._is_done(task.result):
                task.deaths += 1
                if task.deaths > self._settings.retries:
                    raise ExecutorError(
                        f"a worker of Ray died {task.deaths} times at the same work ({_first_line(error)}): give each "
                        "more memory (fewer `executor.workers`, a smaller `tokens_per_batch`), and look at Ray's logs"
                    ) from error
                task.result = self._workers[place].do.remote(task.unit)

    def _is_done(self, result: Any) -> bool:
        ready, _ = self._ray.wait([result], timeout=0)
        if not ready:
            return False
        try:
            self._ray.get(result)
        except self._ray.exceptions.RayTaskError:
            return True  # An answer too: it is raised when its turn comes.
        except self._ray.exceptions.RayError:
            return False
        return True

    def close(self) -> None:
        """Let the workers go."""
        self._let_go(self._workers)

    def _let_go(self, workers: Iterable[Any]) -> None:
        for worker in workers:
            self._ray.kill(worker)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
