"""Configs as Hydra composes them, with its own part, before it builds anything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from neurosieve.config.configuration import CONF

__all__ = ["options_of", "outside_the_job", "whole_config"]


@contextmanager
def outside_the_job() -> Iterator[None]:
    """Let another config be composed within a job of Hydra's, which is one of a kind otherwise."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = running


def options_of(command: str, group: str) -> list[str]:
    """Return the choices of a config group."""
    try:
        app = Hydra.create_main_hydra2(task_name=command, config_search_path=create_config_search_path(f"pkg://{CONF}"))
        return list(app.config_loader.get_group_options(group))
    finally:
        GlobalHydra.instance().clear()


def whole_config(command: str, overrides: Sequence[str], mode: RunMode, config_dir: str | None = None) -> DictConfig:
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
