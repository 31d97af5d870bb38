"""What Hydra itself may build: a stranger's config cannot run code through its callbacks or logs either."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
import hydra.core.utils
import hydra.utils
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.plugins.plugin import Plugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from neurosieve.config.composition import whole_config
from neurosieve.config.configuration import targets
from neurosieve.config.hydra_shortcuts import Composed
from neurosieve.errors import ConfigError

__all__ = ["check_logs", "logs_checked", "refuse_foreign_hydra_targets"]

_OURS = "neurosieve.commands.sweeps.CompareRuns"
_COMMANDS = ("setup", "python", "srun_args", "additional_parameters")
"""Settings of submitit's launchers that are commands, or parts of them."""
_LOGGERS = (
    "colorlog.ColoredFormatter",
    "logging.FileHandler",
    "logging.NullHandler",
    "logging.StreamHandler",
    "rich.logging.RichHandler",
)


def refuse_foreign_hydra_targets(command: str, parsed: Namespace) -> Composed:
    """Raise unless all that Hydra itself would build is its own or a Hydra plugin's; return the config."""
    if parsed.config_path or parsed.experimental_rerun:
        raise ConfigError(
            "`--config-path` and `--experimental-rerun` are not taken: they could run code that is not neurosieve's: "
            "add a folder of configs with `--config-dir`"
        )
    mode = RunMode.MULTIRUN if parsed.multirun else RunMode.RUN
    name = parsed.config_name or command
    config = whole_config(name, parsed.overrides, mode, parsed.config_dir)
    for part in ("callbacks", "launcher", "sweeper", "hydra_logging", "job_logging"):
        _refuse_foreign(OmegaConf.select(config, f"hydra.{part}"), f"hydra.{part}")
    for key in _COMMANDS:
        overridden = any(given.lstrip("+").startswith(f"hydra.launcher.{key}=") for given in parsed.overrides)
        if OmegaConf.select(config, f"hydra.launcher.{key}") and not overridden:
            raise ConfigError(
                f"`hydra.launcher.{key}` is set by a config file: it is what a cluster runs, and is taken from the "
                "command line alone"
            )
    return Composed(config, name, tuple(parsed.overrides), mode)


def _refuse_foreign(node: Any, where: str) -> None:
    logs = where.endswith("logging")
    # Resolved: an interpolation must not bring in what is refused where it stands in so many words.
    plain = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else node
    for place, target in targets(plain, where, ("()", "class") if logs else ("_target_",)):
        if not (str(target) in _LOGGERS if logs else _is_hydras(str(target))):
            raise ConfigError(
                f"`{place}` is `{target}`, which is neither Hydra's nor a Hydra plugin's: it is not built"
            )


@contextmanager
def logs_checked(discard: Callable[[Path], None]) -> Iterator[None]:
    """Look at the logs of each job too: what a sweep over experiments brings in is seen by Hydra alone."""
    configure = hydra.core.utils.configure_log
    check_logs(discard)
    try:
        yield
    finally:
        hydra.core.utils.configure_log = configure


def check_logs(discard: Callable[[Path], None]) -> None:
    """Look at the logs of each job from here on, to the end of the process."""
    configure = hydra.core.utils.configure_log

    def checked(log_config: DictConfig, verbose_config: bool | str | Sequence[str] = False) -> None:
        try:
            _refuse_foreign(log_config, "hydra.job_logging")
        except ConfigError:
            discard(Path(HydraConfig.get().runtime.output_dir))
            raise
        configure(log_config, verbose_config)

    hydra.core.utils.configure_log = checked


def _is_hydras(target: str) -> bool:
    # By prefix first, so that nothing else is imported; then by class, for a path can lead on through `import os`.
    if not target.startswith((_OURS, "hydra.", "hydra_plugins.")):
        return False
    try:
        cls = hydra.utils.get_object(target)
    except Exception:  # Whatever the reason, what cannot be found is not Hydra's, and is refused by its name.
        return False
    return isinstance(cls, type) and issubclass(cls, Callback | Plugin)
