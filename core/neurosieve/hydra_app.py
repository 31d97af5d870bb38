"""A command under Hydra: its flags, its sweeps and its run folders, with neurosieve's errors."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig

from neurosieve.configuration import CONF, publish, refuse_foreign_targets
from neurosieve.errors import ConfigError

__all__ = ["run_hydra"]


def run_hydra(
    command: str, arguments: Sequence[str], schemas: Mapping[str, type], task: Callable[[Any, Path], None]
) -> None:
    """Run `task` with each config that the arguments ask for, and the folder for its results.

    Whatever goes wrong is raised, and not printed: Hydra's own handling would end with exit code 1.
    """
    publish(schemas)
    refuse_foreign_hydra_targets(command, arguments)

    def job(config: Any) -> None:
        refuse_foreign_targets(config)
        task(config, Path(HydraConfig.get().runtime.output_dir))

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors then, where it would print them and exit.
    argv = sys.argv
    sys.argv = [f"neurosieve {command}", *arguments]
    try:
        hydra.main(version_base="1.3", config_path=f"pkg://{CONF}", config_name=command)(job)()
    finally:
        sys.argv = argv


def refuse_foreign_hydra_targets(command: str, arguments: Sequence[str]) -> None:
    """Raise unless all that Hydra itself would build (launcher, sweeper, callbacks) is Hydra's or a Hydra plugin's.

    Raises:
        ConfigError: a config asks Hydra to build something else; nothing was built.
    """
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path, get_args_parser
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from neurosieve.configuration import _targets

    parsed = get_args_parser().parse_args(list(arguments))
    search_path = create_config_search_path(f"pkg://{CONF}")
    if parsed.config_dir is not None:
        search_path.append("command-line", f"file://{Path(parsed.config_dir).absolute()}")
    try:
        app = Hydra.create_main_hydra2(task_name=command, config_search_path=search_path)
        config = app.compose_config(
            config_name=parsed.config_name or command,
            overrides=parsed.overrides,
            run_mode=RunMode.MULTIRUN if parsed.multirun else RunMode.RUN,
            with_log_configuration=False,
        )
    finally:
        GlobalHydra.instance().clear()
    for place, target in _targets(config.hydra, "hydra"):
        if not str(target).startswith(("hydra.", "hydra_plugins.", "neurosieve.")):
            raise ConfigError(f"`{place}._target_` is `{target}`, which is neither Hydra's nor a Hydra plugin's: it is not built")
