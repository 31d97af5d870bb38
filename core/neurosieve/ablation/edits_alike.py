"""Edits that differ in their neurons alone: one call of their intervention makes those of all rows of a batch.

An intervention edits each neuron, row and position by itself; `check_intervention` tests it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neurosieve.ablation.edit import Edit
from neurosieve.data import Neuron

__all__ = ["EditedRows", "EditsAlike", "edits_alike"]


@dataclass(frozen=True, eq=False)
class EditedRows:
    """Some rows of a batch, and what is edited of them in one layer."""

    edit: Edit
    """One of their edits: they differ in their neurons alone."""
    rows: Int[Tensor, "rows"]
    numbers: Int[Tensor, "rows"]
    """The number of the edit of each row."""
    columns: Int[Tensor, "neurons"] | slice
    """The neurons that are edited in one of the rows."""
    controls: Float[Tensor, "controls neurons"]
    edited: Bool[Tensor, "rows neurons"]
    """Which of them are edited in each row."""

    def of(self, activations: Float[Tensor, "batch positions width"]) -> Float[Tensor, "rows positions neurons"]:
        """Return the activations of these neurons in these rows."""
        return activations[self.rows][..., self.columns]

    def put(self, values: Float[Tensor, "rows positions neurons"], out: Float[Tensor, "batch positions width"]) -> None:
        """Write values of these neurons in these rows into the activations of a batch."""
        if isinstance(self.columns, slice):
            out[self.rows] = values
        else:
            positions = torch.arange(out.shape[1], device=out.device)
            out[self.rows[:, None, None], positions[None, :, None], self.columns] = values


@dataclass(frozen=True, eq=False)
class EditsAlike:
    """Edits of one layer that have the intervention, its strength, and the activations at controls in common."""

    edit: Edit
    """The first of them."""
    place_of: Mapping[int, int]
    """The place of each edit in `edited`, by its number."""
    width: int
    """How many neurons the layer has."""
    columns: Int[Tensor, "neurons"]
    """The neurons of all of them; in order where these are all of the layer."""
    controls: Float[Tensor, "controls neurons"]
    edited: Bool[Tensor, "edits neurons"]
    """Which of the neurons each edits; it stays on the CPU."""

    def on(self, device: torch.device) -> "EditsAlike":
        """Return the same on a device."""
        return replace(self, columns=self.columns.to(device), controls=self.controls.to(device))

    def sizes(self) -> dict[int, int]:
        """Return how many neurons each edit is of, by its number."""
        sizes: list[int] = self.edited.sum(dim=1).tolist()
        return {number: sizes[place] for number, place in self.place_of.items()}

    def rows(self, edit_of_row: Sequence[int | None]) -> EditedRows | None:
        """Return what is edited of the rows of a batch, each with the number of its edit; None where nothing is."""
        of_these = [(row, number) for row, number in enumerate(edit_of_row) if number in self.place_of]
        if not of_these:
            return None
        rows, numbers = torch.tensor(of_these).T.to(self.columns.device)
        edited = self.edited[[self.place_of[number] for _, number in of_these if number is not None]]
        columns: Tensor | slice = self.columns
        controls = self.controls
        if not (used := edited.any(dim=0)).all():
            edited, used = edited[:, used], used.to(self.columns.device)
            columns, controls = self.columns[used], controls[:, used]
        elif len(self.columns) == self.width:
            columns = slice(None)
        return EditedRows(self.edit, rows, numbers, columns, controls, edited.to(rows.device))


def edits_alike(edits: Sequence[Edit], width: int) -> dict[int, list[EditsAlike]]:
    """Return the edits by layer, those that one call can make together; `width` is how many neurons a layer has."""
    layers: dict[int, list[EditsAlike]] = {}
    for numbers, activations in _families(edits):
        neurons_of = {number: _by_layer(edits[number].controls) for number in numbers}
        for layer, neurons in _by_layer(activations).items():
            ordered = sorted(neurons) if len(neurons) == width else neurons
            place_of = {neuron: place for place, neuron in enumerate(ordered)}
            of_layer = {number: held[layer] for number, held in neurons_of.items() if layer in held}
            edited = torch.zeros(len(of_layer), len(ordered), dtype=torch.bool)
            for place, held in enumerate(of_layer.values()):
                edited[place, [place_of[neuron] for neuron in held]] = True
            alike = EditsAlike(
                edits[numbers[0]],
                {number: place for place, number in enumerate(of_layer)},
                width,
                torch.tensor([neuron.neuron for neuron in ordered]),
                torch.stack([activations[neuron].float() for neuron in ordered], dim=1),
                edited,
            )
            layers.setdefault(layer, []).append(alike)
    return dict(sorted(layers.items()))


def _by_layer(neurons: Iterable[Neuron]) -> dict[int, list[Neuron]]:
    by_layer: dict[int, list[Neuron]] = {}
    for neuron in neurons:
        by_layer.setdefault(neuron.layer, []).append(neuron)
    return by_layer


def _families(edits: Sequence[Edit]) -> Iterator[tuple[list[int], Mapping[Neuron, Tensor]]]:
    """Yield the numbers of edits that are alike, with the activations of all of their neurons at the controls."""
    families: list[tuple[Edit, list[int], dict[Neuron, Tensor]]] = []
    for number, edit in enumerate(edits):
        for first, numbers, activations in families:
            is_same = first.intervention is edit.intervention and first.strength == edit.strength
            if is_same and all(activations.get(neuron, held) is held for neuron, held in edit.controls.items()):
                numbers.append(number)
                activations.update(edit.controls)
                break
        else:
            families.append((edit, [number], dict(edit.controls)))
    for _, numbers, activations in families:
        yield numbers, activations
