"""What an intervention promises."""

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from neurosieve.contracts import Intervention
from neurosieve.data import Reference
from neurosieve.testing.plugins import PLUGIN_CHECKS, Check, checker, require, shown, trying, unchanged

__all__ = ["INTERVENTION_CHECKS", "check_intervention"]


class _Case(NamedTuple):
    """Activations to edit."""

    what: str
    activations: Tensor
    reference: Reference


def _case(what: str, batch: int, positions: int, neurons: int, controls: int, spread: float = 1.0) -> _Case:
    generator = torch.Generator().manual_seed(11)
    usual = torch.linspace(-2, 3, neurons)
    at_controls = torch.randn(controls, neurons, generator=generator) * spread + usual
    activations = torch.randn(batch, positions, neurons, generator=generator) * 2 + usual
    return _Case(what, activations, Reference(at_controls, torch.rand(batch, positions, generator=generator)))


def _cases() -> list[_Case]:
    last = 1 - 2.0**-24  # The largest float32 below 1.
    ordinary = _case("three rows of five positions", batch=3, positions=5, neurons=4, controls=50)
    extreme = _case("positions whose draws are the least and the largest", 1, 2, 4, controls=50)
    drawn = extreme.reference._replace(draws=torch.tensor([[0.0, last]]))
    return [
        ordinary,
        extreme._replace(reference=drawn),
        _case("one position of a cached step", batch=3, positions=1, neurons=4, controls=50),
        _case("one neuron", batch=2, positions=5, neurons=1, controls=50),
        _case("a single control position", batch=2, positions=5, neurons=4, controls=1),
        _case("neurons that are the same at every control position", 2, 5, 4, controls=9, spread=0.0),
        _case("no position", batch=2, positions=0, neurons=4, controls=50),
    ]


def _edited(intervention: Intervention, case: _Case) -> Tensor:
    with trying(intervention, f"as it edits {case.what}"):
        edited = intervention.edit(case.activations.clone(), Reference(*(t.clone() for t in case.reference)))
    what = f"{edited.dtype} of shape {tuple(edited.shape)}" if isinstance(edited, Tensor) else shown(edited)
    require(
        isinstance(edited, Tensor) and edited.shape == case.activations.shape and edited.is_floating_point(),
        f"{shown(intervention)} returns {what} as it edits {case.what}: return floating-point numbers of the shape "
        f"of the activations, {tuple(case.activations.shape)}",
    )
    return edited


def it_returns_a_finite_number_for_each_activation(intervention: Intervention) -> None:
    """Assert that what is returned has the shape of the activations, and holds neither NaN nor infinity."""
    for case in _cases():
        edited = _edited(intervention, case)
        wrong = int((~torch.isfinite(edited)).sum())
        numbers = f"{wrong} of {edited.numel()} numbers"
        require(not wrong, f"{shown(intervention)} makes {numbers} NaN or infinite as it edits {case.what}")


def each_position_is_edited_by_itself(intervention: Intervention) -> None:
    """Assert that neither other rows nor other positions matter: a cached step must do what a whole text does."""
    for case in _cases():
        edited = _edited(intervention, case)
        for row, position in product(*map(range, edited.shape[:2])):
            place = slice(row, row + 1), slice(position, position + 1)
            reference = case.reference._replace(draws=case.reference.draws[place])
            alone = _edited(intervention, _Case(f"a position of {case.what}", case.activations[place], reference))
            require(
                torch.allclose(alone, edited[place], rtol=1e-5, atol=1e-6),
                f"{shown(intervention)} makes position {position} of row {row} {shown(edited[place].tolist())} "
                f"among {case.what}, and {shown(alone.tolist())} by itself",
            )


def each_neuron_is_edited_by_itself(intervention: Intervention) -> None:
    """Assert that which other neurons are edited along with a neuron does not matter to it."""
    for case in _cases():
        edited = _edited(intervention, case)
        for neuron in range(case.activations.shape[2]):
            column = [neuron]
            reference = case.reference._replace(controls=case.reference.controls[:, column])
            alone = _edited(intervention, _Case(f"one neuron of {case.what}", case.activations[..., column], reference))
            same = torch.allclose(alone, edited[..., column], rtol=1e-5, atol=1e-6)
            require(same, f"{shown(intervention)} edits neuron {neuron} of {case.what} differently by itself")


def the_same_draws_give_the_same_edit(intervention: Intervention) -> None:
    """Assert that chance comes from `draws` alone, and that what was edited before does not matter."""
    fresh = [_edited(intervention, case) for case in _cases()]
    for case, first in reversed(list(zip(_cases(), fresh, strict=True))):
        same = torch.equal(first, _edited(intervention, case))
        require(same, f"{shown(intervention)} edits {case.what} differently the second time")


def editing_leaves_what_it_is_given_alone(intervention: Intervention) -> None:
    """Assert that the activations and the reference are the same afterwards: the proof of the edit compares them."""
    for case in _cases():
        tensors = {f"reference.{name}": tensor for name, tensor in case.reference._asdict().items()}
        tensors["activations"] = case.activations
        doing = f"as it edits {case.what}"
        with unchanged(intervention, tensors, f"{doing}: edit a copy"), trying(intervention, doing):
            intervention.edit(case.activations, case.reference)


INTERVENTION_CHECKS: tuple[Check, ...] = (
    *PLUGIN_CHECKS,
    it_returns_a_finite_number_for_each_activation,
    each_position_is_edited_by_itself,
    each_neuron_is_edited_by_itself,
    the_same_draws_give_the_same_edit,
    editing_leaves_what_it_is_given_alone,
)
check_intervention = checker(INTERVENTION_CHECKS)
