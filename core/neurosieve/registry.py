"""The installed plugins. A faulty one is left out with a warning; who asks for it is refused, and told why."""

import dataclasses
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
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
    Learner,
    Problems,
    Reading,
    Report,
    Scorer,
    Source,
)
from neurosieve.contracts.sources import _Shard
from neurosieve.errors import BrokenOffError, ConfigError, DataError, NeurosieveError, PluginError, nearest, refusal
from neurosieve.wording import visible

__all__ = ["KINDS", "TARGET", "Plugin", "Registry", "as_node", "describe", "failures_of", "installed"]

TARGET = "_target_"
"""The key of a config node that says what it builds: `<kind>/<name>`."""

_CONTRACTS = (Source, Detector, Learner, Control, Reading, Scorer, Problems, Grader, Intervention, Executor, Report)
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
    """The plugins of some modules, checked. What is faulty is left out, with a warning that names where it comes from.

    A plugin package that nobody asked for stops no command. A name that is faulty, or that two packages claim, is
    refused where it is asked for.
    """

    def __init__(self, modules: Mapping[str, object], faults: Mapping[str, str] = MappingProxyType({})) -> None:
        """Collect the plugins of modules, by origin; `faults` says which others could not be imported, and why."""
        self.warnings: list[str] = []
        """What is faulty among the installed plugins, and was left out."""
        self._faults: dict[str, str] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._silenced: set[tuple[str, str]] = set()
        self.manager = pluggy.PluginManager("neurosieve")
        self.manager.add_hookspecs(hookspecs)
        for origin, message in faults.items():
            self._leave_out(origin, message)
        for origin, module in modules.items():
            try:
                self.manager.register(module, name=origin)
            except (pluggy.PluginValidationError, ValueError) as error:
                if self.manager.has_plugin(origin):
                    self.manager.unregister(name=origin)
                self._leave_out(origin, f"the plugin package `{origin}` cannot be plugged in: {error}")
        self._leave_out_unknown_hooks()
        # All of them first: of a package that turns out to be faulty, nothing stays.
        registered = {kind: list(self._returned(f"register_{kind.removesuffix('s')}s", Mapping)) for kind in KINDS}
        paths = list(self._returned("config_search_path", Iterable))
        self._plugins = {kind: self._collect(kind, registered[kind]) for kind in KINDS}
        self._search_path = [(origin, path) for origin, found in paths for path in found if origin not in self._faults]

    def _leave_out(self, origin: str, message: str) -> None:
        self._faults[origin] = message
        self._warn(f"{message}; it was left out")

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)
            with suppress(OSError):  # Standard error may be a pipe that was closed; runs record the warning too.
                print(f"neurosieve: warning: {visible(warning)}", file=sys.stderr)

    def _leave_out_unknown_hooks(self) -> None:
        while True:
            try:
                return self.manager.check_pending()
            except pluggy.PluginValidationError as error:
                origin = self.manager.get_name(error.plugin) or repr(error.plugin)
                self.manager.unregister(error.plugin)
                known = (name for name, _ in inspect.getmembers(hookspecs) if name.islower() and name != "hookspec")
                hint = nearest(str(error).partition("'")[2].partition("'")[0], known)
                self._leave_out(
                    origin, f"the plugin package `{origin}` implements a hook that there is not: {error}; {hint}"
                )

    def _returned(self, hook: str, wanted: type) -> Iterator[tuple[str, Any]]:
        """Yield what each plugin package returns for a hook; one that raises, or returns something else, is out."""
        implementations: list[Any] = getattr(self.manager.hook, hook).get_hookimpls()
        for implementation in implementations:
            origin, returned = implementation.plugin_name, None
            try:
                returned = implementation.function()
            except Exception as error:
                failure = f"`{hook}` of the plugin package `{origin}` failed ({type(error).__name__}: {error})"
                self._leave_out(origin, f"{failure}: mend it, or `pip uninstall {origin}`")
                continue
            if isinstance(returned, wanted) and not isinstance(returned, str):
                yield origin, returned
            else:
                what = "dict of names and classes" if wanted is Mapping else "list of paths"
                self._leave_out(origin, f"`{hook}` of `{origin}` returned {returned!r}: return a {what}")

    def _collect(self, kind: str, registered: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Plugin]:
        plugins: dict[str, Plugin] = {}
        faulty: dict[str, str] = {}
        named = ((origin, name, cls) for origin, classes in registered for name, cls in classes.items())
        for origin, name, cls in named:
            if origin in self._faults:
                continue
            if problem := _problem(kind, cls):
                faulty[name] = f"the {kind} `{name}` of `{origin}` {problem}"
                self._warn(f"{faulty[name]}; it was left out")
            elif name in plugins:
                both = f"`{plugins[name].origin}` and `{origin}`"
                clash = f"the {kind} `{name}` is registered by both {both}: uninstall one, or rename it"
                self._refused[kind, name] = clash
                self._warn(f"{clash}; until then `{name}` cannot be chosen")
            else:
                plugins[name] = Plugin(kind, name, cls, origin)
        self._refused |= {(kind, name): message for name, message in faulty.items() if name not in plugins}
        return dict(sorted(plugins.items()))

    def __iter__(self) -> Iterator[Plugin]:
        return (plugin for kind in KINDS for plugin in self._plugins[kind].values())

    def get(self, kind: str, name: str) -> Plugin:
        """Return a plugin by kind and name.

        Raises:
            ConfigError: there is none; the message gives the nearest names, and the packages that could not be used.
            PluginError: the plugin of this name is faulty, or two packages have one.
        """
        if message := self._refused.get((kind, name)):
            raise PluginError(message)
        if name not in self._plugins[kind]:
            hint = nearest(name, self._plugins[kind])
            raise ConfigError(f"there is no {kind} `{name}`: {hint}{self.left_out()}")
        return self._plugins[kind][name]

    def refusal(self, kind: str, name: str) -> str:
        """Return why a name cannot be chosen, faulty or claimed twice as it is; "" where nothing is wrong with it."""
        return self._refused.get((kind, name), "")

    def left_out(self) -> str:
        """Return the end of a message about a name that there is not: the packages that may have it, left out."""
        return "".join(f"; it may be in a package that was left out: {message}" for message in self._faults.values())

    def search_path(self) -> list[tuple[str, str]]:
        """Return the origin and path of every Hydra config folder that a plugin package brings."""
        return self._search_path

    def announce(self, hook: str, **event: Any) -> None:
        """Tell every plugin that listens to `hook`. One that raises hears no more of it, and a warning says so."""
        # The last that was registered hears it first, as pluggy has it.
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            origin = implementation.plugin_name
            if (origin, hook) in self._silenced:
                continue
            try:
                implementation.function(*(event[name] for name in implementation.argnames))
            except Exception as error:
                # A listener has no part in the results: it must not cost a run of hours.
                self._silenced.add((origin, hook))
                self._warn(
                    f"`{hook}` of the plugin package `{origin}` failed ({type(error).__name__}: {error}): it only "
                    "listens, so the run went on without it"
                )


