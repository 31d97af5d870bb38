"""What each kind of plugin promises. A plugin is a frozen dataclass: its fields are its configuration."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from neurosieve.data import (
    Batch,
    Contrast,
    Document,
    Interval,
    Present,
    Problem,
    Reference,
    Scope,
    Scores,
    Site,
    Skipped,
    Span,
    TokenizedDocument,
    Verdict,
)

__all__ = [
    "Control",
    "Detector",
    "Executor",
    "Grader",
    "Intervention",
    "Problems",
    "Readable",
    "Reading",
    "Report",
    "Scorer",
    "Source",
    "Statistic",
]

S = TypeVar("S", bound=tuple[Any, ...])
"""A state: a NamedTuple of tensors, so that any state can be stored and sent."""


class Source(ABC):
    """Where documents come from."""

    @abstractmethod
    def __iter__(self) -> Iterator[Document | Skipped]:
        """Yield the documents, the same ones in the same order each time, and what was skipped in its place."""

    def shard(self, rank: int, world_size: int) -> "Source":
        """Return the `rank`-th of `world_size` parts: together they hold every document once."""
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is {rank}: it must be at least 0 and below world_size, {world_size}")
        return _Shard(self, rank, world_size)


@dataclass(frozen=True)
class _Shard(Source):
    """Every `world_size`-th document of a source."""

    source: Source
    rank: int
    world_size: int

    def __iter__(self) -> Iterator[Document | Skipped]:
        return islice(iter(self.source), self.rank, None, self.world_size)


class Detector(ABC):
    """Says where in a document a behaviour shows, in characters: it does not see tokens.

    A detector that can look elsewhere than in what the model wrote has a field `scope`.
    """

    whole_texts: ClassVar[bool] = False
    """Whether it labels whole texts. What it yields as near-misses are then texts of which it is not known whether
    they show the behaviour, and the label of such a near-miss says why."""

    scope: Scope = "completion"
    """Where it looks, and where its controls are taken from: spans elsewhere are counted and left out."""

    @abstractmethod
    def detect(self, document: Document) -> Iterable[Span]:
        """Yield where the behaviour shows, in characters of `document.text`, in any order."""

    def near_misses(self, document: Document) -> Iterable[Span]:
        """Yield what is nearly the behaviour as far as the detector can see, in any order.

        A run counts it and shows an example, and takes no control there: it may well be what is looked for.
        """
        return ()

    def check(self, documents: Sequence[Document | TokenizedDocument]) -> None:  # noqa: B027  # Most have nothing to do.
        """Raise where the settings fit none of the documents of a run, such as a field that no record has.

        A run calls it once all documents are read, and again for those that it replicates on, where it ends the run
        only if no behaviour shows. A pass without a store never has all of them, and does not; it takes no detector
        that labels whole texts.

        Raises:
            DataError: the message says what the documents hold instead.
        """


class Control(ABC):
    """Chooses positions where the behaviour does not show, to compare with."""

    needs_other_documents: ClassVar[bool] = False
    """Whether it compares with the behaviour in other documents, and chooses nothing without them. A pass without a
    store sees one document at a time, and cannot use such a control."""

    @abstractmethod
    def choose(
        self, document: TokenizedDocument, present: Present, count: int, rng: np.random.Generator
    ) -> Sequence[int]:
        """Return at most `count` different tokens of `document`, each usable and in no span of the behaviour."""


@runtime_checkable
class Readable(Protocol):
    """Some documents before a model, and the tokens of them that are read: the rows of what a method returns.

    Where rows are units of several tokens, what a method reads at the tokens of each is pooled: their mean, or their
    largest. What is returned waits, when it is called, until the numbers have arrived.
    """

    control_means: Mapping[Site, Float[Tensor, "neurons"]]
    """The mean activations at the controls of the ranking part, for a reading that `needs_control_means`."""

    def activations(self) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Read the activations at the tokens."""

    def contributions(self) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Read what each MLP neuron adds to the residual stream at the tokens, as a share of the MLP's output there.

        A share is the norm of what the neuron adds over the norm of the down projection's output, in float32.
        """

    def edit_effects(
        self,
        replacements: Mapping[Site, Float[Tensor, "neurons"]],
        strengths: Sequence[float],
        length: int,
        rules: Literal["gradient", "relevance"] = "gradient",
    ) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Differentiate the mean log-probability of `length` tokens, from each token on, by the strength of edits.

        An edit sets one neuron to its replacement at all earlier tokens. The derivative is the mean over points at
        which all edits have a strength of `strengths`. `rules` says what passes back through the model: its gradient,
        or what relevance propagation puts in its place. Units of several tokens cannot be read so.
        """


