"""What each neuron does to the behaviour, by one gradient for all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor

from neurosieve import FieldError, Readable, Reading, Site, check_fields

__all__ = ["Attribution"]


@dataclass(frozen=True)
class Attribution(Reading):
    """What setting a neuron to its mean, or to zero, would do to the log-probability of a position's token, in nats.

    Negative where the token would become less likely: the neuron drives it. It is the edit of `neurosieve ablate`, at
    the same tokens, to first order: exact for a small step, too large or too small for a whole one. It ranks all
    neurons at once; `ablate` says what the best of them really do.

    >>> Attribution(method="integrated", steps=4).strengths
    (0.125, 0.375, 0.625, 0.875)

    Source: attribution patching, Syed et al. (2023), arXiv 2310.10348; integrated gradients, Sundararajan et al.
    (2017).
    """

    needs_control_means: ClassVar[bool] = True
    of_the_token: ClassVar[bool] = True
    unit: ClassVar[str] = "nats"
    negative: ClassVar[str] = "negative: without the neuron the behaviour's token is less likely, so it drives it"
    signs: ClassVar[tuple[str, str, str]] = ("drives it", "effect within chance", "opposes it")
    foretells: ClassVar[str] = "mean_present"
    scorers: ClassVar[tuple[str, ...]] = ("paired_difference", "mean_present")

    edit: Literal["mean", "zero"] = "mean"
    """What a neuron would be set to: its mean over the controls of the ranking part, or zero."""
    method: Literal["gradient", "relevance", "integrated"] = "gradient"
    """`gradient`: one step from the text as it is. `relevance`: such a step by the rules of relevance propagation,
    which hold norms, attention patterns and slopes fixed (RelP, arXiv 2508.21258). `integrated`: the mean gradient over
    steps of the way on which all neurons are edited together; what it gives to all sums to what that edit does."""
    steps: Annotated[int, Ge(1)] = 8
    """Steps of that way, for `integrated`; each costs as much as `gradient`."""
    length: Annotated[int, Ge(1)] = 1
    """How many tokens are looked at: 1 is the token at the position, and more the mean over it and those after it."""
    documents: Annotated[int, Ge(1)] | None = 100
    """At most so many documents with the behaviour are read in each part; null reads all."""
    controls: Annotated[int, Ge(1)] | None = 2
    """At most so many control positions are read for each onset of a document; null reads all."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.steps != type(self).steps and self.method != "integrated":
            raise FieldError(
                "steps",
                f"is {self.steps}, and the method `{self.method}` takes one step: leave it out, or take the method "
                "`integrated`",
            )

    @property
    def strengths(self) -> tuple[float, ...]:
        """The strengths of the edits at which gradients are taken."""
        steps = self.steps if self.method == "integrated" else 0
        return tuple((step + 0.5) / steps for step in range(steps)) or (0.0,)

    def passes(self, positions: int) -> float:
        """Return the passes: for each gradient one forth, and one back a position."""
        return len(self.strengths) * (1.0 + positions)

    def tokens_after(self) -> int:
        """Return how many tokens behind a position it looks at."""
        return self.length - 1

    def start(self, texts: Readable) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Differentiate the log-probabilities by the strength of each neuron's edit."""
        means = texts.control_means
        off = means if self.edit == "mean" else {site: torch.zeros_like(mean) for site, mean in means.items()}
        rules: Literal["gradient", "relevance"] = "relevance" if self.method == "relevance" else "gradient"
        return texts.edit_effects(off, self.strengths, self.length, rules)
