"""What stands in the cells of a ranking, in words: what its numbers are, and what their signs say."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from neurosieve.models.activation import Activation
from neurosieve.registry import TARGET, installed
from neurosieve.runs.record_fields import Record

__all__ = ["Cells", "cells_of"]


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
    fires: bool = False
    """Whether they are activations."""
    foretells: str = ""
    """The scorer whose score is the effect that editing the neuron is expected to have; empty where none is."""

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
    name = registered if kind else "reading"
    readings = [plugin for plugin in installed() if plugin.kind == "reading"]
    plugin = next((plugin for plugin in readings if plugin.name == name), None)
    if choice is None:
        plugin = next(plugin for plugin in readings if plugin.cls is Activation)
    if plugin is None:
        return Cells(name, "", "", "", _signs(name))
    cls: Any = plugin.cls
    signs = cls.signs or _signs(plugin.name)
    return Cells(plugin.name, plugin.help, cls.unit, cls.negative, signs, cls is Activation, cls.foretells)


def _signs(name: str) -> tuple[str, str, str]:
    return f"less {name}", f"{name} within chance", f"more {name}"
