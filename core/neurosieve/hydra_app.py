"""A command under Hydra: its flags, its sweeps and its run folders, with neurosieve's errors."""

import os
import re
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import hydra
import hydra.core.utils
import hydra.utils
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.experimental.callback import Callback
from hydra.plugins.plugin import Plugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from neurosieve.configuration import CONF, publish, refuse_foreign_targets, targets
from neurosieve.errors import ConfigError, NeurosieveError, StoreError, nearest

__all__ = ["CompareRuns", "explained", "run_hydra"]

_OURS = "neurosieve.hydra_app.CompareRuns"
_sweeps: list[Path] = []
"""The folders of sweeps under way; Hydra names them to callbacks alone."""
_LOGGERS = (
    "colorlog.ColoredFormatter",
    "logging.FileHandler",
    "logging.NullHandler",
    "logging.StreamHandler",
    "rich.logging.RichHandler",
)


class _JobFailed(BaseException):
    """Carries a job's error past Hydra, which would print a report of its own for any Exception."""

    def __init__(self, error: NeurosieveError) -> None:
        super().__init__(str(error))
        self.error = error


def run_hydra(
    command: str, arguments: Sequence[str], schemas: Mapping[str, type], task: Callable[[Any, Path], None]
) -> None:
    """Run `task` with each config that the arguments ask for, and the folder for its results.

    Raises:
        NeurosieveError: the arguments ask for something that there is not, or a job failed; its folder is gone.
    """
    publish(schemas)
    parsed = _parsed(command, arguments)
    # Hydra wants all overrides in one piece: here, flags such as `-m` may stand anywhere among them.
    arguments = [*(one for one in arguments if one not in parsed.overrides), *parsed.overrides]

    def job(config: Any) -> None:
        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            refuse_foreign_targets(config)
            task(config, folder)
        except NeurosieveError as error:
            _discard(folder)
            raise _JobFailed(error) from error
        except BaseException:
            _discard(folder)
            raise

    with explained(command, arguments), _logs_checked():
        _refuse_foreign_hydra_targets(command, parsed)
        argv, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
        sys.argv = [f"neurosieve {command}", *arguments]
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors then, where it would print them and exit with 1.
        try:
            hydra.main(version_base="1.3", config_path=f"pkg://{CONF}", config_name=command)(job)()
        except _JobFailed as failed:
            raise failed.error from failed.error.__cause__
        finally:
            for sweep in _sweeps:
                _discard(sweep)
            _sweeps.clear()
            sys.argv = argv
            if full is None:
                del os.environ["HYDRA_FULL_ERROR"]


def _discard(folder: Path) -> None:
    """Remove the folder that Hydra made for a job or a sweep, if it came to nothing."""
    if any(folder.rglob("run.json")):
        return
    shutil.rmtree(folder / ".hydra", ignore_errors=True)
    (folder / "multirun.yaml").unlink(missing_ok=True)
    for empty in (folder, *list(folder.parents)[:3]):
        try:
            empty.rmdir()
        except OSError:
            return  # It holds something, and so do those above it.


@contextmanager
def explained(command: str, arguments: Sequence[str]) -> Iterator[None]:
    """Turn Hydra's errors about a config into one message with the nearest names."""
    try:
        yield
    except MissingConfigException as error:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        if not group:
            raise ConfigError(
                f"there is no config `{choice}`: take `neurosieve {command}` without --config-name"
            ) from error
        options = error.options or _options(command, group)
        raise ConfigError(f"there is no `{choice}` to choose for `{group}`: {nearest(choice, options)}") from error
    except OverrideParseException as error:
        raise ConfigError(
            f"`{error.override}` is not understood: quote a value that holds `=`, commas or brackets twice, as in "
            "\"source.path='a=b.json'\""
        ) from error
    except (HydraException, OmegaConfBaseException) as error:
        said = " ".join(str(part).strip().replace("\n", " ") for part in (error, error.__cause__) if part)
        said = re.sub(r"\s+full_key: .*", "", said)  # The key is in the message already.
        unknown = re.search(r"Could not override '([^']+)'", said)
        if unknown:
            others = [one for one in arguments if "=" in one and one.partition("=")[0] != unknown[1]]
            keys = _keys(OmegaConf.to_container(_composed(command, others, RunMode.MULTIRUN), resolve=False))
            if options := _options(command, unknown[1]):
                choice = f"+{unknown[1]}={options[0]}"
                raise ConfigError(f"`{unknown[1]}` is chosen with a plus: `{choice}`") from error
            if unknown[1] not in keys:  # Else it is there, and the value is at fault.
                raise ConfigError(
                    f"the config has no `{unknown[1]}`: {_nearest_key(unknown[1], keys)}; "
                    f"`neurosieve {command} --cfg job` prints it all"
                ) from error
        raise ConfigError(f"{said}; `neurosieve {command} --help` shows what can be chosen") from error
    except OSError as error:
        where = f"`{error.filename}`" if error.filename else "the run folder"
        raise StoreError(
            f"cannot write {where} ({error.strerror or error}): choose another place with `hydra.run.dir=<folder>`"
        ) from error


