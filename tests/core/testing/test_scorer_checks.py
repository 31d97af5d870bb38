import re
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor

from neurosieve import Batch, Scorer, Scores, Statistic
from neurosieve.testing import PLUGIN_CHECKS, SCORER_CHECKS, check_scorer
from neurosieve.testing.declarations import DECLARATION_CHECKS
from neurosieve.testing.inference import INFERENCE_CHECKS


class Sums(NamedTuple):
    """How many positions there are, and their sum, by label, 0 and 1, and by behaviour."""

    count: Tensor
    total: Tensor


@dataclass(frozen=True)
class Totals(Statistic[Any]):
    """Count and sum."""

    below: int = 0
    known: ClassVar[dict[int, Tensor]] = {}

    def empty(self, behaviours: int, neurons: int) -> Any:
        return Sums(torch.zeros(2, behaviours, 1), torch.zeros(2, behaviours, neurons))

    def update(self, state: Any, batch: Batch) -> Any:
        control = (batch.labels <= 0) & (batch.labels >= self.below)
        weight = torch.stack([control, batch.labels == 1]).float().transpose(1, 2)
        return self.merge(state, Sums(weight.sum(dim=2, keepdim=True), weight @ batch.activations))

    def merge(self, left: Any, right: Any) -> Any:
        state = Sums(left.count + right.count, left.total + right.total)
        self.known[id(state.total)] = state.total
        return state


@dataclass(frozen=True)
class Hasty(Totals):
    """Count and sum of all but what is merged in."""

    def merge(self, left: Any, right: Any) -> Any:
        return super().merge(left, right._replace(count=right.count.clamp(max=100)))


@dataclass(frozen=True, eq=False)
class Unequal(Totals):
    """Count and sum, equal to itself alone."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


class Rows(NamedTuple):
    """The positions."""

    activations: Tensor
    labels: Tensor


@dataclass(frozen=True)
class InOrder(Statistic[Any]):
    """The positions as they came."""

    def empty(self, behaviours: int, neurons: int) -> Any:
        return Rows(torch.zeros(0, neurons), torch.zeros(0, behaviours, dtype=torch.int8))

    def update(self, state: Any, batch: Batch) -> Any:
        return self.merge(state, Rows(batch.activations, batch.labels))

    def merge(self, left: Any, right: Any) -> Any:
        return Rows(*(torch.cat(both) for both in zip(left, right, strict=True)))


@dataclass(frozen=True)
class Sound(Scorer[Any]):
    """Mean present activation less mean control activation."""

    @property
    def statistic(self) -> Statistic[Any]:
        return Totals()

    def compute(self, state: Any) -> Scores:
        return Scores(self.gap(state), details={"count": state.count.sum(dim=0).expand(state.total.shape[1:])})

    def gap(self, state: Any) -> Tensor:
        control, present = state.total / state.count
        return present - control


@dataclass(frozen=True)
class OnHasty(Sound):
    """The difference, from sums that break their law."""

    @property
    def statistic(self) -> Statistic[Any]:
        return Hasty()


@dataclass(frozen=True)
class OnUnequal(Sound):
    """The difference, from sums that are never shared."""

    @property
    def statistic(self) -> Statistic[Any]:
        return Unequal()


@dataclass(frozen=True)
class Whole(Sound):
    """The difference, in whole numbers."""

    def compute(self, state: Any) -> Any:
        return Scores(self.gap(state).nan_to_num().int())


@dataclass(frozen=True)
class Flat(Sound):
    """The difference of the first behaviour alone."""

    def compute(self, state: Any) -> Any:
        return Scores(self.gap(state)[:1])


@dataclass(frozen=True)
class Thin(Sound):
    """The difference, with details of the first neuron alone."""

    def compute(self, state: Any) -> Any:
        return Scores(self.gap(state), details={"first": self.gap(state)[:, :1]})


@dataclass(frozen=True)
class Naked(Sound):
    """The difference as a bare tensor."""

    def compute(self, state: Any) -> Any:
        return self.gap(state)


@dataclass(frozen=True)
class FirstPresent(Sound):
    """The activation at whichever present position came first."""

    @property
    def statistic(self) -> Statistic[Any]:
        return InOrder()

    def compute(self, state: Any) -> Scores:
        value = torch.full((state.labels.shape[1], state.activations.shape[1]), torch.nan)
        for behaviour, labels in enumerate(state.labels.T):
            if bool((labels == 1).any()) and bool((labels == 0).any()):
                # A little of the first, much of the mean: enough to lead with.
                value[behaviour] = 0.1 * state.activations[labels == 1][0]
                value[behaviour] += state.activations[labels == 1].mean(0) - state.activations[labels == 0].mean(0)
        return Scores(value)


@dataclass(frozen=True)
class Knowing(Sound):
    """The difference, of sums that this process made."""

    def compute(self, state: Any) -> Scores:
        known = Totals.known.get(id(state.total)) is state.total or not state.total.any()
        return Scores(self.gap(state) + (0 if known else 1))


@dataclass(frozen=True)
class Consuming(Sound):
    """The difference, computed in the state's own memory."""

    def compute(self, state: Any) -> Scores:
        state.total.div_(state.count)
        return Scores(state.total[1] - state.total[0])


@dataclass(frozen=True)
class Growing(Sound):
    """The difference, and a little more each time."""

    times: ClassVar[list[int]] = [0]

    def compute(self, state: Any) -> Scores:
        self.times[0] += 1
        return Scores(self.gap(state) + self.times[0])


@dataclass(frozen=True)
class Blind(Sound):
    """Nothing, of everything."""

    def compute(self, state: Any) -> Scores:
        return Scores(self.gap(state) * 0)