class Reading(ABC):
    """What stands in the cell of a position and a neuron: the neuron's activation there, or what it does there."""

    needs_control_means: ClassVar[bool] = False
    """Whether it compares with the mean activation of each neuron at the controls, which is then read first."""

    at_every_token: ClassVar[bool] = False
    """Whether one forward pass reads it at every token, the first too."""

    streams: ClassVar[Literal["", "activations", "contributions"]] = ""
    """The method of `Readable` that gives its cells as they are: a pass without a store adds those up, layer by layer.
    Empty where it makes other numbers of what it reads, and needs a store."""

    pools: ClassVar[bool] = False
    """Whether its cells of a unit of several tokens are those of the tokens, pooled: such units can be read by it."""

    kinds: ClassVar[tuple[str, ...]] = ()
    """The kinds of site that it can be read at, such as `mlp_post`; all where this is empty."""

    unit: ClassVar[str] = ""
    """The unit of its numbers, such as nats."""

    negative: ClassVar[str] = ""
    """What a negative number says, as half a sentence for captions: `negative: ...`."""

    signs: ClassVar[tuple[str, str, str] | tuple[()]] = ()
    """What a neuron does whose cells lie below those at controls, no further from them than chance gives, and above
    them, in two or three words each; empty where `less`, `within chance` and `more` are enough."""

    foretells: ClassVar[str] = ""
    """The scorer whose score is the effect that editing the neuron is expected to have; empty where none is. A field
    `edit` of the reading is then the name of the intervention."""

    of_the_token: ClassVar[bool] = False
    """Whether its cells speak of the very token at a position, so that places before a behaviour say nothing of it."""

    scorers: ClassVar[tuple[str, ...]] = ()
    """The scorers that rate its cells where none are chosen, the one that ranks first; none where the config's do."""

    documents: int | None = None
    """At most so many documents with the behaviour are read in each part, as where a reading is dear; None is all."""
    controls: int | None = None
    """At most so many controls are read for each onset; None is all of them."""

    @abstractmethod
    def start(self, texts: Readable) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Start to read some texts, and return what gives the cells: a row a token, in the order of the texts."""

    def passes(self, positions: int) -> float:
        """Return how many passes of a text it takes to read some positions of it, for a plan.

        Those that none of the positions asks for are forward passes, `passes(0)`; all others go back. The pass that
        reads the means at the controls is none of them.
        """
        return 1.0

    def tokens_after(self) -> int:
        """Return how many tokens behind a position it looks at."""
        return 0


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


class Executor(ABC):
    """Where the model is run: in this process, or in several, on one machine or many."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many units are processed at a time."""

    @abstractmethod
    def map(
        self, prepare: Callable[[], Callable[[Iterable[Any]], Iterator[Any]]], units: Iterable[Any]
    ) -> Iterator[Any]:
        """Yield what comes of each unit, once each and in their order, however the work is divided.

        A unit whose worker dies is done again by another: nothing is lost, and nothing comes twice.

        Args:
            prepare: called once in each worker. What it returns is given units, and yields what comes of each in turn;
                it may take a unit before it has yielded what came of the one before. Like the units and what comes
                of them, it can be sent to another process.
            units: taken as they are needed.

        Raises:
            NeurosieveError: what the work raised; or workers die at a unit again and again, or cannot be had.
        """


class Problems(ABC):
    """Where problems come from, for a model to answer."""

    @abstractmethod
    def __iter__(self) -> Iterator[Problem]:
        """Yield the problems, the same ones in the same order each time."""


class Grader(ABC):
    """Says whether a completion answers its problem correctly."""

    @abstractmethod
    def grade(self, completion: str, truth: str) -> Verdict:
        """Compare the answer that `completion` gives with `truth`, the right answer or a solution that ends with it."""


class Intervention(ABC):
    """An edit of chosen neurons while the model runs."""

    @abstractmethod
    def edit(
        self, activations: Float[Tensor, "batch positions neurons"], reference: Reference
    ) -> Float[Tensor, "batch positions neurons"]:
        """Return what the chosen neurons are to hold in place of `activations`, which must not be changed."""


class Report(ABC):
    """Draws a finished run for people to read."""

    @abstractmethod
    def write(self, folder: Path) -> Iterable[Path]:
        """Draw the run in `folder`, and return the files that were written, all of them inside it."""
