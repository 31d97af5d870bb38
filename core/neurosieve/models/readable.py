"""Some documents before a model, and the ways in which a reading can read them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from neurosieve.contracts import Readable
from neurosieve.data import Site
from neurosieve.models.architectures import Atlas
from neurosieve.models.gradients import edit_effects
from neurosieve.models.loading import LanguageModel
from neurosieve.models.reading_hooks import TokenIds, Tokens, start_reading

__all__ = ["ReadableTexts"]


@dataclass(frozen=True)
class ReadableTexts(Readable):
    """Documents before a model: the token ids of each, and which tokens are read."""

    model: LanguageModel
    atlas: Atlas
    sites: Sequence[Site]
    token_ids: TokenIds
    tokens: Tokens
    control_means: Mapping[Site, Float[Tensor, "neurons"]]
    counts: Counter[str] = field(default_factory=Counter)
    """The forward and backward passes so far, the tokens that went through the model, and the padding among them."""

    def activations(self) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Start to read the activations at the tokens, and return what gives them."""
        lengths = list(map(len, self.token_ids))
        tokens = len(lengths) * max(lengths)
        self.counts.update(forward_passes=1, tokens=tokens, padding=tokens - sum(lengths))
        return start_reading(self.model, self.atlas, self.sites, self.token_ids, self.tokens)

    def edit_effects(
        self,
        replacements: Mapping[Site, Float[Tensor, "neurons"]],
        strengths: Sequence[float],
        length: int,
        rules: Literal["gradient", "relevance"] = "gradient",
    ) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Return what gives the effects of edits on the log-probability of the tokens, to first order."""
        effects = edit_effects(
            self.model, self.atlas, self.token_ids, self.tokens, replacements, strengths, length, rules, self.counts
        )
        return lambda: effects
