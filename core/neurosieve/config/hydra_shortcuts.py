"""What Hydra works out over and over, worked out once: a command starts and shows its help sooner."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra.core.object_type import ObjectType
from hydra.types import RunMode

__all__ = ["shortcuts"]


@contextmanager
def shortcuts(mode: RunMode | None) -> Iterator[None]:
    """Let Hydra run a command faster, with the same results; `mode` is that of the config, where it sets one.

    To know the mode, Hydra composes the whole config once more, which takes a tenth of a second. To list the options
    of a group, which it does 140 times for a page of help, it copies all configs first: two seconds.
    """
    get_mode, get_group_options = Hydra.get_mode, ConfigLoaderImpl.get_group_options

    def options(
        loader: ConfigLoaderImpl,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: Sequence[str] | None = None,
    ) -> list[str]:
        if config_name is not None or overrides:  # They may bring further places to look in, into a copy.
            return get_group_options(loader, group_name, results_filter, config_name, list(overrides or ()))
        return loader.repository.get_group_options(group_name, results_filter)

    Hydra.get_mode = lambda self, config_name, overrides: mode  # type: ignore[method-assign]
    ConfigLoaderImpl.get_group_options = options  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Hydra.get_mode = get_mode  # type: ignore[method-assign]
        ConfigLoaderImpl.get_group_options = get_group_options  # type: ignore[method-assign]
