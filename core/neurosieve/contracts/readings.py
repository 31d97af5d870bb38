"""What a reading promises, which fills the cell of a position and a neuron."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from neurosieve.data import Site

__all__ = ["Readable", "Reading"]


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
