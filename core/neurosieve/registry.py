"""The installed plugins. A faulty plugin stops the program, with the name of the distribution at fault."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, NamedTuple

import pluggy

from neurosieve import hookspecs
from neurosieve.contracts import (
    Control,
    Detector,
    Executor,
    Grader,
    Intervention,
    Problems,
    Report,
    Scorer,
    Source,
    _Shard,
)
from neurosieve.errors import ConfigError, DataError, NeurosieveError, PluginError, nearest, refusal

__all__ = ["KINDS", "TARGET", "Plugin", "Registry", "describe", "failures_of", "installed"]

TARGET = "_target_"
"""The key of a config node that says what it builds: `<kind>/<name>`."""

_CONTRACTS = (Source, Detector, Control, Scorer, Problems, Grader, Intervention, Executor, Report)
KINDS: Mapping[str, type] = MappingProxyType({contract.__name__.lower(): contract for contract in _CONTRACTS})
"""Each kind of plugin, and the contract that it keeps. Its hook is `register_<kind>s`, or `register_problems`."""


class Plugin(NamedTuple):
    """A registered plugin: `cls`, known to configs as `name`."""

    kind: str
    name: str
    cls: type
    origin: str

    @property
    def help(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.cls) or "").partition("\n")[0]


class Registry:
    """The plugins of some modules, checked.

    Raises:
        PluginError: a module breaks the contract; the message names where it comes from.
    """

    def __init__(self, modules: Mapping[str, object]) -> None:
        self.manager = pluggy.PluginManager("neurosieve")
        self.manager.add_hookspecs(hookspecs)
        for origin, module in modules.items():
            try:
                self.manager.register(module, name=origin)
            except (pluggy.PluginValidationError, ValueError) as error:
                raise PluginError(f"the plugin package `{origin}` cannot be plugged in: {error}") from error
        try:
            self.manager.check_pending()
        except pluggy.PluginValidationError as error:
            at_fault = self.manager.get_name(error.plugin) or repr(error.plugin)
            known = (name for name, _ in inspect.getmembers(hookspecs) if name.islower() and name != "hookspec")
            hint = nearest(str(error).partition("'")[2].partition("'")[0], known)
            raise PluginError(
                f"the plugin package `{at_fault}` implements a hook that there is not: {error}; {hint}"
            ) from error
        self._plugins = {kind: self._collect(kind) for kind in KINDS}

    def _collect(self, kind: str) -> dict[str, Plugin]:
        plugins: dict[str, Plugin] = {}
        hook = f"register_{kind.removesuffix('s')}s"
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            origin = implementation.plugin_name
            registered = implementation.function()
            if not isinstance(registered, Mapping):
                raise PluginError(f"`{hook}` of `{origin}` returned {registered!r}: return a dict of names and classes")
            for name, cls in registered.items():
                _check(kind, name, cls, origin)
                if name in plugins:
                    raise PluginError(
                        f"the {kind} `{name}` is registered by both `{plugins[name].origin}` and `{origin}`: "
                        "uninstall one, or rename it"
                    )
                plugins[name] = Plugin(kind, name, cls, origin)
        return dict(sorted(plugins.items()))

    def __iter__(self) -> Iterator[Plugin]:
        return (plugin for kind in KINDS for plugin in self._plugins[kind].values())

    def get(self, kind: str, name: str) -> Plugin:
        """Return a plugin by kind and name.

        Raises:
            ConfigError: there is none; the message gives the nearest names.
        """
        if name not in self._plugins[kind]:
            raise ConfigError(f"there is no {kind} `{name}`: {nearest(name, self._plugins[kind])}")
        return self._plugins[kind][name]

    def search_path(self) -> list[tuple[str, str]]:
        """Return the origin and path of every Hydra config folder that a plugin package brings."""
        implementations: list[Any] = self.manager.hook.config_search_path.get_hookimpls()
        return [(hook.plugin_name, path) for hook in implementations for path in hook.function()]

    def announce(self, hook: str, **event: Any) -> None:
        """Tell every plugin that listens to `hook`."""
        getattr(self.manager.hook, hook)(**event)


def _check(kind: str, name: str, cls: object, origin: str) -> None:
    contract = KINDS[kind]
    if not (isinstance(cls, type) and issubclass(cls, contract)):
        problem = f"is not a `neurosieve.{contract.__name__}`: derive it from that class"
    elif not (dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        problem = "is not a frozen dataclass: decorate it with `@dataclass(frozen=True)`"
    elif inspect.isabstract(cls):
        problem = f"lacks {', '.join(sorted(cls.__abstractmethods__))}"
    else:
        return
    raise PluginError(f"the {kind} `{name}` of `{origin}` {problem}")


def _origin(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else entry_point.value


@cache
def installed() -> Registry:
    """Return the plugins of every installed distribution with an entry point in the group `neurosieve`."""
    modules: dict[str, object] = {}
    for entry_point in sorted(entry_points(group="neurosieve"), key=lambda point: (_origin(point), point.name)):
        name = _origin(entry_point)
        try:  # A distribution may have several entry points: pluggy wants a name of its own for each.
            modules[name if name not in modules else f"{name}:{entry_point.name}"] = entry_point.load()
        except Exception as error:
            raise PluginError(
                f"the plugin package `{name}` cannot be imported ({type(error).__name__}: {error}): "
                f"mend it, or `pip uninstall {name}`"
            ) from error
    return Registry(modules)


def describe(plugin: Any, registry: Registry | None = None) -> dict[str, Any]:
    """Return the config node that builds `plugin` again."""
    cls: type = type(plugin)
    entry = next((entry for entry in registry or installed() if entry.cls is cls), None)
    target = f"{entry.kind}/{entry.name}" if entry else f"{cls.__module__}.{cls.__qualname__}"
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return {TARGET: target, **{field.name: getattr(plugin, field.name) for field in fields}}


@contextmanager
def failures_of(plugin: object, raised: type[NeurosieveError] = DataError) -> Iterator[None]:
    """Name a plugin in what the operating system refuses it, such as a file that is not there.

    A source is named in what it says of its texts too. Connections that break are left alone, for they can be tried
    again. So is any other error: it is the plugin's bug.

    Raises:
        NeurosieveError: of the type `raised`.
    """
    try:
        yield
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        if not (name := _name(plugin)):
            raise raised(f"{refusal(error)}: check the texts that were handed over") from error
        kind = name.partition(" ")[0]
        raise raised(f"{refusal(error)}: the {name} failed; check the file and the {kind}'s fields") from error
    except DataError as error:
        name = _name(plugin)
        if name.startswith("source ") and name not in str(error):
            error.args = (f"the {name}: {error}",)
        raise


def _name(plugin: object) -> str:
    """Return the kind and the name of a plugin, "source `traces`"; nothing for what is none."""
    named = plugin.source if isinstance(plugin, _Shard) else plugin
    kind = next((kind for kind, contract in KINDS.items() if isinstance(named, contract)), "")
    return f"{kind} `{str(describe(named)[TARGET]).rpartition('/')[2].rpartition('.')[2]}`" if kind else ""
