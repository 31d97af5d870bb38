"""The plugins that come with neurosieve, found by entry point like anybody's."""

from collections.abc import Mapping
from typing import Any

from neurosieve import Control, Detector, Scorer, Source, hookimpl


@hookimpl
def register_sources() -> Mapping[str, type[Source]]:
    """Return where documents can come from."""
    return {}


@hookimpl
def register_detectors() -> Mapping[str, type[Detector]]:
    """Return what can say where a behaviour shows."""
    return {}


@hookimpl
def register_controls() -> Mapping[str, type[Control]]:
    """Return what can choose control positions."""
    return {}


@hookimpl
def register_scorers() -> Mapping[str, type[Scorer[Any]]]:
    """Return what can rate neurons."""
    return {}
