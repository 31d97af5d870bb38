"""The checks of a contrast and an interval, each on a scorer that breaks it."""

import math
import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor

from neurosieve import Batch, Contrast, Interval, Scorer, Scores, Statistic
from neurosieve.testing import SCORER_CHECKS, check_scorer
from neurosieve.testing.inference import INFERENCE_CHECKS


class Sums(NamedTuple):
    """How many positions there are, and their sum, by label, 0 and 1, and by behaviour."""

    count: Tensor
    total: Tensor


@dataclass(frozen=True)
class Totals(Statistic[Any]):
    """Count and sum."""

    def empty(self, behaviours: int, neurons: int) -> Any:
        return Sums(torch.zeros(2, behaviours, 1), torch.zeros(2, behaviours, neurons))

    def update(self, state: Any, batch: Batch) -> Any:
        weight = torch.stack([batch.labels == 0, batch.labels == 1]).float().transpose(1, 2)
        return self.merge(state, Sums(weight.sum(dim=2, keepdim=True), weight @ batch.activations))

    def merge(self, left: Any, right: Any) -> Any:
        return Sums(left.count + right.count, left.total + right.total)


@dataclass(frozen=True)
class Sound(Scorer[Any]):
    """Mean present activation less mean control activation."""

    @property
    def statistic(self) -> Statistic[Any]:
        return Totals()

    def compute(self, state: Any) -> Scores:
        control, present = state.total / state.count
        return Scores(present - control)

    def contrast(self, batch: Batch) -> Contrast | None:
        total, present = len(batch.labels), int((batch.labels == 1).sum())
        pairs = present * (total - present)
        factor = total / pairs if pairs else math.nan
        return Contrast(batch.activations - batch.activations.mean(dim=0), lambda sums: sums * factor)

    def resampled(self, batch: Batch, weights: Tensor) -> Scores | None:
        means = []
        for label in (0, 1):
            times = weights * (batch.labels[:, 0] == label)
            means.append(times @ batch.activations / times.sum(dim=1, keepdim=True))
        return Scores(means[1] - means[0])

    def interval(self, batch: Batch, confidence: float) -> Interval | None:
        present = batch.labels == 1
        m, n = int(present.sum()), int((~present).sum())
        if not (m and n):
            nothing = torch.full(batch.activations.shape[1:], torch.nan)
            return Interval(nothing, nothing.clone())
        x = batch.activations.double()
        means = (x * present).sum(dim=0) / m, (x * ~present).sum(dim=0) / n
        share = torch.where(present, (x - means[0]) / m, (means[1] - x) / n)
        names, number = torch.unique(batch.groups, return_inverse=True)
        sums = torch.zeros(len(names), x.shape[1], dtype=torch.float64).index_add_(0, number, share)
        spread = torch.special.ndtri(torch.tensor((1 + confidence) / 2)) * sums.square().sum(dim=0).sqrt()
        return Interval(means[0] - means[1] - spread, means[0] - means[1] + spread)


@dataclass(frozen=True)
class Plain(Sound):
    """The difference, with neither a contrast nor an interval, nor a quick way to resamples."""

    def contrast(self, batch: Batch) -> Contrast | None:
        return None

    def resampled(self, batch: Batch, weights: Tensor) -> Scores | None:
        return None

    def interval(self, batch: Batch, confidence: float) -> Interval | None:
        return None


@dataclass(frozen=True)
class Elsewhere(Sound):
    """The difference, to which positions contribute something else."""

    between_documents: ClassVar[bool] = True

    def contributions(self, batch: Batch) -> Any:
        return batch.activations / len(batch.labels)


@dataclass(frozen=True)
class Bare(Sound):
    """The difference, with a bare matrix for a contrast."""

    def contrast(self, batch: Batch) -> Any:
        return super().contrast(batch).values  # type: ignore[union-attr]


@dataclass(frozen=True)
class Short(Sound):
    """The difference, with a contrast of the present positions alone."""

    def contrast(self, batch: Batch) -> Any:
        contrast = super().contrast(batch)
        assert contrast is not None
        return contrast._replace(values=contrast.values[batch.labels[:, 0] == 1])


