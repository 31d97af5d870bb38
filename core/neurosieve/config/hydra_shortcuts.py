"""What Hydra works out over and over, worked out once: a command starts and shows its help sooner."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.hydra import Hydra
from hydra.core.utils import JobRuntime
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

__all__ = ["Composed", "shortcuts", "without_copies"]


class Composed(NamedTuple):
    """The config of a command as it was composed to be checked, and from what."""

    config: DictConfig
    name: str
    overrides: Sequence[str]
    mode: RunMode


@contextmanager
def without_copies() -> Iterator[None]:
    """Let Hydra share the configs that are offered in Python, of which it makes a copy each time it looks for one.

    What it then does to its places to look in replaces their list, and each config is copied as it is loaded.
    """
    before = ConfigRepository.__dict__.get("__deepcopy__")
    ConfigRepository.__deepcopy__ = lambda self, memo: copy(self)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if before is None:
            del ConfigRepository.__deepcopy__  # type: ignore[attr-defined]
        else:
            ConfigRepository.__deepcopy__ = before  # type: ignore[attr-defined]


@contextmanager
def shortcuts(checked: Composed) -> Iterator[None]:
    """Let Hydra run a command faster, with the same results: it goes on from the config that was checked.

    It would compose it twice more, once to know the mode, each of which takes a tenth of a second.
    """
    get_mode, load = Hydra.get_mode, ConfigLoaderImpl.load_configuration
    unused = [checked.config]

    def load_configuration(
        loader: ConfigLoaderImpl, config_name: str | None, overrides: list[str], run_mode: RunMode, **how: Any
    ) -> DictConfig:
        its_mode = f"hydra.mode={run_mode.name}"  # Hydra adds it to what it is given, to run a job or a sweep.
        asked = (config_name, overrides, run_mode)
        if not unused or asked != (checked.name, [*checked.overrides, its_mode], checked.mode):
            return load(loader, config_name, overrides, run_mode, **how)
        config = unused.pop()
        with open_dict(config.hydra):
            config.hydra.mode = run_mode
            config.hydra.overrides.hydra.append(its_mode)
            config.hydra.job.name = JobRuntime.instance().get("name")
        return config

    mode = OmegaConf.select(checked.config, "hydra.mode")
    Hydra.get_mode = lambda self, config_name, overrides: mode  # type: ignore[method-assign]
    ConfigLoaderImpl.load_configuration = load_configuration  # type: ignore[method-assign,assignment]
    try:
        with without_copies():
            yield
    finally:
        Hydra.get_mode = get_mode  # type: ignore[method-assign]
        ConfigLoaderImpl.load_configuration = load  # type: ignore[method-assign]
