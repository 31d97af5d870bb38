"""A command, declared once: its settings and the parts of its config. The rest is derived from that.

Derived are the Hydra schema, the objects that a composed config or a call in Python asks for, and the run folder.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from neurosieve.config.composition import composed
from neurosieve.config.configuration import as_object, as_part, build, build_all, publish
from neurosieve.config.hydra_errors import explained
from neurosieve.config.implied_parts import with_implied_parts
from neurosieve.config.misplaced import refuse_misplaced
from neurosieve.config.renamed_keys import refuse_renamed
from neurosieve.errors import ConfigError
from neurosieve.registry import TARGET, installed

__all__ = ["AS_CONFIG", "AsConfig", "Command", "Fields", "Group", "Many", "One"]


class AsConfig:
    """The default of an argument of which None has a meaning: take what `conf/<command>.yaml` says."""

    def __repr__(self) -> str:
        return "as the config says"


AS_CONFIG = AsConfig()


@dataclass(frozen=True)
class One:
    """One plugin of a kind."""

    kind: str
    optional: bool = False
    """Whether there may be none."""
    group: str = ""
    """What chooses it on the command line, where that is not its key in the config."""
    implies: str = ""
    """The part that its plugin chooses, by an attribute of that name, where nothing else does."""
    null: str = ""
    """The preset that stands for none, where the config chooses one by default: Hydra takes no `null` there."""

    def build(self, node: Any, where: str) -> Any:
        """Return the plugin that a config node asks for."""
        return None if node is None and self.optional else build(node, self.kind, where)


@dataclass(frozen=True)
class Many:
    """Plugins of a kind, by name."""

    kind: str
    needed: bool = False
    """Whether there must be at least one."""

    def build(self, node: Any, where: str) -> dict[str, Any]:
        """Return the plugins that a config node asks for.

        Raises:
            ConfigError: there must be one, and there is none.
        """
        if self.needed and not node:
            raise ConfigError(
                f"no {self.kind} is given: choose at least one, as in `{where}=[...]`; `neurosieve plugins` lists them"
            )
        return build_all(node, self.kind)


@dataclass(frozen=True)
class Fields:
    """A dataclass whose fields presets fill in."""

    cls: type
    optional: bool = False
    """Whether there may be none."""

    def build(self, node: Any, where: str) -> Any:
        """Return the dataclass with the fields that a config node gives."""
        return None if node is None and self.optional else as_part(self.cls, node, where)


@dataclass(frozen=True)
class Group:
    """Settings and parts of their own that make one object; there may be none."""

    cls: type
    """Makes the object; its name in lower case is that of the schema."""
    settings: type
    parts: Mapping[str, One | Fields]

    def build(self, node: Any, where: str) -> Any:
        """Return the object that a config node asks for."""
        if node is None:
            return None
        parts = {key: part.build(node[key], f"{where}.{key}") for key, part in self.parts.items()}
        return self.cls(**parts, settings=as_object(self.settings, _fields(self.settings, node), where))


@dataclass(frozen=True)
class Command:
    """A command: its name, its settings, and the parts of its config."""

    name: str
    settings: type
    """The dataclass whose fields are keys at the root of the config."""
    parts: Mapping[str, One | Many | Fields | Group]
    """What stands under the other keys."""
    keys: Mapping[str, str | None] = field(default_factory=dict)
    """Further keys, and their defaults."""
    schema: str = ""
    """The name of its schema, where that is not its own."""
    bundles: Collection[str] = ()
    """Config groups beside the parts, whose presets set several keys at once: each is chosen with a plus."""
    from_run: Collection[str] = ()
    """Parts that it takes from the run that it follows, where it is a follow-up."""

    @cached_property
    def schemas(self) -> Mapping[str, type]:
        """The schema of the whole config, and those of its parts, by name."""
        schemas = {self.schema or self.name: _schema(self.settings, self.parts, self.keys)}
        for part in self.parts.values():
            if isinstance(part, Group):
                schemas[part.cls.__name__.lower()] = _schema(part.settings, part.parts, {})
            inner = part.parts.values() if isinstance(part, Group) else [part]
            schemas |= {fields.cls.__name__.lower(): fields.cls for fields in inner if isinstance(fields, Fields)}
        return schemas

    def build(self, config: Any, without: Collection[str] = ()) -> dict[str, Any]:
        """Return what a composed config asks for: its parts, but some, by key, and the settings under `settings`.

        Raises:
            ConfigError: something in it cannot be built.
        """
        refuse_renamed(config)
        config = with_implied_parts(config, self.parts, self.compose)
        parts = {key: part.build(config[key], key) for key, part in self.parts.items() if key not in without}
        return {**parts, "settings": as_object(self.settings, _fields(self.settings, config), self.name)}

    def from_python(self, choices: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a call in Python asks for, as `build` does.

        Args:
            choices: for a part, the name of a preset, or names where there may be several; the object itself; some
                fields of a dataclass; or None or `AS_CONFIG`, for what the command's config says.
            settings: some fields of the settings.

        Raises:
            ConfigError: there is no such preset or field, or a value does not fit.
        """
        publish(self.schemas)
        overrides = [
            f"{key}={choice}" if isinstance(choice, str) else f"{key}=[{','.join(choice)}]"
            for key, choice in choices.items()
            if _is_named(choice, self.parts[key])
        ]
        for key, part in self.parts.items():
            if isinstance(part, One) and not isinstance(chosen := choices.get(key), str | None):
                overrides += _implied(part, chosen) if choices.get(part.implies, ...) is None else []
        with explained(self.name, overrides):
            config = self.compose(overrides)
        self._refuse_misplaced(settings, config)
        parts = {key: self._part(key, choices.get(key, AS_CONFIG), config) for key in self.parts}
        values = {**_fields(self.settings, config), **settings}
        return {**parts, "settings": as_object(self.settings, values, self.name)}

    def _refuse_misplaced(self, settings: Mapping[str, Any], config: Any) -> None:
        """Raise where a setting has another name now, or is a field of a part."""
        own = {field.name for field in dataclasses.fields(self.settings)}
        if own.issuperset(settings):
            return
        classes: dict[str, type] = {}
        for key, part in self.parts.items():
            if isinstance(part, Fields):
                classes[key] = part.cls
            elif isinstance(part, One) and config[key] is not None:
                classes[key] = installed().get(part.kind, config[key][TARGET].partition("/")[2]).cls
        refuse_misplaced(settings, own, classes)

    def compose(self, overrides: Sequence[str]) -> Any:
        """Return the config under some overrides, as the command line composes it."""
        return composed(self.name, self.for_hydra(overrides))

    def for_hydra(self, arguments: Sequence[str]) -> list[str]:
        """Return command line arguments as Hydra takes them.

        Some keys are chosen from a group of another name, and some choices imply others.
        """
        named, keys = [], {argument.partition("=")[0] for argument in arguments}
        for argument in arguments:
            key, sign, value = argument.partition("=")
            if isinstance(part := self.parts.get(key), One):
                argument = f"{part.group or key}{sign}{part.null if value == 'null' and part.null else value}"
                plugin = next((p for p in installed() if (p.kind, p.name) == (part.kind, value)), None)
                # Of a sweep, and of what a bundle chooses, each job knows what is implied.
                if plugin and part.implies and part.implies not in keys:
                    named += _implied(part, plugin.cls)
            named.append(argument)
        return named

    def run_folder(self, given: str | Path | None, run: Path | None = None) -> Path:
        """Return where a run is left: the folder that is given, or one named by the time, in that of another run."""
        if given:
            return Path(given)
        if run is not None:
            return run / self.name / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
        return Path(f"runs/{self.name}/{datetime.now():%Y-%m-%d/%H-%M-%S-%f}")

    def _part(self, key: str, choice: Any, config: Any) -> Any:
        part = self.parts[key]
        if isinstance(part, Fields) and isinstance(choice, Mapping):
            return as_part(part.cls, {**(config[key] or {}), **choice}, key)
        none = choice is None and isinstance(part, One | Fields) and part.optional
        if none or not (choice is None or choice is AS_CONFIG or _is_named(choice, part)):
            return choice
        return part.build(config[key], key)


def _implied(part: One, plugin: object) -> list[str]:
    """Return the override that a plugin, or its class, implies for another part, if any."""
    names = getattr(plugin, part.implies, ())
    return [f"{part.implies}=[{','.join(names)}]"] if names else []


def _is_named(choice: Any, part: One | Many | Fields | Group) -> bool:
    """Return whether a choice is the name of a preset, or names of several, and not the thing itself."""
    many = isinstance(part, Many) and not isinstance(choice, Mapping) and choice is not None
    return isinstance(choice, str) or (many and choice is not AS_CONFIG)


def _fields(cls: Any, config: Any) -> dict[str, Any]:
    return {name: config[name] for name in cls.__dataclass_fields__}


def _schema(settings: type, parts: Mapping[str, Any], keys: Mapping[str, str | None]) -> type:
    """Return the settings as a dataclass with a field for each part and each further key."""
    fields: list[Any] = [
        (key, Any, field(default_factory=dict) if isinstance(part, Many) else field(default=None))
        for key, part in parts.items()
    ]
    fields += [(key, str | None, field(default=default)) for key, default in keys.items()]
    return dataclasses.make_dataclass(settings.__name__, fields, bases=(settings,), frozen=True)
