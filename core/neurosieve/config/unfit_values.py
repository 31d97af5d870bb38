"""Hydra's sentences about a value of the wrong type, in plain words: the key, the value, and what is needed."""

import re

from hydra.types import RunMode
from omegaconf import OmegaConf

from neurosieve.config.composition import whole_config

__all__ = ["unfit_value"]

_NEEDED = {"Integer": "a whole number", "Float": "a number", "a valid bool": "true or false", "string": "a text"}
"""OmegaConf's words for what it takes, and ours."""
_NOUNS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def unfit_value(message: str, command: str) -> str | None:
    """Return which value does not fit and what is needed, from Hydra's message; None where it says something else."""
    if override := re.match(r"Error merging override (.+?)=(.*?) (?=Value |Invalid |field |Cannot )", message):
        key, given = override.groups()
        return _of_override(message, command, key, given)
    if place := re.match(r"In '([^']+)'", message):
        file = f"the config file `{place[1]}` holds"
        if found := _value_and_kind(message):
            return f"{file} `{found[0]}`, where {found[1]} is needed"
        if "is not a ListConfig" in message:
            return f"{file} a single value where a list is needed: write it as in [1, 2]"
    return None


def _of_override(message: str, command: str, key: str, given: str) -> str | None:
    key = key.lstrip("+")
    subject = f"`{key}` is `{given}`"
    if found := _value_and_kind(message):
        value, needed = found
        # In a list, the value at fault is one of several.
        return f"{subject}: give {needed}" if _bare(value) == _bare(given) else f"{subject}: `{value}` is not {needed}"
    if "is not a ListConfig" in message:
        return f"{subject}: give a list, as in `{key}=[{given}]`"
    if "is not Optional" in message:
        default = OmegaConf.select(whole_config(command, [], RunMode.MULTIRUN), key)
        return f"{subject}: give {_NOUNS.get(type(default), 'a value')}"
    if "Cannot merge DictConfig with" in message:
        return f"{subject}, and it holds fields: give one, as in `{key}.<field>=...`"
    return None


def _value_and_kind(message: str) -> tuple[str, str] | None:
    """Return the value that could not be converted, and what it should be."""
    found = re.search(
        r"Value '(.*)' (?:of type '\w+' could not be converted to|is not) (Integer|Float|a valid bool)"
        r"|Cannot convert .* to (string): '(.*)'",
        message,
    )
    if not found:
        return None
    return (found[1], _NEEDED[found[2]]) if found[2] else (found[4], _NEEDED[found[3]])


def _bare(value: str) -> str:
    return re.sub(r"[\s'\"]", "", value)
