"""What every run says of itself: versions, hashes, and how long each stage took."""

import dataclasses
import hashlib
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import pandas as pd

from neurosieve.registry import describe, installed

__all__ = ["Stopwatch", "described", "positions_hash", "provenance", "versions"]

_LIBRARIES = (
    "neurosieve",
    "torch",
    "transformers",
    "transformer-lens",
    "numpy",
    "scipy",
    "scikit-learn",
    "datasets",
    "hydra-core",
)


def provenance(positions: pd.DataFrame, space: str) -> dict[str, Any]:
    """Return versions, and hashes of the chosen positions and of the store's space that they were read from."""
    return {"versions": versions(), "hashes": {"positions": positions_hash(positions), "space": space}}


def versions() -> dict[str, str]:
    """Return the versions of what the numbers of a run depend on."""
    return {"python": platform.python_version(), **{library: version(library) for library in _LIBRARIES}}


def positions_hash(positions: pd.DataFrame) -> str:
    """Return what tells a table of positions from any other."""
    lines = pd.util.hash_pandas_object(positions, index=False).to_numpy()
    return hashlib.sha256(lines.tobytes()).hexdigest()


class Stopwatch:
    """The seconds that each stage of a run took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the stage `name`."""
        began = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 3)


def described(choices: Mapping[str, object]) -> dict[str, Any]:
    """Return what `run.json` says of choices, so that the same run can be made again.

    A registered plugin is described by the config node that builds it, settings by their fields, and what was handed
    over in Python and cannot be named by the words "handed over".
    """
    known = {plugin.cls for plugin in installed()}

    def told(choice: object) -> Any:
        if type(choice) in known:
            return describe(choice)
        if isinstance(choice, Mapping):
            return {name: told(value) for name, value in choice.items()}
        if dataclasses.is_dataclass(choice) and not isinstance(choice, type):
            return dataclasses.asdict(choice)
        return choice if choice is None or isinstance(choice, str | int | float | bool) else "handed over"

    return {name: told(choice) for name, choice in choices.items()}
