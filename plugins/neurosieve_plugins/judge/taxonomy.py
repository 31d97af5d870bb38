"""Taxonomies: sets of labels, each with a definition and examples, as YAML files hold them."""

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from neurosieve import ConfigError, nearest

__all__ = ["NONE", "Label", "Taxonomy", "folded", "open_taxonomy", "shipped"]

NONE = "none"
"""What a judge answers where no label fits."""
_PLACE = ("neurosieve_conf", "taxonomy")


class Label(NamedTuple):
    """One label of a taxonomy."""

    name: str
    definition: str
    examples: tuple[str, ...]


class Taxonomy(NamedTuple):
    """A set of labels for sentences, or for whole texts."""

    name: str
    source: str
    """Where the labels come from, for people: a judge does not see it."""
    several: bool
    """Whether a sentence may have several of the labels, or exactly one."""
    none: bool
    """Whether a sentence may have none of them."""
    labels: tuple[Label, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the labels, in their order."""
        return tuple(label.name for label in self.labels)


def folded(name: str) -> str:
    """Return a label in the form in which two spellings of it are the same.

    >>> folded(" Self-checking"), folded("self_checking")
    ('self_checking', 'self_checking')
    """
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split())


@cache
def shipped() -> tuple[str, ...]:
    """Return the names of the taxonomies that come with neurosieve."""
    folder = files(_PLACE[0]) / _PLACE[1]
    return tuple(sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")))


def open_taxonomy(name: str) -> Taxonomy:
    """Return a taxonomy that comes with neurosieve, by its name, or the one of a YAML file, by its path.

    Raises:
        ConfigError: there is none, or it is not sound: a label twice, no label, an empty definition.
    """
    if name in shipped():
        return _shipped(name)
    path = Path(name).expanduser()
    if not path.is_file():
        if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
            raise ConfigError(f"there is no file `{name}`: give the path of a taxonomy, or one of {_listed(shipped())}")
        raise ConfigError(f"there is no taxonomy `{name}`: {nearest(name, shipped())}; or give the path of a YAML file")
    try:
        state = path.stat()
        return _opened(path, (state.st_mtime_ns, state.st_size))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the taxonomy `{name}` ({error}): give a YAML file in UTF-8") from error


@cache
def _shipped(name: str) -> Taxonomy:
    text = (files(_PLACE[0]) / _PLACE[1] / f"{name}.yaml").read_text(encoding="utf-8")
    return _parsed(name, f"the taxonomy `{name}`", text)


@lru_cache(maxsize=64)
def _opened(path: Path, _version: tuple[int, int]) -> Taxonomy:
    return _parsed(path.stem, f"the taxonomy `{path}`", path.read_text(encoding="utf-8"))


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: YAML itself would take the last one, and say nothing."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping whose keys are all different."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise ConfigError(f"`{key}` stands there twice (line {node.value[place][0].start_mark.line + 1})")
        return super().construct_mapping(node, deep=deep)


def _parsed(name: str, where: str, text: str) -> Taxonomy:
    try:
        loader = _Loader(text)
        try:
            content = loader.get_single_data()
        finally:
            loader.dispose()
        return _taxonomy(name, content)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not sound YAML: {' '.join(str(error).split())}") from error
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _taxonomy(name: str, content: Any) -> Taxonomy:
    """Return the taxonomy of a YAML file's content."""
    known = {"source", "several", "none", "labels"}
    if not isinstance(content, Mapping):
        raise ConfigError(f"it holds no fields: give {_listed(sorted(known))}")
    if unknown := [key for key in content if key not in known]:
        raise ConfigError(f"it has no field `{unknown[0]}`: {nearest(str(unknown[0]), known)}")
    if not isinstance(source := content.get("source", ""), str):
        raise ConfigError("`source` is not a text")
    for flag in ("several", "none"):
        if not isinstance(content.get(flag), bool):
            raise ConfigError(
                f"`{flag}` is not true or false: say whether a sentence may have "
                f"{'several of the labels' if flag == 'several' else 'none of the labels'}"
            )
    labels = content.get("labels")
    if not isinstance(labels, Mapping) or not labels:
        raise ConfigError("it has no labels: give `labels`, each name with its `definition`")
    parsed = [_label(label, fields) for label, fields in labels.items()]
    spellings: dict[str, str] = {}
    for label in parsed:
        first = spellings.setdefault(folded(label.name), label.name)
        if first != label.name:
            raise ConfigError(f"`{first}` and `{label.name}` are one label in two spellings: rename one")
    if len(parsed) == 1 and not content["none"]:
        raise ConfigError("it has one label and `none: false`, so that every sentence has it: write `none: true`")
    return Taxonomy(name, source, content["several"], content["none"], tuple(parsed))


def _label(name: Any, fields: Any) -> Label:
    """Return a label of a YAML file's content."""
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(
            f"the label `{name}` is not a name: take letters, digits and underscores, and no digit first, as in "
            "`self_checking`"
        )
    if folded(name) == NONE:
        raise ConfigError(f"`{name}` is not a label: write `none: true` where a sentence may have no label")
    if not isinstance(fields, Mapping) or (unknown := set(fields) - {"definition", "examples"}):
        extra = f" and not `{sorted(map(str, unknown))[0]}`" if isinstance(fields, Mapping) else ""
        raise ConfigError(f"the label `{name}` needs a `definition`, and may have `examples`{extra}")
    definition, examples = fields.get("definition"), fields.get("examples", [])
    if not isinstance(definition, str) or not definition.strip():
        raise ConfigError(f"the definition of the label `{name}` is empty: say in a sentence what bears the label")
    if not isinstance(examples, list) or not _all_texts(examples):
        raise ConfigError(f"`examples` of the label `{name}` is not a list of texts, none of them empty")
    return Label(name, " ".join(definition.split()), tuple(example.strip() for example in examples))


def _all_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) and value.strip() for value in values)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
