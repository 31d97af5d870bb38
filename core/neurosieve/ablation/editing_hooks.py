"""Edit neurons of a running model, each row of a batch in its own way, and prove every edit.

Plain PyTorch hooks do it, at the places that the atlas names: one changes what enters a projection (for MLP neurons,
the down projection), and another reads, inside the projection, what really entered.
"""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurosieve.ablation.edit import Edit, draws_at
from neurosieve.ablation.edits_alike import EditedRows, edits_alike
from neurosieve.data import Reference
from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel
from neurosieve.models.sites import address_part

__all__ = ["Edits", "Proof"]


class Proof(NamedTuple):
    """What the hooks measured of the edits."""

    calls: int
    """How often an edited site was run."""
    values: int
    """Activations that were edited."""
    changed: int
    """How many of them the edit really changed."""
    largest_deviation: float
    """The largest difference between what entered a projection and what the edit wanted."""

    def joined(self, other: "Proof") -> "Proof":
        """Return the proof of both together."""
        calls, values, changed = self.calls + other.calls, self.values + other.values, self.changed + other.changed
        return Proof(calls, values, changed, max(self.largest_deviation, other.largest_deviation))


class _Tally(NamedTuple):
    """Counts so far in one layer, of each edit. They stay on the device: to read a number would wait for it."""

    values: Int[Tensor, "edits"]
    changed: Int[Tensor, "edits"]
    deviation: Float[Tensor, "edits"]

    @classmethod
    def empty(cls, edits: int, device: torch.device) -> "_Tally":
        values, changed = (torch.zeros(edits, dtype=torch.int64, device=device) for _ in "ab")
        return cls(values, changed, torch.zeros(edits, dtype=torch.float64, device=device))


