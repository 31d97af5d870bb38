"""Keys that are gone, and what they are called now."""

from collections.abc import Collection
from typing import Any

from omegaconf import DictConfig, OmegaConf

from neurosieve.errors import ConfigError

__all__ = ["new_name", "new_place", "refuse_renamed"]

_RENAMED = {
    "confirm": ("test_top", "how many of the best neurons are tested on the held-out groups"),
    "draws": ("interval_bootstraps", "resamples of the groups behind each interval"),
    "bootstraps": ("stability_bootstraps", "resamples of the groups behind the stability of the best neurons"),
    "looks": ("extra_positions", "additional positions"),
    "enough_positions": ("min_positions", "fewer present positions than this are warned of"),
    "enough_documents": ("min_documents", "fewer documents with the behaviour than this are warned of"),
    "enough_groups": ("min_groups", "with fewer groups than this there is no interval and no verdict"),
    "word_check": ("within_token_scorer", "the scorer that compares positions of the same token"),
    "then": ("follow_up", "commands that go on from the run"),
    "ratio": ("controls_per_position", "control positions for each present position"),
    "documents_without": ("negatives_per_positive_document", "documents without the behaviour for each with it"),
    "replication": ("held_out_fraction", "the share of the groups that is held out"),
}
"""The old key: the new one, and what it says."""
_SELECTION = "selection"
"""Where else a key may stand now that was at the root."""


def new_name(key: str, known: Collection[str]) -> str | None:
    """Return what an unknown key is called now, as a message; None where it never was one.

    `key` is its full path in the config. `known` are those of the keys that there are: the new one must be among them,
    beside the old.

    >>> new_name("selection.ratio", ["seed", "selection.controls_per_position"])
    '`selection.ratio` is now `selection.controls_per_position`: control positions for each present position'
    """
    place = new_place(key, known)
    return place and f"`{key}` is now `{place}`: {_RENAMED[key.rpartition('.')[2]][1]}"


def new_place(key: str, known: Collection[str]) -> str | None:
    """Return the full path that an unknown key has now; None where it never was one."""
    parent, dot, old = key.rpartition(".")
    if key in known or old not in _RENAMED:
        return None
    new, _ = _RENAMED[old]
    places = [f"{parent}{dot}{new}", *([] if parent else [f"{_SELECTION}.{new}"])]
    return next((place for place in places if place in known), None)


def refuse_renamed(config: Any) -> None:
    """Raise where a composed config holds a key that is gone, such as `+confirm=5`, which Hydra lets pass.

    Raises:
        ConfigError: it does; the message gives the new name.
    """
    node: Any = OmegaConf.to_container(config, resolve=False) if isinstance(config, DictConfig) else config
    keys = [key for key in node if isinstance(key, str)]
    known = [*keys, *(f"{_SELECTION}.{key}" for key in node.get(_SELECTION) or ())]
    for key in keys:
        if message := new_name(key, [name for name in known if name != key]):
            raise ConfigError(message)