@dataclass(frozen=True)
class Misplaced(Sound):
    """The difference from ten, which is said to be at chance level where it is 0."""

    def compute(self, state: Any) -> Scores:
        return Scores(10 - self.gap(state))


@dataclass(frozen=True)
class Placed(Sound):
    """The difference from ten, with a neutral score for each behaviour."""

    def compute(self, state: Any) -> Scores:
        return Scores(10 - self.gap(state), neutral=torch.full((state.total.shape[1], 1), 10.0))


@dataclass(frozen=True)
class Zeroing(Sound):
    """The difference, 0 where there is none."""

    def compute(self, state: Any) -> Scores:
        return Scores(self.gap(state).nan_to_num())


@dataclass(frozen=True)
class Spoiling(Sound):
    """The difference, of no behaviour unless of all."""

    def compute(self, state: Any) -> Scores:
        gap = self.gap(state)
        return Scores(gap if not gap.isnan().any() else gap * torch.nan)


@dataclass(frozen=True)
class Dividing(Sound):
    """The difference over one less than the number of present positions."""

    def compute(self, state: Any) -> Scores:
        return Scores(self.gap(state) / (state.count[1] - 1))


@dataclass(frozen=True)
class InfiniteDetail(Sound):
    """The difference, with the odds as a detail."""

    def compute(self, state: Any) -> Scores:
        return Scores(
            self.gap(state), details={"odds": (state.count[0] / state.count[1]).expand(state.total.shape[1:])}
        )


@dataclass(frozen=True)
class Centred(Sound):
    """The difference less that of all neurons."""

    def compute(self, state: Any) -> Scores:
        gap = self.gap(state)
        return Scores(gap - gap.mean(dim=1, keepdim=True))


@dataclass(frozen=True)
class JointlyCentred(Centred):
    """The difference less that of all neurons, and says so."""

    joint: ClassVar[bool] = True


@dataclass(frozen=True)
class AmongAll(Sound):
    """The difference from everything that is not present, of other comparisons too."""

    @property
    def statistic(self) -> Statistic[Any]:
        return Totals(below=-1)


CHECKS = tuple(check for check in SCORER_CHECKS if check not in DECLARATION_CHECKS)
ALL = {check.__name__ for check in CHECKS if check not in (*PLUGIN_CHECKS, *INFERENCE_CHECKS)}
STATISTIC, SHARDS, ORDER = (
    "its_statistic_keeps_its_contract",
    "shards_score_as_one_pass_does",
    "order_of_positions_does_not_matter",
)
BROKEN = [
    (OnHasty(), {STATISTIC, SHARDS}, r"Hasty\(.*batch by batch"),
    (OnUnequal(), {STATISTIC, "equal_scorers_share_a_statistic"}, "not equal to it|would be taken twice"),
    (Whole(), ALL - {STATISTIC}, "int32 of shape|TypeCheckError"),
    (Flat(), ALL - {STATISTIC}, r"of shape \(1, 6\) .* each of 2 behaviours and 6 neurons|of shape \(1, \d\)"),
    (Thin(), ALL - {STATISTIC}, r"`first` of Thin\(\) is .* shape \(2, 1\)|TypeCheckError"),
    (Naked(), ALL - {STATISTIC}, "which is not a `neurosieve.Scores`"),
    (FirstPresent(), {SHARDS, ORDER}, "depends on the order of positions|gives other scores"),
    (Knowing(), {"stored_states_score_the_same"}, "gives a stored state other scores: `value`"),
    (Consuming(), {"equal_scorers_share_a_statistic"}, "changes `total` of the state as it computes"),
    (
        Growing(),
        ALL - {STATISTIC, "every_neuron_is_scored", "a_planted_neuron_wins", "scores_are_never_infinite"},
        "other scores|differently|order of positions",
    ),
    (Blind(), {"a_planted_neuron_wins"}, r"where neuron 4 alone|neuron 4 alone fires more"),
    (Misplaced(), {"a_planted_neuron_wins"}, "where 0 is the chance level and neuron 4 alone fires more"),
    (Zeroing(), {"absence_is_nan"}, r"Zeroing\(\) scores .* without a present position: return nan"),
    (Spoiling(), {"absence_is_nan"}, "scores a behaviour differently when another is without a present position"),
    (Dividing(), {"scores_are_never_infinite"}, "inf.* of one present position: nan, never infinite"),
    (InfiniteDetail(), {"absence_is_nan"}, r"`details\['odds'\]` of .*inf.* without a present position: nan, never"),
    (Centred(), {"a_neuron_scores_as_it_does_alone"}, r"scores the neurons \[3\] differently alone .*joint = True"),
    (AmongAll(), {"a_behaviour_scores_as_it_does_alone"}, "scores behaviour 1 differently together with another"),
]


@pytest.mark.parametrize(("scorer", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_scorer_that_breaks_a_promise_fails_the_checks_of_that_promise(
    scorer: Scorer[Any], checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(CHECKS, scorer)
    assert failed.keys() == checks
    assert all(re.search(message, text) for text in failed.values()), failed
    with pytest.raises(AssertionError, match=message):
        check_scorer(scorer)


def test_every_check_has_a_scorer_that_fails_it() -> None:
    assert set().union(*(checks for _, checks, _ in BROKEN)) == ALL


@pytest.mark.parametrize("scorer", [Sound(), Placed(), JointlyCentred()])
def test_a_scorer_that_keeps_its_promises_passes(scorer: Scorer[Any]) -> None:
    check_scorer(scorer)
