"""Plugins become Hydra configs, and configs become plugins again; nothing else can be built from a config.

A config node names what it builds by `_target_: <kind>/<name>`, as in `detector/phrases`: no module path, so that
a config file from a stranger cannot run code. A field of a plugin may be a plugin too: its type is the contract, and a
config holds such a node for it, or the name of a preset, or of a plugin all of whose fields have defaults.
"""

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Literal, Union, get_args, get_origin

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from neurosieve.config.composition import CONF, preset
from neurosieve.config.references import wrong_reference
from neurosieve.config.renamed_keys import new_name
from neurosieve.config.schemas import KIND_OF, PLAIN, schema_of
from neurosieve.errors import ConfigError, FieldError, PluginError, nearest
from neurosieve.registry import KINDS, TARGET, Registry, installed

__all__ = ["CONF", "as_object", "as_part", "build", "build_all", "publish", "refuse_foreign_targets", "targets"]

PLURAL = {"detector": "detectors", "scorer": "scorers", "report": "reports"}
"""The kinds of which a run holds many, and the config group that holds them."""


def publish(schemas: Mapping[str, type], registry: Registry | None = None) -> None:
    """Offer every plugin's fields as Hydra configs, along with the config folders that plugin packages bring.

    `schemas` are further dataclasses whose fields presets fill in, as `/schema@_here_: <name>`.
    """
    for name, cls in schemas.items():
        _offer("schema", name, cls)
    for plugin in registry or installed():
        _offer(plugin.kind, plugin.name, plugin.cls, target=f"{plugin.kind}/{plugin.name}", origin=plugin.origin)
        if group := PLURAL.get(plugin.kind):
            target, package = f"{plugin.kind}/{plugin.name}", f"{group}.{plugin.name}"
            _offer(group, plugin.name, plugin.cls, target=target, package=package, origin=plugin.origin)
    Plugins.instance().register(_PluginConfigs)


_offered: dict[tuple[str, str], tuple[type, str, Any]] = {}
"""The class, the origin and the node of each config that Hydra has: all of them anew take a tenth of a second."""


def _offer(group: str, name: str, cls: type, *, target: str = "", package: str | None = None, origin: str = "") -> None:
    """Let Hydra have the fields of a class as a config of a group, with a `_target_` where it is a plugin's."""
    store = ConfigStore.instance()
    configs = store.repo.get(group, {})
    if _offered.get((group, name)) != (cls, origin, configs.get(f"{name}.yaml", MISSING)):
        store.store(name, schema_of(cls, {TARGET: target} if target else {}), group, package, origin or None)
        _offered[group, name] = cls, origin, store.repo[group][f"{name}.yaml"]


