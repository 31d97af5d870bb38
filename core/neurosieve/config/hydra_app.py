"""A command under Hydra: its flags, its sweeps and its run folders, with neurosieve's errors."""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from neurosieve.config.command import Command
from neurosieve.config.composition import VERSION_BASE
from neurosieve.config.configuration import CONF, publish, refuse_foreign_targets
from neurosieve.config.help_page import offer_choices
from neurosieve.config.hydra_errors import explained
from neurosieve.config.hydra_guard import check_logs, logs_checked, refuse_foreign_hydra_targets
from neurosieve.config.hydra_shortcuts import shortcuts
from neurosieve.errors import ConfigError, NeurosieveError, refusal

__all__ = ["run_hydra", "sweep_begins"]

_sweeps: list[Path] = []
"""The folders of sweeps under way; Hydra names them to callbacks alone."""


class _JobFailed(BaseException):
    """Carries a job's error past Hydra, which would print a report of its own for any Exception."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Job:
    """What Hydra runs with each config: in this process, or where a launcher sends it to."""

    def __init__(self, task: Callable[[Any, Path], None]) -> None:
        self._task = task
        self._sent = False

    def __getstate__(self) -> Mapping[str, Any]:
        return {"_task": self._task, "_sent": True}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        # The guard stays behind when a launcher sends a job to another process.
        check_logs(_discard)

    def __call__(self, config: DictConfig) -> None:
        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            refuse_foreign_targets(config)
            self._task(config, folder)
            _discard(folder)  # Unless it holds a run: a task may print something and leave none.
        except Exception as raised:
            _discard(folder)
            error, cause = raised, raised.__cause__
            # A full disk, or a file that cannot be opened; a closed pipe is what the door knows.
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                advice = "see that the file is there, and that there is room and permission"
                error, cause = NeurosieveError(f"{refusal(error)}: {advice}"), raised
            if self._sent:  # Launchers bring an Exception back, once the other jobs have ended; and nothing else.
                raise error from cause
            raise _JobFailed(error) from cause
        except BaseException:  # Ctrl-C too: the folder goes, the error goes on.
            _discard(folder)
            raise


def run_hydra(command: Command, arguments: Sequence[str], task: Callable[[Any, Path], None]) -> None:
    """Run `task` with each config that the arguments ask for, and the folder for its results.

    Raises:
        NeurosieveError: the arguments ask for something that there is not, or a job failed; its folder is gone.
        Exception: a job failed in a way that is a bug, and not the user's mistake; its folder is gone too.
    """
    publish(command.schemas)
    offer_choices(command)
    name, arguments = command.name, command.for_hydra(arguments)
    parsed = _parsed(name, arguments)
    # Hydra wants all overrides in one piece: here, flags such as `-m` may stand anywhere among them.
    arguments = [*(argument for argument in arguments if argument not in parsed.overrides), *parsed.overrides]

    with explained(name, arguments), logs_checked(_discard):
        checked = refuse_foreign_hydra_targets(name, parsed)
        argv, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
        sys.argv = [f"neurosieve {name}", *arguments]
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors then, where it would print them and exit with 1.
        try:
            with shortcuts(checked):
                hydra.main(version_base=VERSION_BASE, config_path=f"pkg://{CONF}", config_name=name)(_Job(task))()
        except _JobFailed as failed:
            raise failed.error from failed.__cause__
        finally:
            for sweep in _sweeps:
                _discard(sweep)
            _sweeps.clear()
            sys.argv = argv
            if full is None:
                del os.environ["HYDRA_FULL_ERROR"]


def sweep_begins(folder: Path) -> None:
    """Note where a sweep leaves its runs: if it leaves none, the folder goes."""
    _sweeps.append(folder)


def _discard(folder: Path) -> None:
    """Remove the folder that Hydra made for a job or a sweep, if that left no run."""
    if any(folder.rglob("run.json")):
        return
    shutil.rmtree(folder / ".hydra", ignore_errors=True)
    (folder / "multirun.yaml").unlink(missing_ok=True)
    for empty in (folder, *list(folder.parents)[:3]):
        try:
            if empty.samefile(Path.cwd()):  # The user stands there.
                return
            empty.rmdir()
        except OSError:
            return  # It holds something, and so do those above it.


def _parsed(command: str, arguments: Sequence[str]) -> Namespace:
    """Return Hydra's flags, and the overrides."""

    def refuse(message: str) -> NoReturn:
        raise ConfigError(f"{message}; `neurosieve {command} --help` shows what can be chosen")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    return parser.parse_intermixed_args(list(arguments))
