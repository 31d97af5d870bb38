"""What statistics and scorers promise, which rate neurons."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from jaxtyping import Float
from torch import Tensor

from neurosieve.data import Batch, Contrast, Interval, Scores

__all__ = ["Scorer", "Statistic"]

S = TypeVar("S", bound=tuple[Any, ...])
"""A state: a NamedTuple of tensors, so that any state can be stored and sent."""


class Statistic(ABC, Generic[S]):
    """A summary of positions that can be taken in parts."""

    bounded: ClassVar[bool] = False
    """Whether the size of the state does not depend on the number of positions: a pass without a store needs that."""

    @abstractmethod
    def empty(self, behaviours: int, neurons: int) -> S:
        """Return the summary of nothing, the identity of `merge`."""

    @abstractmethod
    def update(self, state: S, batch: Batch) -> S:
        """Return `state` with `batch` added. May consume `state`, never `batch`."""

    @abstractmethod
    def merge(self, left: S, right: S) -> S:
        """Return the summary of what `left` and `right` summarise, which share no position. May consume both."""


class Scorer(ABC, Generic[S]):
    """Rates how well each neuron distinguishes presence from control.

    A `batch` holds positions of one behaviour, in one column of labels; every one of them is compared.
    """

    area: ClassVar[bool] = False
    """Whether the score is an AUC: 1 for a neuron that always fires more, 0 for its opposite, 0.5 at chance level."""

    between_documents: ClassVar[bool] = False
    """Whether its comparisons lie between documents: it has `contributions`, and its null flips the signs of whole
    groups. The null of any other scorer permutes labels within documents."""

    bounded: ClassVar[bool] = False
    """Whether its statistic is `bounded`, whatever its fields."""

    centred: ClassVar[bool] = True
    """Whether a neuron at chance level scores `neutral` on average, also on a small sample."""

    joint: ClassVar[bool] = False
    """Whether a neuron's score depends on the other neurons that are scored with it."""

    unit_free: ClassVar[bool] = False
    """Whether the score stays the same where all activations of a neuron are multiplied by one positive number, so
    that scores of what has different units can be compared. An `area` is, without saying so."""

    @property
    @abstractmethod
    def statistic(self) -> Statistic[S]:
        """The summary that `compute` needs. Scorers with equal statistics share one."""

    @abstractmethod
    def compute(self, state: S) -> Scores:
        """Return a score per behaviour and neuron: nan where undefined, never 0."""

    def contrast(self, batch: Batch) -> Contrast | None:
        """Return the score of `batch` as a function of sums over present positions, or None where it is not one.

        With it the permutation null is one matrix product; without it each column of labels is computed by itself. The
        labels that a null draws leave as many positions present in each group, or exchange all those of groups of one
        size.
        """
        return None

    def contributions(self, batch: Batch) -> Float[Tensor, "positions neurons"] | None:
        """Return what each position adds to the score of `batch` minus neutral; None unless `between_documents`.

        They sum to that difference. Each is a product: its label minus the expected label, times the neuron's value
        there minus the expected value. nan where the score is undefined.
        """
        return None

    def resampled(self, batch: Batch, weights: Float[Tensor, "draws positions"]) -> Scores | None:
        """Return the scores of `batch` under each line of `weights`, as if each line were a behaviour of its own.

        None where there is no fast way: positions are then repeated, draw by draw, which takes longer. `weights` is how
        many times each position counts in each draw. All positions of a group count as often: whole groups are drawn,
        and one that is drawn twice is two groups.
        """
        return None

    def interval(self, batch: Batch, confidence: float) -> Interval | None:
        """Return an interval of each neuron's score that allows for dependence among the positions of a group.

        None where there is no formula: whole groups are then resampled, which takes longer. `confidence` is how often
        such an interval holds the truth.
        """
        return None