class _PluginConfigs(SearchPathPlugin):
    """Lets Hydra find the config folders of plugin packages."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for origin, path in installed().search_path():
            search_path.append(provider=origin, path=path)


def build(node: Any, kind: str, where: str, registry: Registry | None = None) -> Any:
    """Return the plugin that a config node asks for; `where` is the node's place in the config, for messages.

    Raises:
        ConfigError: the node asks for anything but a registered plugin of this kind, or its fields do not fit.
    """
    registry = registry or installed()
    if not isinstance(node, DictConfig | dict) or TARGET not in node:
        key = PLURAL.get(kind) or (f"{kind}@{where}" if "." in where else where)
        raise ConfigError(f"`{where}` builds no {kind}: choose one by name, as in `{key}=...`")
    refuse_foreign_targets(node, where, registry)
    given, _, name = str(node[TARGET]).partition("/")
    if given != kind:
        raise ConfigError(f"`{where}` is a {given}, where a {kind} is wanted")
    return as_part(registry.get(kind, name).cls, node, where)


def build_all(nodes: Mapping[str, Any] | None, kind: str) -> dict[str, Any]:
    """Return the plugins of a kind of which a run holds many, by name.

    Raises:
        ConfigError: a node asks for anything but a registered plugin of this kind, or its fields do not fit.
    """
    try:
        items = list((nodes or {}).items())
    except InterpolationResolutionError as error:
        raise ConfigError(wrong_reference(error, nodes)) from error
    return {name: build(node, kind, f"{PLURAL[kind]}.{name}") for name, node in items}


def as_object(cls: type, node: Any, where: str) -> Any:
    """Return a dataclass with the fields that a config node gives.

    Raises:
        ConfigError: a field has no value, or one that does not fit, or there is no such field.
    """
    if not isinstance(node, DictConfig | Mapping):
        shown, field = "null" if node is None else node, dataclasses.fields(cls)[0].name
        raise ConfigError(f"`{where}` is `{shown}`, and it holds fields: give one, as in `{where}.{field}=...`")
    values = _plain(node) if isinstance(node, DictConfig) else {name: _plain(value) for name, value in node.items()}
    hints = typing.get_type_hints(cls)
    fields = {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}
    values.pop(TARGET, None)
    for name, value in values.items():
        if name not in fields:
            unknown = f"`{where}` has no field `{name}`: {nearest(str(name), fields)}"
            raise ConfigError(new_name(str(name), fields) or unknown)
        if value == MISSING:
            raise ConfigError(
                f"`{where}.{name}` has no value: give one with `{where}.{name}=...`, or in Python with "
                f"`{cls.__name__}({name}=...)`"
            )
    try:
        return cls(**{name: _fitting(value, fields[name], f"{where}.{name}") for name, value in values.items()})
    except TypeError as error:
        raise ConfigError(f"`{where}` cannot be built: {error}") from error


def as_part(cls: type, node: Any, where: str) -> Any:
    """Return what `as_object` does of a part of a config; an error about a field names the key that can be typed.

    Raises:
        ConfigError: a field has no value, or one that does not fit, or there is no such field.
    """
    try:
        return as_object(cls, node, where)
    except FieldError as error:
        raise error.under(f"{where}.") from error


def refuse_foreign_targets(node: Any, where: str = "config", registry: Registry | None = None) -> None:
    """Raise unless every `_target_` in a config is a registered plugin.

    Raises:
        ConfigError: one is not; the message names it.
    """
    registry = registry or installed()
    known = {f"{plugin.kind}/{plugin.name}" for plugin in registry}
    for place, target in targets(node, where):
        if target not in known:
            if message := registry.refusal(*str(target).partition("/")[::2]):
                raise PluginError(message)
            raise ConfigError(
                f"`{place}` is `{target}`, which is not a registered plugin: a config builds registered plugins "
                f"and nothing else; {nearest(str(target), known)}{registry.left_out()}"
            )


def targets(node: Any, where: str, keys: Sequence[str] = (TARGET,)) -> Iterator[tuple[str, Any]]:
    """Yield the place and the value of every `_target_`, or other key that says what to build, in a config."""
    if isinstance(node, DictConfig):
        node = OmegaConf.to_container(node, resolve=False)
    if isinstance(node, dict):
        for key, value in node.items():
            if key in keys:
                yield f"{where}.{key}", value
            yield from targets(value, f"{where}.{key}", keys)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from targets(value, f"{where}[{number}]", keys)


def _plain(value: Any) -> Any:
    try:
        return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    except InterpolationResolutionError as error:
        raise ConfigError(wrong_reference(error, value)) from error


def _fitting(value: Any, hint: Any, where: str) -> Any:
    """Return a value from a config as the field that it fills wants it: lists become tuples, choices are checked."""
    if hint in KIND_OF:
        return _inner_plugin(value, KIND_OF[hint], where)
    if hint is float and type(value) is int:  # OmegaConf knows no types within a plugin of a plugin.
        return float(value)
    origin, arguments, many = get_origin(hint), get_args(hint), isinstance(value, list | tuple)
    if origin is Literal and value not in arguments:
        raise ConfigError(f"`{where}` is `{value}`: {nearest(str(value), map(str, arguments))}")
    if origin in (Union, types.UnionType):
        if contract := next((argument for argument in arguments if argument in KIND_OF), None):
            return value if value is None else _fitting(value, contract, where)
        lists = [argument for argument in arguments if get_origin(argument) is tuple]
        plain = tuple(argument for argument in arguments if argument in PLAIN)
        if value is None or not lists:
            return value
        if plain:
            return tuple(_one_of(plain, item, where) for item in value) if many else _one_of(plain, value, where)
        return _fitting(value, lists[0], where) if many else value
    if origin is tuple and arguments[0] in KIND_OF and isinstance(value, Mapping) and TARGET not in value:
        # By name, so that a preset may fill in each from the defaults list, which has no lists.
        return tuple(_fitting(item, arguments[0], f"{where}.{name}") for name, item in value.items())
    if origin is tuple and isinstance(value, str):
        raise ConfigError(f"`{where}` is `{value}`, where a list is wanted: write [{value}]")
    if origin is not tuple or not many:
        return value
    places = (f"{where}[{number}]" if arguments[0] in KIND_OF else where for number in range(len(value)))
    return tuple(_fitting(item, arguments[0], place) for item, place in zip(value, places, strict=True))


def _inner_plugin(value: Any, kind: str, where: str) -> Any:
    """Return the plugin that a field of another holds: by its name, by its node, or built already in Python."""
    if isinstance(value, KINDS[kind]):
        return value
    if isinstance(value, str):
        return _named_plugin(value, kind, where)
    group = PLURAL.get(kind, kind)
    if not isinstance(value, Mapping) or TARGET not in value:
        shown = "builds" if isinstance(value, Mapping) else f"is `{'null' if value is None else value}`, which builds"
        raise ConfigError(
            f"`{where}` {shown} no {kind}: choose one by name, as in `{where}=...`, or where its fields are set too, "
            f"as in `+{group}@{where}=...`"
        )
    try:
        return build(value, kind, where)
    except FieldError as error:  # Its key is whole: that of the outer plugin must not be put before it again.
        raise ConfigError(str(error)) from error


_naming: ContextVar[tuple[str, ...]] = ContextVar("_naming", default=())
"""The presets that are being built, each named by the one before it."""


def _named_plugin(name: str, kind: str, where: str) -> Any:
    """Return the plugin of a name with its defaults, or what a preset of that name builds.

    Raises:
        ConfigError: there is neither, or the preset holds itself.
    """
    if installed().refusal(kind, name) or any((plugin.kind, plugin.name) == (kind, name) for plugin in installed()):
        cls = installed().get(kind, name).cls
        needed = [field.name for field in dataclasses.fields(cls) if not _has_default(field)]
        if needed:
            how = (
                f"name a preset that gives it, or give it here, as in `{{_target_: {kind}/{name}, {needed[0]}: ...}}`"
                if where.endswith("]")  # Hydra chooses nothing for a place in a list.
                else f"choose it with `+{PLURAL.get(kind, kind)}@{where}={name}`, and give `{where}.{needed[0]}=...`"
            )
            raise ConfigError(f"`{where}` is `{name}`, and `{needed[0]}` of it has no value: {how}")
        return as_object(cls, {}, where)
    if name in _naming.get():
        chain = " in ".join(f"`{each}`" for each in (name, *reversed(_naming.get()[_naming.get().index(name) :])))
        raise ConfigError(f"`{where}` is `{name}`, a preset that holds itself, {chain}: name another {kind} there")
    publish({})
    node, options = preset(PLURAL.get(kind, kind), name)
    if node is None:
        raise ConfigError(f"`{where}` is `{name}`: there is no {kind} `{name}`: {nearest(name, options)}")
    before = _naming.set((*_naming.get(), name))
    try:
        return build(node, kind, where)
    finally:
        _naming.reset(before)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _one_of(plain: tuple[type, ...], value: Any, where: str) -> Any:
    """Return a value as one of some plain types: OmegaConf has no union with a list, and has not looked at it."""
    if str in plain:
        return str(value)
    if float in plain and isinstance(value, int):
        return float(value)
    if not isinstance(value, plain):
        wanted = "a number" if float in plain else "a whole number"
        raise ConfigError(f"`{where}` is `{value}`: give {wanted}, or several as in [1, 2]")
    return value
