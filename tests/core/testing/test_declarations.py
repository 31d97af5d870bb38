"""A scorer whose class does not say the truth about it is caught."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from neurosieve import Batch, Moments, MomentsState, Rows, RowsState, Scorer, Scores
from neurosieve.testing import SCORER_CHECKS, check_scorer
from neurosieve.testing.declarations import DECLARATION_CHECKS


@dataclass(frozen=True)
class Difference(Scorer[MomentsState]):
    """Mean present activation less mean control activation."""

    bounded: ClassVar[bool] = True

    @property
    def statistic(self) -> Moments:
        return Moments()

    def compute(self, state: MomentsState) -> Scores:
        defined = (state.positions > 0).all(dim=0).unsqueeze(-1)
        return Scores((state.mean[1] - state.mean[0]).where(defined, torch.nan))


@dataclass(frozen=True)
class SaidAnArea(Difference):
    """The difference, said to be an AUC."""

    area: ClassVar[bool] = True


@dataclass(frozen=True)
class SaidUnitFree(Difference):
    """The difference, said not to depend on the unit of the activations."""

    unit_free: ClassVar[bool] = True


@dataclass(frozen=True)
class SaidUnbounded(Difference):
    """The difference, said to need every row."""

    bounded: ClassVar[bool] = False


@dataclass(frozen=True)
class SaidBetweenDocuments(Difference):
    """The difference, said to have contributions."""

    between_documents: ClassVar[bool] = True


@dataclass(frozen=True)
class Contributing(Difference):
    """The difference, with contributions that its class does not declare."""

    def contributions(self, batch: Batch) -> Tensor:
        present = (batch.labels == 1).float()
        share = present / present.sum() - (1 - present) / (1 - present).sum()
        return share * (batch.activations - batch.activations.mean(dim=0))


@dataclass(frozen=True)
class Pairs(Scorer[RowsState]):
    """The share of pairs that a neuron puts in order: an AUC that its class does not declare."""

    @property
    def statistic(self) -> Rows:
        return Rows()

    def compute(self, state: RowsState) -> Scores:
        values = []
        for behaviour in range(state.labels.shape[1]):
            present, control = state.compared(behaviour)
            difference = present[:, None] - control[None]
            values.append((difference.sign() / 2 + 0.5).flatten(0, 1).mean(dim=0))
        return Scores(torch.stack(values), neutral=0.5)


@dataclass(frozen=True)
class SaidBounded(Pairs):
    """The share of pairs, said to be bounded."""

    area: ClassVar[bool] = True
    bounded: ClassVar[bool] = True


BROKEN: Mapping[Scorer[Any], tuple[str, str]] = {
    SaidAnArea(): ("an_area_is_declared", "`area = True`, and scores .1.0, -1.0, 0.0. where an AUC is"),
    Pairs(): ("an_area_is_declared", "`area = False`, and scores .1.0, 0.0, 0.5. where an AUC is"),
    SaidUnitFree(): (
        "what_is_unit_free_does_not_depend_on_the_unit",
        "`unit_free = True`, and scores .* where activations are 8 times as large",
    ),
    SaidUnbounded(): ("the_bound_of_its_statistic_is_declared", "`bounded = False`, and that of its statistic is True"),
    SaidBounded(): ("the_bound_of_its_statistic_is_declared", "`bounded = True`, and that of its statistic is False"),
    SaidBetweenDocuments(): ("contributions_are_declared", "`between_documents = True`, .* are None"),
    Contributing(): ("contributions_are_declared", "`between_documents = False`, .* are not None"),
}


@pytest.mark.parametrize("scorer", BROKEN, ids=lambda scorer: type(scorer).__name__)
def test_a_class_that_does_not_say_the_truth_fails_that_check_alone(scorer: Scorer[Any], failures: Any) -> None:
    check, message = BROKEN[scorer]
    assert failures(SCORER_CHECKS, scorer).keys() == {check}
    with pytest.raises(AssertionError, match=message):
        check_scorer(scorer)


def test_every_check_has_a_scorer_that_fails_it() -> None:
    assert {check for check, _ in BROKEN.values()} == {check.__name__ for check in DECLARATION_CHECKS}


def test_a_class_that_says_the_truth_passes() -> None:
    check_scorer(Difference())
