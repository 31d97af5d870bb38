"""Whether the firing of neurons replicates: what the verdict `reads out only` needs, whatever ranked them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from neurosieve.data import Neuron
from neurosieve.runs.reader import BESIDE, RECORD, RunFolder

__all__ = ["FiringReplication", "firing_replication"]


class FiringReplication(NamedTuple):
    """Which neurons fire with a behaviour on held-out texts, too."""

    replicates: Mapping[Neuron, bool]
    """Of each neuron whose replication was tested."""
    why_unknown: str
    """Why it is known of no neuron; empty where it is known of some."""


def firing_replication(ranking: RunFolder, behaviour: str) -> FiringReplication:
    """Return the replication of a behaviour's neurons in the ranking by activation: this one, or the one beside it."""
    firing = next(_rankings_by_activation(ranking), None)
    if firing is None:
        return FiringReplication(
            {},
            f"`{ranking.folder}` ranks by {ranking.cells.name}, and no ranking by activation belongs to it: run "
            f"`neurosieve find beside={ranking.cells.name}`, and ablate from the folder `{BESIDE}` of that run",
        )
    neurons = firing.neurons[firing.neurons.behaviour == behaviour]
    tested = neurons[neurons.replicates.notna()] if "replicates" in neurons else neurons.assign(replicates=0).head(0)
    replicates = {
        Neuron(layer, neuron): bool(holds)
        for layer, neuron, holds in zip(tested.layer, tested.neuron, tested.replicates, strict=True)
    }
    untested = f"`{firing.folder}` tested no replication of `{behaviour}`: hold out more groups that show it"
    return FiringReplication(replicates, "" if replicates else untested)


def _rankings_by_activation(ranking: RunFolder) -> Iterator[RunFolder]:
    """Yield the ranking and those related to it by their folders, as far as they are by activation."""
    if ranking.cells.fires:
        yield ranking
    folder = ranking.folder.resolve()
    related = [folder / BESIDE, *([folder.parent] if folder.name == BESIDE else [])]
    for other in (RunFolder(path) for path in related if (path / RECORD).is_file()):
        # A folder may bear this name by chance.
        if other.command == "find" and _subject(other) == _subject(ranking) and other.cells.fires:
            yield other


def _subject(ranking: RunFolder) -> tuple[str, str]:
    """Return the weights and the kind of site that were read."""
    model = ranking.run["model"]
    return model["weights"], model["site"]
