import re
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from neurosieve import Intervention, Reference
from neurosieve.testing import INTERVENTION_CHECKS, PLUGIN_CHECKS, check_intervention


@dataclass(frozen=True)
class Sound(Intervention):
    """Half of it, and what was held somewhere else."""

    def edit(self, activations: Tensor, reference: Reference) -> Tensor:
        rows = (reference.draws.double() * len(reference.controls)).long()
        return activations / 2 + reference.controls[rows]


@dataclass(frozen=True)
class Narrow(Sound):
    """One number a position."""

    def edit(self, activations: Tensor, reference: Reference) -> Tensor:
        return super().edit(activations, reference).sum(dim=-1)


@dataclass(frozen=True)
class Counting(Sound):
    """Whole numbers."""

    def edit(self, activations: Tensor, reference: Reference) -> Tensor:
        return super().edit(activations, reference).long()


@dataclass(frozen=True)
class Standardising(Sound):
    """Shares of the usual range, of one control position too."""

    def edit(self, activations: Tensor, reference: Reference) -> Tensor:
        return activations / (reference.controls.amax(dim=0) - reference.controls.amin(dim=0))


@dataclass(frozen=True)
class Centring(Sound):
    """Activations without their mean over the text."""

    def edit(self, activations: Tensor, reference: Reference) -> Tensor:
        return activations - activations.mean(dim=1, keepdim=True).nan_to_num()


@dataclass(frozen=True)
class Mixing(Sound):
    """Neurons that take over from each other."""

    def edit(self, activations: Tensor, reference: Reference) -> Tensor:
        return activations.roll(1, dims=-1)


@dataclass(frozen=True)
class Whimsical(Sound):
    """Noise by a chance of its own."""

    chance: ClassVar[torch.Generator] = torch.Generator().manual_seed(0)

    def edit(self, activations: Tensor, reference: Reference) -> Tensor:
        return activations + torch.rand(1, generator=self.chance)


@dataclass(frozen=True)
class Scribbling(Sound):
    """An edit in place."""

    def edit(self, activations: Tensor, reference: Reference) -> Tensor:
        return activations.mul_(0.5)


@dataclass(frozen=True)
class Sorting(Sound):
    """Controls that are put in order, and stay so."""

    def edit(self, activations: Tensor, reference: Reference) -> Tensor:
        reference.controls.copy_(reference.controls.sort(dim=0).values)
        return activations.clamp(reference.controls[0], reference.controls[-1])


@dataclass(frozen=True)
class Rounding(Sound):
    """A row of the controls that may be one too far."""

    def edit(self, activations: Tensor, reference: Reference) -> Tensor:
        rows = torch.round(reference.draws * len(reference.controls)).long()
        return reference.controls[rows]


ALL = {check.__name__ for check in INTERVENTION_CHECKS if check not in PLUGIN_CHECKS}
FINITE, POSITION = "it_returns_a_finite_number_for_each_activation", "each_position_is_edited_by_itself"
NEURON, DRAWS = "each_neuron_is_edited_by_itself", "the_same_draws_give_the_same_edit"
ALONE = "editing_leaves_what_it_is_given_alone"

BROKEN = [
    (Narrow(), ALL - {ALONE}, r"torch.float32 of shape \(3, 5\) .* of the activations, \(3, 5, 4\)"),
    (Counting(), ALL - {ALONE}, "torch.int64 of shape"),
    (Standardising(), {FINITE}, "makes 40 of 40 numbers NaN or infinite as it edits a single control position"),
    (Centring(), {POSITION}, "by itself"),
    (Mixing(), {NEURON}, "edits neuron 0 of three rows of five positions differently by itself"),
    (Whimsical(), {POSITION, NEURON, DRAWS}, "differently|by itself"),
    (Scribbling(), {ALONE}, "changes `activations` as it edits three rows"),
    (Sorting(), {ALONE}, "changes `reference.controls`"),
    (Rounding(), ALL, "raises IndexError as it edits"),
]


@pytest.mark.parametrize(("intervention", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_an_intervention_that_breaks_a_promise_fails_the_checks_of_that_promise(
    intervention: Intervention, checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(INTERVENTION_CHECKS, intervention)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed
    with pytest.raises(AssertionError, match=message):
        check_intervention(intervention)


def test_every_check_has_an_intervention_that_fails_it() -> None:
    assert set().union(*(checks for _, checks, _ in BROKEN)) == ALL


def test_an_intervention_that_keeps_its_promises_passes() -> None:
    check_intervention(Sound())