def _nearest_key(key: str, keys: list[str]) -> str:
    # Most keys are deep: compare first with those beside the one that was meant.
    parent = key.rpartition(".")[0]
    beside = [one for one in keys if one.rpartition(".")[0] == parent]
    return nearest(key, beside or [one for one in keys if "." not in one])


def _keys(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    return [name for key, value in node.items() for name in (f"{prefix}{key}", *_keys(value, f"{prefix}{key}."))]


def _options(command: str, group: str) -> list[str]:
    """Return the choices of a config group."""
    try:
        app = Hydra.create_main_hydra2(task_name=command, config_search_path=create_config_search_path(f"pkg://{CONF}"))
        return list(app.config_loader.get_group_options(group))
    finally:
        GlobalHydra.instance().clear()


def _composed(command: str, overrides: Sequence[str], mode: RunMode, config_dir: str | None = None) -> DictConfig:
    """Return the config, Hydra's own part included, as Hydra composes it before it builds anything."""
    search_path = create_config_search_path(f"pkg://{CONF}")
    if config_dir is not None:
        # As Hydra does.
        search_path.prepend("command-line", f"file://{Path(config_dir).absolute()}", SearchPathQuery("schema", None))
    try:
        app = Hydra.create_main_hydra2(task_name=command, config_search_path=search_path)
        config: DictConfig = app.compose_config(
            config_name=command, overrides=list(overrides), run_mode=mode, with_log_configuration=False
        )
        return config
    finally:
        GlobalHydra.instance().clear()


def _parsed(command: str, arguments: Sequence[str]) -> Namespace:
    """Return Hydra's flags, and the overrides."""

    def refuse(message: str) -> NoReturn:
        raise ConfigError(f"{message}; `neurosieve {command} --help` shows what can be chosen")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    return parser.parse_intermixed_args(list(arguments))


def _refuse_foreign_hydra_targets(command: str, parsed: Namespace) -> None:
    """Raise unless all that Hydra itself would build is its own or a Hydra plugin's."""
    if parsed.config_path or parsed.experimental_rerun:
        raise ConfigError(
            "`--config-path` and `--experimental-rerun` are not taken: they could run code that is not neurosieve's: "
            "add a folder of configs with `--config-dir`"
        )
    mode = RunMode.MULTIRUN if parsed.multirun else RunMode.RUN
    config = _composed(parsed.config_name or command, parsed.overrides, mode, parsed.config_dir)
    for part in ("callbacks", "launcher", "sweeper", "hydra_logging", "job_logging"):
        _refuse_foreign(OmegaConf.select(config, f"hydra.{part}"), f"hydra.{part}")


def _refuse_foreign(node: Any, where: str) -> None:
    logs = where.endswith("logging")
    # Resolved: an interpolation must not bring in what is refused where it stands in so many words.
    held = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else node
    for place, target in targets(held, where, ("()", "class") if logs else ("_target_",)):
        if not (str(target) in _LOGGERS if logs else _is_hydras(str(target))):
            raise ConfigError(
                f"`{place}` is `{target}`, which is neither Hydra's nor a Hydra plugin's: it is not built"
            )


@contextmanager
def _logs_checked() -> Iterator[None]:
    """Look at the logs of each job too: what a sweep over experiments brings in is seen by Hydra alone."""
    configure = hydra.core.utils.configure_log

    def checked(log_config: DictConfig, verbose_config: bool | str | Sequence[str] = False) -> None:
        try:
            _refuse_foreign(log_config, "hydra.job_logging")
        except ConfigError:
            _discard(Path(HydraConfig.get().runtime.output_dir))
            raise
        configure(log_config, verbose_config)

    hydra.core.utils.configure_log = checked
    try:
        yield
    finally:
        hydra.core.utils.configure_log = configure


def _is_hydras(target: str) -> bool:
    # By prefix first, so that nothing else is imported; then by class, for a path can lead on through `import os`.
    if not target.startswith((_OURS, "hydra.", "hydra_plugins.")):
        return False
    try:
        found = hydra.utils.get_object(target)
    except Exception:
        return False
    return isinstance(found, type) and issubclass(found, Callback | Plugin)


class CompareRuns(Callback):
    """Hydra's callback that puts the runs of a sweep side by side when the last has ended."""

    def on_multirun_start(self, config: Any, **kwargs: Any) -> None:
        """Note where the sweep leaves its runs."""
        _sweeps.append(Path(config.hydra.sweep.dir))

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Print the comparison, and leave it in the folder of the sweep."""
        from neurosieve.commands.compare import compare, show
        from neurosieve.results import finished_runs

        folder = Path(config.hydra.sweep.dir)
        if len(finished_runs(folder)) > 1:
            show(compare(folder), k=100, output=folder / "comparison.parquet")
