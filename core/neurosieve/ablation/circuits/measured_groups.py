"""Groups of neurons edited together on given texts: the first of a ranking, their controls, and all others."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from neurosieve.ablation.circuits.group_effects import GroupEffects
from neurosieve.ablation.conditions import with_control_activations
from neurosieve.ablation.edit import Edit
from neurosieve.ablation.editing_hooks import Edits, Proof
from neurosieve.ablation.measured_tokens import MeasuredToken
from neurosieve.ablation.preparation import Preparation
from neurosieve.ablation.teacher_forcing import teacher_forced
from neurosieve.data import Neuron
from neurosieve.models.batches import batch_budget

__all__ = ["MeasuredGroups"]


class MeasuredGroups:
    """Edits groups of neurons, and tells what that does to the measured tokens of some texts."""

    def __init__(self, prepared: Preparation, announce: Callable[..., None]) -> None:
        self._prepared, self._announce = prepared, announce
        controls = ([match.neuron for match in matches] for matches in prepared.sets)
        self.sets: Mapping[int, Sequence[Neuron]] = dict(enumerate([prepared.neurons, *controls], -1))
        """The neurons in order, and each set of controls in the order of the neurons that they are for; by the number
        of the set, -1 for the neurons themselves."""
        [self.strength] = prepared.settings.doses(0)[1]
        self.name = ""
        """The name of the intervention."""
        self.counts = Counter[str]()
        """Forward passes and tokens so far."""
        self.proof = Proof(0, 0, 0, 0.0)
        """Of all edits so far."""
        self._unchanged = set[int]()
        self._activations: dict[Neuron, Float[Tensor, "controls"]] = {}

    def ablated(self, tokens: Sequence[MeasuredToken], groups: Sequence[tuple[int, int]]) -> GroupEffects:
        """Return the effects of editing groups of neurons, each the number of a set and how many of its first ones."""
        effects, edits = self._measured(tokens, [self.sets[number][:k] for number, k in groups])
        self._unchanged |= {k for edit, (number, k) in enumerate(groups) if number == -1 and not edits.changed(edit)}
        return effects

    def kept(self, tokens: Sequence[MeasuredToken], k: int) -> GroupEffects:
        """Return the effects of editing all neurons of the layers that hold the first `k`; then all but the first `k`
        of each set."""
        layers = sorted({neuron.layer for neuron in self.sets[-1][:k]})
        width = self._prepared.opened.atlas.neurons
        everything = [Neuron(layer, index) for layer in layers for index in range(width)]
        but = [set(neurons[:k]) for neurons in self.sets.values()]
        groups = [[neuron for neuron in everything if neuron not in spared] for spared in but]
        return self._measured(tokens, [everything, *groups])[0]

    def warnings(self) -> list[str]:
        """Return what a reader must know of the edits so far."""
        if not self._unchanged:
            return []
        doses = ", ".join(f"{k:,}" for k in sorted(self._unchanged))
        return [f"the {self.name} edit of the first {doses} neurons changed nothing: they have these values already"]

    def _measured(
        self, tokens: Sequence[MeasuredToken], groups: Sequence[Iterable[Neuron]]
    ) -> tuple[GroupEffects, Edits]:
        prepared, settings = self._prepared, self._prepared.settings
        members = [list(group) for group in groups]
        missing = {neuron for group in members for neuron in group} - self._activations.keys()
        self._activations |= with_control_activations(missing, prepared.at_controls)
        edits = Edits(
            prepared.opened.lm,
            prepared.opened.atlas,
            *(
                Edit(prepared.intervention, {neuron: self._activations[neuron] for neuron in group}, self.strength)
                for group in members
            ),
        )
        self.name = edits.edits[0].name
        budget = batch_budget(settings.tokens_per_batch, prepared.opened.lm)
        forced = teacher_forced(prepared.opened.lm, tokens, edits, settings.seed, budget, self._announce)
        self.counts.update(forward_passes=forced.forward_passes, tokens=forced.tokens)
        self.proof = self.proof.joined(edits.proof())
        draws, seed, min_groups = settings.interval_bootstraps, settings.seed, settings.min_groups
        return GroupEffects(forced, tokens, draws, seed, min_groups), edits
