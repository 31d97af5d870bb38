"""Configs as Hydra composes them, with its own part, before it builds anything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

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


@contextmanager
def _hydra(command: str, config_dir: str | None = None) -> Iterator[Any]:
    search_path = create_config_search_path(f"pkg://{CONF}")
    if config_dir is not None:  # As Hydra does.
        search_path.prepend("command-line", f"file://{Path(config_dir).absolute()}", SearchPathQuery("schema", None))
    try:
        yield Hydra.create_main_hydra2(task_name=command, config_search_path=search_path)
    finally:
        GlobalHydra.instance().clear()


def options_of(command: str, group: str) -> list[str]:
    """Return the choices of a config group."""
    with _hydra(command) as app:
        return list(app.config_loader.get_group_options(group))


def whole_config(command: str, overrides: Sequence[str], mode: RunMode, config_dir: str | None = None) -> Any:
    """Return the config, Hydra's own part included, as Hydra composes it before it builds anything."""
    with _hydra(command, config_dir) as app:
        return app.compose_config(command, list(overrides), mode, with_log_configuration=False)
