"""Configs as Hydra composes them, with its own part, before it builds anything."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_module, version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from neurosieve.config.hydra_shortcuts import without_copies
from neurosieve.registry import TARGET

__all__ = ["CONF", "VERSION_BASE", "composed", "options_of", "outside_the_job", "preset", "whole_config"]

CONF = "neurosieve_conf"
"""The package of the configs that come with neurosieve."""
VERSION_BASE = "1.3"
"""The version of Hydra whose ways configs are composed in."""
_KEPT = 64
"""How many composed configs are kept: one takes Hydra a tenth of a second."""


class _Sources(NamedTuple):
    """All that configs are composed from, as it stands now."""

    files: Mapping[Path, tuple[int, int]]
    """When each config file was last changed, and its size."""
    nodes: tuple[Any, ...]
    """The configs that are offered in Python."""

    def same_as(self, other: "_Sources") -> bool:
        """Return whether nothing has changed since; a config that is offered anew is another one."""
        return self.files == other.files and list(map(id, self.nodes)) == list(map(id, other.nodes))


_composed: dict[tuple[str, ...], tuple[_Sources, DictConfig]] = {}


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
    version.setbase(VERSION_BASE)
    try:
        with without_copies():
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


def composed(command: str, overrides: Sequence[str]) -> DictConfig:
    """Return the config of a command under some overrides, as the command line composes it.

    Raises:
        HydraException: there is no such option, or a value does not fit.
    """
    with initialize_config_module(CONF, version_base=VERSION_BASE), without_copies():
        # Where to look for configs may itself be overridden: what they are composed from is not known then.
        sources = None if any("hydra" in override for override in overrides) else _sources()
        if sources is None:
            return compose(command, list(overrides))
        key = (command, *overrides)
        if key not in _composed or not _composed[key][0].same_as(sources):
            config = compose(command, list(overrides))
            if len(_composed) >= _KEPT:
                _composed.clear()
            _composed[key] = sources, config
        return deepcopy(_composed[key][1])


def preset(group: str, name: str) -> tuple[Any, list[str]]:
    """Return what a choice of a config group holds, and all choices of the group; None and these where it is none.

    Within a job of Hydra's it is looked for where that looks for its configs, else among those that are installed.
    """
    running = GlobalHydra.instance().is_initialized()
    with nullcontext() if running else initialize_config_module(CONF, version_base=VERSION_BASE), without_copies():
        options = list(GlobalHydra.instance().config_loader().get_group_options(group))
        node: Any = compose(f"{group}/{name}") if name in options else None
    # It says itself where in a config it stands.
    while isinstance(node, DictConfig) and TARGET not in node and len(node) == 1:
        node = node[next(iter(node))]
    return node, options


def _sources() -> _Sources | None:
    """Return what Hydra composes configs from; None where some of it is not in a plain folder."""
    changed = {}
    for element in GlobalHydra.instance().config_loader().get_search_path().get_path():
        scheme, _, where = element.path.rpartition("://")  # Without a scheme, it is a folder.
        if scheme == "structured":
            continue
        folder = files(where.replace("/", ".")) if scheme == "pkg" else Path(where)
        if not isinstance(folder, Path) or not folder.is_dir():
            return None
        for path in folder.rglob("*.y*ml"):
            state = path.stat()
            changed[path] = state.st_mtime_ns, state.st_size
    return _Sources(changed, tuple(_nodes(ConfigStore.instance().repo)))


def _nodes(repository: Mapping[str, Any]) -> Iterator[Any]:
    for entry in repository.values():
        yield from _nodes(entry) if isinstance(entry, Mapping) else [entry]