@dataclass(frozen=True)
class Raw(Sound):
    """The difference, with a contrast of activations that are not about their mean."""

    def contrast(self, batch: Batch) -> Any:
        return super().contrast(batch)._replace(values=batch.activations)  # type: ignore[union-attr]


@dataclass(frozen=True)
class Prejudiced(Sound):
    """The difference, with a contrast that scores the true labels whatever it is asked."""

    def contrast(self, batch: Batch) -> Any:
        contrast = super().contrast(batch)
        assert contrast is not None
        true = (batch.labels == 1).T.float() @ contrast.values
        return contrast._replace(score=lambda sums: contrast.score(true).expand(sums.shape))


@dataclass(frozen=True)
class Defined(Sound):
    """The difference, with a contrast that is 0 where a class is absent."""

    def contrast(self, batch: Batch) -> Any:
        contrast = super().contrast(batch)
        assert contrast is not None
        return contrast._replace(score=lambda sums: contrast.score(sums).nan_to_num())


@dataclass(frozen=True)
class Writing(Sound):
    """The difference, with a contrast that is made in the batch's own memory."""

    def contrast(self, batch: Batch) -> Any:
        contrast = super().contrast(batch)
        batch.activations.sub_(batch.activations.mean(dim=0))
        return contrast


@dataclass(frozen=True)
class Failing(Sound):
    """The difference, without a contrast worth its name."""

    def contrast(self, batch: Batch) -> Any:
        raise RuntimeError("no idea")


@dataclass(frozen=True)
class Once(Sound):
    """The difference, in whose resamples each position counts once or not at all."""

    def resampled(self, batch: Batch, weights: Tensor) -> Any:
        return super().resampled(batch, weights.clamp(max=1))


@dataclass(frozen=True)
class Matrix(Sound):
    """The difference, with a bare matrix for the scores of resamples."""

    def resampled(self, batch: Batch, weights: Tensor) -> Any:
        return super().resampled(batch, weights).value  # type: ignore[union-attr]


@dataclass(frozen=True)
class Scribbling(Sound):
    """The difference, whose resamples are taken in the batch's own memory."""

    def resampled(self, batch: Batch, weights: Tensor) -> Any:
        batch.activations.sub_(batch.activations.mean(dim=0))
        return super().resampled(batch, weights)


@dataclass(frozen=True)
class Ends(Sound):
    """The difference, with a bare tuple for an interval."""

    def interval(self, batch: Batch, confidence: float) -> Any:
        return tuple(super().interval(batch, confidence))  # type: ignore[arg-type]


@dataclass(frozen=True)
class HalfOpen(Sound):
    """The difference, with an interval that has no upper end."""

    def interval(self, batch: Batch, confidence: float) -> Any:
        low, high = super().interval(batch, confidence)  # type: ignore[misc]
        return Interval(low, high * torch.inf)


@dataclass(frozen=True)
class OneEnded(Sound):
    """The difference, with an interval that has its lower end alone."""

    def interval(self, batch: Batch, confidence: float) -> Any:
        low, high = super().interval(batch, confidence)  # type: ignore[misc]
        return Interval(low, high * torch.nan)


@dataclass(frozen=True)
class Beside(Sound):
    """The difference, with an interval beside it."""

    def interval(self, batch: Batch, confidence: float) -> Any:
        low, high = super().interval(batch, confidence)  # type: ignore[misc]
        return Interval(low + 2, high + 2)


@dataclass(frozen=True)
class Mute(Sound):
    """The difference, with an interval that is never defined."""

    def interval(self, batch: Batch, confidence: float) -> Any:
        return Interval(*(end * torch.nan for end in super().interval(batch, confidence)))  # type: ignore[union-attr]


@dataclass(frozen=True)
class Unsure(Sound):
    """The difference, with an interval that is the narrower the more confident it is to be."""

    def interval(self, batch: Batch, confidence: float) -> Any:
        return super().interval(batch, 1.2 - confidence)


