"""Hydra's errors about a config, as one message with the nearest names and what a value must be."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Transformer
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from neurosieve.config.composition import options_of, whole_config
from neurosieve.config.configuration import PLURAL
from neurosieve.config.misplaced import field_of_another, file_advice
from neurosieve.config.references import wrong_reference
from neurosieve.config.renamed_keys import new_name
from neurosieve.config.unfit_values import unfit_value
from neurosieve.errors import ConfigError, PluginError, StoreError, nearest, refusal
from neurosieve.registry import TARGET, installed

__all__ = ["explained"]


@contextmanager
def explained(command: str, arguments: Sequence[str]) -> Iterator[None]:
    """Turn Hydra's errors about a config into one message with the nearest names."""
    try:
        yield
    except MissingConfigException as error:
        missing = str(error.missing_cfg_file)
        group, _, choice = missing.rpartition("/")
        if not group:
            raise ConfigError(
                f"there is no config `{choice}`: take `neurosieve {command}` without --config-name"
            ) from error
        group_given, _, given = missing.partition("/")
        if advice := file_advice(group_given, given, arguments):
            raise ConfigError(advice) from error
        kind = next((kind for kind, plural in PLURAL.items() if plural == group), group)
        if message := installed().refusal(kind, choice):
            raise PluginError(message) from error
        nearby = nearest(choice, error.options or options_of(command, group)) + installed().left_out()
        raise ConfigError(f"there is no `{choice}` to choose for `{group}`: {nearby}") from error
    except OverrideParseException as error:
        raise ConfigError(f"`{error.override}` is not understood: {_quoting(error.override)}") from error
    except InterpolationResolutionError as error:
        raise ConfigError(wrong_reference(error, error.parent_node)) from error
    except (HydraException, OmegaConfBaseException) as error:
        message = " ".join(str(part).strip().replace("\n", " ") for part in (error, error.__cause__) if part)
        if "Incompatible key type 'NoneType'" in message:
            raise ConfigError(
                f"{_file_behind(error)} has a key `null` without quotes, which YAML takes for no value: write "
                "`'null': ...`"
            ) from error
        unknown = re.search(r"Could not override '([^']+)'", message)
        absent = unknown or re.search(r"Key '[^']+' (?:is )?not in '[^']+'\s+full_key: (\S+)", message)
        if absent and (hint := new_name(absent[1], _keys_of(command, []))):
            raise ConfigError(hint) from error
        message = re.sub(r"\s+full_key: .*", "", message)  # The key is in the message already.
        if not unknown and (unfit := unfit_value(message, command)):
            raise ConfigError(unfit) from error
        if unknown:
            key = unknown[1]
            if key == "experiment" and (options := options_of(command, key)):
                raise ConfigError(f"`{key}` is chosen with a plus: `+{key}={options[0]}`") from error
            others = [given for given in arguments if "=" in given and given.partition("=")[0] != key]
            config: Any = OmegaConf.to_container(whole_config(command, others, RunMode.MULTIRUN), resolve=False)
            keys = _keys(config)
            if key not in keys:  # Else it is there, and the value is at fault.
                if other := field_of_another(key, config):
                    raise ConfigError(other) from error
                # Most keys are deep: compare first with those beside the one that was meant.
                siblings = [known for known in keys if known.rpartition(".")[0] == key.rpartition(".")[0]]
                deeper = [known for known in keys if known.endswith(f".{key}") and not known.startswith("hydra.")]
                hint = nearest(key, deeper or siblings or [known for known in keys if "." not in known])
                raise ConfigError(
                    f"the config has no `{key}`: {hint}; `neurosieve {command} --cfg job` prints it all"
                ) from error
            if field := re.search(r"Key '([^']+)' not in '", message):
                fields = [
                    known[len(key) + 1 :]
                    for known in keys
                    if known.startswith(f"{key}.") and not known.endswith(TARGET)
                ]
                raise ConfigError(f"`{key}` has no field `{field[1]}`: {nearest(field[1], fields)}") from error
        if again := re.search(r"An item is already at '([^']+)'", message):
            raise ConfigError(f"`{again[1]}` is in the config already: write `{again[1]}=...`, without +") from error
        raise ConfigError(f"{message}; `neurosieve {command} --help` shows what can be chosen") from error
    except ValueError as error:
        # Hydra's own, for a group that is null or a number: whatever else is at fault goes on as it is.
        if "Config group override must be" not in str(error):
            raise
        overrides = OverridesParser.create().parse_overrides([given for given in arguments if given[:1] != "-"])
        for override in overrides:
            options = options_of(command, override.key_or_group)
            if options and not all(isinstance(value, str | list) for value in _values(override)):
                key, value = override.package or override.key_or_group, str(override.input_line).partition("=")[2]
                raise ConfigError(
                    f"`{key}` is `{value}`: choose one of {', '.join(options)}, or leave it out to take what the "
                    "command takes by default"
                ) from error
        raise
    except BrokenPipeError:
        raise
    except OSError as error:
        # Hydra's own: it reads config files, and writes nothing but the run folder. A job's errors have their cause.
        if str(error.filename).endswith((".yaml", ".yml")) and Path(error.filename).exists():
            raise ConfigError(f"{refusal(error)}: it holds a part of the config") from error
        where = f"`{error.filename}`" if error.filename else "the run folder"
        raise StoreError(
            f"cannot write {where} ({error.strerror or error}): choose another place with `hydra.run.dir=<folder>`"
        ) from error


def _file_behind(error: Exception) -> str:
    """Return the config file that Hydra was reading, which its error does not name; or words for one of them."""
    reading = [frame.f_locals.get("config_path") for frame, _ in walk_tb(error.__traceback__)]
    names = [name for name in reading if isinstance(name, str)]
    return f"the config file `{names[-1]}`" if names else "a config file"


def _quoting(override: str) -> str:
    """Return how to quote the value of an override: without quotes, Hydra reads no letters outside ASCII.

    >>> print(_quoting("label=né"))
    quote a value that holds letters or signs outside ASCII, such as `é`, twice, as in 'label="né"'
    """
    key, _, value = override.partition("=")
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", "", value)
    unread = re.search(r"[^\x00-\x7f]", unquoted)
    if unread is None:
        return "quote a value that holds `=`, commas or brackets twice, as in \"source.path='a=b.json'\""
    words = re.findall(r"[^\[\]{},:\"']+", unquoted)  # What stands between commas and brackets.
    word = next(word.strip() for word in words if unread[0] in word)
    example = f'["{word}"]' if value.startswith("[") else f'"{word}"'
    return (
        f"quote a value that holds letters or signs outside ASCII, such as `{unread[0]}`, twice, as in "
        f"'{key}={example}'"
    )


def _values(override: Override) -> list[Any]:
    """Return the value of an override, or its values in a sweep."""
    return list(override.sweep_iterator(Transformer.identity)) if override.is_sweep_override() else [override.value()]


def _keys_of(command: str, overrides: Sequence[str]) -> list[str]:
    return _keys(OmegaConf.to_container(whole_config(command, overrides, RunMode.MULTIRUN), resolve=False))


def _keys(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    return [name for key, value in node.items() for name in (f"{prefix}{key}", *_keys(value, f"{prefix}{key}."))]