def _problem(kind: str, cls: object) -> str:
    """Return how a class breaks the contract of its kind; "" if it keeps it."""
    contract = KINDS[kind]
    if not (isinstance(cls, type) and issubclass(cls, contract)):
        return f"is not a `neurosieve.{contract.__name__}`: derive it from that class"
    if not (dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        return "is not a frozen dataclass: decorate it with `@dataclass(frozen=True)`"
    if inspect.isabstract(cls):
        return f"lacks {', '.join(sorted(cls.__abstractmethods__))}"
    return ""


def _origin(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else entry_point.value


@cache
def installed() -> Registry:
    """Return the plugins of every installed distribution with an entry point in the group `neurosieve`.

    Raises:
        PluginError: the bundled plugins cannot be imported: without them there is nothing to do.
    """
    modules: dict[str, object] = {}
    faults: dict[str, str] = {}
    for entry_point in sorted(entry_points(group="neurosieve"), key=lambda point: (_origin(point), point.name)):
        name = _origin(entry_point)
        try:  # A distribution may have several entry points: pluggy wants a name of its own for each.
            modules[name if name not in modules else f"{name}:{entry_point.name}"] = entry_point.load()
        except (Exception, SystemExit) as error:  # A module can do anything as it is imported, exit too.
            message = (
                f"the plugin package `{name}` cannot be imported ({type(error).__name__}: {error}): "
                f"mend it, or `pip uninstall {name}`"
            )
            if name == __name__.partition(".")[0]:
                raise PluginError(message) from error
            faults[f"{name}:{entry_point.name}"] = message
    return Registry(modules, faults)


def describe(plugin: Any, registry: Registry | None = None) -> dict[str, Any]:
    """Return the config node that builds `plugin` again; plugins in its fields are nodes within it."""
    cls: type = type(plugin)
    entry = next((entry for entry in registry or installed() if entry.cls is cls), None)
    target = f"{entry.kind}/{entry.name}" if entry else f"{cls.__module__}.{cls.__qualname__}"
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return {TARGET: target, **{field.name: as_node(getattr(plugin, field.name), registry) for field in fields}}


def as_node(value: Any, registry: Registry | None = None) -> Any:
    """Return the value of a field as a config holds it: a plugin, or one of several, is the node that builds it."""
    if isinstance(value, tuple):
        return tuple(as_node(item, registry) for item in value)
    if isinstance(value, Mapping):
        return {name: as_node(item, registry) for name, item in value.items()}
    return describe(value, registry) if isinstance(value, tuple(KINDS.values())) else value


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
    except (ConnectionError, TimeoutError, BrokenOffError):
        raise
    except OSError as error:
        if not (name := _name(plugin)):
            raise raised(f"{refusal(error)}: check the texts that were handed over") from error
        kind = name.partition(" ")[0]
        raise raised(f"{refusal(error)}: the {name} failed; check the file and the {kind}'s fields") from error
    except DataError as error:
        name = _name(plugin)
        if name.startswith("source ") and name not in str(error):
            raise DataError(f"the {name}: {error}") from error
        raise


def _name(plugin: object) -> str:
    """Return the kind and the name of a plugin, "source `traces`"; nothing for what is none."""
    named = plugin.source if isinstance(plugin, _Shard) else plugin
    kind = next((kind for kind, contract in KINDS.items() if isinstance(named, contract)), "")
    return f"{kind} `{str(describe(named)[TARGET]).rpartition('/')[2].rpartition('.')[2]}`" if kind else ""
