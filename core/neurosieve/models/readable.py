"""Some documents before a model, and the ways in which a reading can read them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from neurosieve.contracts import Readable
from neurosieve.data import Site
from neurosieve.errors import ConfigError
from neurosieve.models.architectures import Atlas
from neurosieve.models.contributions import stream_contributions
from neurosieve.models.gradients import edit_effects
from neurosieve.models.loading import LanguageModel
from neurosieve.models.pooling import Units
from neurosieve.models.reading_hooks import Stream, TokenIds, Tokens, start_reading, stream_sites

__all__ = ["STREAMS", "ReadableTexts"]

STREAMS: Mapping[str, Stream] = {"activations": stream_sites, "contributions": stream_contributions}
"""What gives the same as a method of `Readable`, site by site, and keeps nothing."""


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
    units: Units | None = None
    """Which of the tokens make a row, where each is not a row of its own."""

    def activations(self) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Start to read the activations at the tokens, and return what gives them."""
        return self._start("activations")

    def contributions(self) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Start to read the shares of the MLP output at the tokens, and return what gives them.

        Raises:
            ConfigError: the sites are not MLP neurons.
            ModelError: the weights of a down projection cannot be read, as where they are quantized.
        """
        return self._start("contributions")

    def _start(self, what: str) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        lengths = list(map(len, self.token_ids))
        tokens = len(lengths) * max(lengths)
        self.counts.update(forward_passes=1, tokens=tokens, padding=tokens - sum(lengths))
        return start_reading(self.model, self.atlas, self.sites, self.token_ids, self.tokens, self.units, STREAMS[what])

    def edit_effects(
        self,
        replacements: Mapping[Site, Float[Tensor, "neurons"]],
        strengths: Sequence[float],
        length: int,
        rules: Literal["gradient", "relevance"] = "gradient",
    ) -> Callable[[], Mapping[Site, Float[Tensor, "positions neurons"]]]:
        """Return what gives the effects of edits on the log-probability of the tokens, to first order.

        Raises:
            ConfigError: rows are units of several tokens.
        """
        if self.units is not None:
            raise ConfigError(
                "the effects of edits are read at single tokens, and each row is a unit of several: take "
                "`selection.unit=token`"
            )
        effects = edit_effects(
            self.model, self.atlas, self.token_ids, self.tokens, replacements, strengths, length, rules, self.counts
        )
        return lambda: effects
