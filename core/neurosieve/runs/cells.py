"""What stands in the cells of a ranking, in words: what its numbers are, and what their signs say."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from neurosieve.registry import TARGET, installed
from neurosieve.runs.record import Record

__all__ = ["Cells", "cells_of"]

_ACTIVATION = "activation"


class Cells(NamedTuple):
    """What was read of each neuron at each position."""

    name: str
    """Its name, as in a config; `reading` where it was handed over in Python."""
    help: str
    """The first line of what its reading says of itself."""
    unit: str
    """Of its numbers; empty where they have none."""
    negative: str
    """What a negative number says, as half a sentence; empty where nothing is known."""
    signs: tuple[str, str, str]
    """What a neuron does whose score lies below chance level, within what chance gives, and above it."""

    foretells: str = ""
    """The scorer whose score is the effect that editing the neuron is expected to have; empty where none is."""

    @property
    def fires(self) -> bool:
        """Whether they are activations."""
        return self.name == _ACTIVATION

    @property
    def title(self) -> str:
        """The name with the unit, for an axis."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def about(self) -> str:
        """Unit and sign, as half a sentence; empty where neither is known."""
        return "; ".join(filter(None, ("" if not self.unit else f"in {self.unit}", self.negative)))

    def scored(self, scorer: str) -> str:
        """Return what a scorer is called that rates these cells: activations are what every scorer rates otherwise."""
        return scorer if self.fires else f"{scorer} of {self.name}"

    def explained(self, scorer: str) -> str:
        """Return the same with unit and sign."""
        return self.scored(scorer) if self.fires or not self.about else f"{self.scored(scorer)} ({self.about})"


def cells_of(run: Record) -> Cells:
    """Return what a ranking was read by: activations, where its record says nothing."""
    choice: Any = run.get("config", {}).get("reading")
    target = str(choice.get(TARGET, "")) if isinstance(choice, Mapping) else ""
    kind, _, registered = target.rpartition("/")
    name = _ACTIVATION if choice is None else registered if kind else "reading"
    plugin = next((plugin for plugin in installed() if (plugin.kind, plugin.name) == ("reading", name)), None)
    signs = f"less {name}", f"{name} within chance", f"more {name}"
    if plugin is None:
        return Cells(name, "", "", "", signs)
    cls: Any = plugin.cls
    return Cells(name, plugin.help, cls.unit, cls.negative, cls.signs or signs, cls.foretells)