@dataclass(frozen=True)
class Bold(Sound):
    """The difference, with an interval where there is none."""

    def interval(self, batch: Batch, confidence: float) -> Any:
        return Interval(*(end.nan_to_num() for end in super().interval(batch, confidence)))  # type: ignore[union-attr]


@dataclass(frozen=True)
class Shaky(Sound):
    """The difference, with an interval that depends on what came first."""

    def interval(self, batch: Batch, confidence: float) -> Any:
        low, high = super().interval(batch, confidence)  # type: ignore[misc]
        return Interval(low - 0.1 * batch.activations[0].abs(), high)


@dataclass(frozen=True)
class Naive(Sound):
    """The difference, with an interval that takes positions to be independent."""

    def interval(self, batch: Batch, confidence: float) -> Any:
        return super().interval(replace(batch, groups=torch.arange(len(batch.labels))), confidence)


ALL = {check.__name__ for check in INFERENCE_CHECKS}
CONTRAST, RESAMPLES, HOLDS, ORDER, GROUPS = (
    "a_contrast_scores_as_computing_does",
    "resamples_score_as_repeated_positions_do",
    "an_interval_holds_the_score",
    "an_interval_does_not_depend_on_order",
    "an_interval_knows_groups",
)
BROKEN = [
    (Elsewhere(), {"contributions_sum_to_the_effect"}, "sum to .*, and its score is .* from its chance level"),
    (Bare(), {CONTRAST}, "return a `neurosieve.Contrast`|TypeCheckError"),
    (Short(), {CONTRAST}, r"of the shape of the activations, \(240, 6\)"),
    (
        Raw(),
        {CONTRAST},
        "positions of one behaviour differently: .* and otherwise .* at number 1 of 21 arrangements",
    ),
    (Prejudiced(), {CONTRAST}, "and otherwise .*, at number 2 of 21 arrangements"),
    (Defined(), {CONTRAST}, "scores positions without a present one differently"),
    (Writing(), {CONTRAST}, "changes `activations` as it makes a contrast"),
    (Failing(), {CONTRAST}, "raises RuntimeError as it makes a contrast of positions of one behaviour: no idea"),
    (
        Once(),
        {RESAMPLES},
        "from groups that are repeated: .*, and otherwise .*, at number 1 of 20 resamples",
    ),
    (Matrix(), {RESAMPLES}, "return `neurosieve.Scores`|TypeCheckError"),
    (Scribbling(), {RESAMPLES}, "changes `activations` as it scores resamples"),
    (Ends(), {HOLDS, ORDER, GROUPS}, "return a `neurosieve.Interval`|TypeCheckError"),
    (HalfOpen(), {HOLDS, ORDER, GROUPS}, "none of them infinite"),
    (OneEnded(), {HOLDS, ORDER, GROUPS}, "both nan where it is undefined"),
    (Beside(), {HOLDS}, "its interval is from .* to .* at a confidence of 0.5"),
    (Mute(), {HOLDS}, "its interval is from .*nan"),
    (Unsure(), {HOLDS}, "at a confidence of 0.95, no wider than at less"),
    (Bold(), {HOLDS}, "of positions without a present one: return nan"),
    (Shaky(), {ORDER}, "of the same positions in another order, and otherwise"),
    (Naive(), {GROUPS}, "a group's positions are not independent"),
]


@pytest.mark.parametrize(("scorer", "checks", "message"), BROKEN, ids=lambda value: type(value).__name__)
def test_a_scorer_that_breaks_a_promise_fails_the_checks_of_that_promise(
    scorer: Scorer[Any], checks: set[str], message: str, failures: Any
) -> None:
    failed = failures(SCORER_CHECKS, scorer)
    assert failed.keys() == checks
    assert all(re.search(message, text, re.DOTALL) for text in failed.values()), failed


def test_every_check_has_a_scorer_that_fails_it() -> None:
    assert set().union(*(checks for _, checks, _ in BROKEN)) == ALL


@pytest.mark.parametrize("scorer", [Sound(), Plain()])
def test_a_scorer_that_keeps_its_promises_passes(scorer: Scorer[Any]) -> None:
    check_scorer(scorer)