class Edits:
    """Edits neurons of a running model while it is entered as a context, and proves it.

    No special token and no padding is ever edited. `begin` comes before each batch: it says which row gets which edit.
    From then on the model may be run over the batch in one piece, or in several with a cache.
    """

    def __init__(self, model: LanguageModel, atlas: Atlas, *edits: Edit) -> None:
        if not edits or not all(edit.controls for edit in edits):
            raise ValueError("an edit names at least one neuron")
        atlas.check_editable()
        self.edits, self.atlas = edits, atlas
        self._model = model
        self._special = torch.tensor(sorted(set(model.tokenizer.all_special_ids)), dtype=torch.int64)
        self._alike = edits_alike(edits, atlas.neurons)
        self._hooks = ExitStack()
        self._seeds, self._first, self._column = np.empty(0, np.uint64), np.empty(0, np.int64), 0
        self._editable, self._draws = torch.empty(0, 0, dtype=torch.bool), torch.empty(0, 0)
        self._batch: dict[int, list[EditedRows]] = {}
        """By layer: the rows of this batch that are edited there."""
        self._running: dict[int, tuple[Tensor, list[tuple[EditedRows, Tensor]]]] = {}
        """By layer: the unedited activations; and for the edited rows the wanted ones."""
        self._calls = dict.fromkeys(self._alike, 0)
        self._stray: dict[int, Tensor] = {}
        self._tallies: dict[int, _Tally] = {}

    @cached_property
    def address(self) -> str:
        """A hash of the edits, their content address."""
        addresses = [*(edit.address for edit in self.edits), *address_part(self.atlas.kind).values()]
        return hashlib.sha256("".join(addresses).encode()).hexdigest()[:24]

    def begin(self, seeds: Sequence[int], first: Sequence[int], rows: Sequence[int | None] | None = None) -> None:
        """Say that the model is run over a new batch from here on.

        Args:
            seeds: of each row; what an edit draws depends on it and on the token's place in its row alone.
            first: the first column of each row that may be edited; places are counted from it.
            rows: the number of the edit that each row gets, None where it gets none; the first edit, by default.
        """
        edit_of_row = [0] * len(seeds) if rows is None else list(rows)
        self._seeds = np.array([seed % 2**64 for seed in seeds], dtype=np.uint64)
        self._first, self._column = np.array(first, dtype=np.int64), 0
        self._batch = {
            layer: [edited for alike in of_layer if (edited := alike.rows(edit_of_row))]
            for layer, of_layer in self._alike.items()
        }

    def __enter__(self) -> "Edits":
        module, bridge = self._model.module, self._model.bridge
        self._hooks.callback(module.get_input_embeddings().register_forward_pre_hook(self._see_tokens).remove)
        if bridge is not None:
            named = [(self.atlas.hook(layer), partial(self._edit_in_bridge, layer)) for layer in self._alike]
            self._hooks.enter_context(bridge.hooks(fwd_hooks=named))
        for layer, of_layer in self._alike.items():
            projection = self.atlas.module(self._model, layer)
            if bridge is None:
                self._hooks.callback(projection.register_forward_pre_hook(partial(self._edit_input, layer)).remove)
            # A bridge wraps the projection: what is inside gets the very tensor that is multiplied.
            while hasattr(projection, "original_component"):
                projection = projection.original_component
            self._hooks.callback(projection.register_forward_hook(partial(self._read_back, layer)).remove)
            device = next(projection.parameters()).device
            self._alike[layer] = [alike.on(device) for alike in of_layer]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._hooks.close()
        if kind is None:
            self.proof()

    def proof(self) -> Proof:
        """Return the proof of the edits so far.

        Raises:
            ModelError: an edit was never made, or something else than what it wanted entered a projection.
        """
        for layer, of_layer in self._alike.items():
            tally = self._tallies.get(layer)
            edited = tally.values.tolist() if tally else [0] * len(self.edits)
            for alike in of_layer:
                for number, neurons in alike.sizes().items():
                    if not edited[number]:
                        raise ModelError(
                            f"layer {layer} of `{self._model.name}` ran {self._calls[layer]:,} times, and no value of "
                            f"the {neurons} neurons to edit there was edited: the edit did not take place"
                        )
        tallies = self._tallies.values()
        deviation = max(float(tally.deviation.max()) for tally in tallies)
        stray = sum(int(count) for count in self._stray.values())
        if deviation != 0 or stray:
            raise ModelError(
                f"the edit of `{self._model.name}` did not take place as requested: what entered a "
                f"projection was up to {deviation:g} from what was wanted (infinite where NaN), and {stray:,} values "
                "of other neurons changed too; take other hooks off the model, or hand it over without its bridge"
            )
        values, changed = (sum(int(getattr(tally, name).sum()) for tally in tallies) for name in ("values", "changed"))
        return Proof(sum(self._calls.values()), values, changed, deviation)

    def changed(self, number: int) -> int:
        """Return how many values the edit of this number changed so far."""
        return sum(int(tally.changed[number]) for tally in self._tallies.values())

    def _see_tokens(self, _: Any, arguments: tuple[Any, ...]) -> None:
        """Note which places of the coming forward pass may be edited, and what is drawn for each."""
        ids: Tensor = arguments[0]
        if len(ids) != len(self._seeds):
            raise ModelError(
                f"`{self._model.name}` is run over {len(ids)} rows, and {len(self._seeds)} were announced to its edits"
            )
        places = np.arange(self._column, self._column + ids.shape[1]) - self._first[:, None]
        self._column += ids.shape[1]
        inside = torch.from_numpy(places >= 0).to(ids.device)
        self._editable = inside & ~torch.isin(ids, self._special.to(ids.device))
        self._draws = torch.from_numpy(draws_at(self._seeds, places)).to(ids.device)

    def _edit_in_bridge(self, layer: int, activations: Tensor, hook: Any) -> Tensor:  # TransformerLens names it `hook`.
        return self._edit(layer, activations)

    def _edit_input(self, layer: int, _: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._edit(layer, arguments[0]), *arguments[1:])

    def _edit(self, layer: int, activations: Tensor) -> Tensor:
        """Return the activations of a site with its neurons edited, and note what was wanted."""
        if not (batch := self._batch.get(layer)):  # No row is edited here.
            return activations
        device = activations.device
        editable, draws = self._editable.to(device), self._draws.to(device)
        # OPT flattens the batch before its MLP, and a bridge does not flatten the heads.
        unedited = activations.detach().reshape(*editable.shape, -1)
        if self._model.bridge is not None:
            self.atlas.check_width(self._model, layer, unedited.shape[-1], self.atlas.neurons)
        out, wanted_of = unedited.clone(), []
        tally = self._tallies.get(layer) or _Tally.empty(len(self.edits), device)
        for part in batch:
            before, places = part.of(unedited), editable[part.rows]
            wanted = part.edit.of(before, Reference(part.controls, draws[part.rows]))
            wanted = torch.where(part.edited[:, None, :] & places[..., None], wanted, before)
            part.put(wanted, out)
            wanted_of.append((part, wanted))
            # Not in place: a tensor made in inference mode may not be changed outside of it.
            values = places.sum(dim=1) * part.edited.sum(dim=1)
            changed = (wanted != before).sum(dim=(1, 2))
            tally = tally._replace(
                values=tally.values.index_add(0, part.numbers, values),
                changed=tally.changed.index_add(0, part.numbers, changed),
            )
        self._tallies[layer], self._running[layer] = tally, (unedited, wanted_of)
        return out.view_as(activations)

    def _read_back(self, layer: int, _: Any, arguments: tuple[Any, ...], __: Any) -> None:
        """Compare what entered a projection with what the edits wanted, and all other values with the unedited ones."""
        self._calls[layer] += 1
        if (
            layer not in self._running
        ):  # No edit came before it: where there should be one, the proof misses its values.
            return
        unedited, wanted_of = self._running.pop(layer)
        entered = arguments[0].detach().reshape(unedited.shape)
        stray = (entered != unedited).sum()
        for part, wanted in wanted_of:
            values = part.of(entered)
            stray = stray - (values != part.of(unedited)).sum()
            # NaN is as far off as can be: a maximum alone would keep it, and no comparison would find it.
            deviation = (values.double() - wanted.double()).abs().nan_to_num(nan=torch.inf).amax(dim=(1, 2))
            tally = self._tallies[layer]
            furthest = tally.deviation.scatter_reduce(0, part.numbers, deviation, "amax")
            self._tallies[layer] = tally._replace(deviation=furthest)
        self._stray[layer] = self._stray.get(layer, torch.zeros_like(stray)) + stray
