"""How the next token is drawn: the same one for a prompt and a seed, whatever else is in the batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Le, Lt, MinLen
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neurosieve.errors import ModelError
from neurosieve.fields import check_fields
from neurosieve.models.splitmix import GOLDEN, mix64, shift_right, signed

__all__ = ["Sampler", "Sampling", "gumbel_noise"]

_WIDTHS = (256, 8192)
"""The likeliest tokens among which the top-p set is looked for, before all are sorted."""


@dataclass(frozen=True)
class Sampling:
    """How a completion is drawn from a model."""

    temperature: Annotated[float, Ge(0), Lt(math.inf)] = 0.4
    """Divides the logits; 0 always takes the likeliest token."""
    top_p: Annotated[float, Gt(0), Le(1)] = 0.92
    """A token is drawn from the smallest set of likeliest ones whose probabilities add up to this."""
    max_new_tokens: Annotated[int, Ge(1)] = 1500
    """A completion that the model did not end by then is cut."""
    stop: tuple[Annotated[str, MinLen(1)], ...] = ()
    """Texts that end a completion, besides those of the prompt; they are not part of it."""

    def __post_init__(self) -> None:
        check_fields(self)


class Sampler:
    """A logits processor of Hugging Face's `generate`: leaves the drawn token alone, for a greedy search to take.

    A token is drawn by the Gumbel-max trick, with noise that is a function of the row's seed, the step and the token:
    it depends on nothing else in the batch, and a small change of the model changes few draws.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int], name: str) -> None:
        self.sampling = sampling
        self.seeds = torch.tensor([signed(seed) for seed in seeds], dtype=torch.int64)
        self.name = name
        self.step = 0

    def __call__(self, input_ids: Any, scores: Float[Tensor, "rows vocabulary"]) -> Float[Tensor, "rows vocabulary"]:
        """Return minus infinity for every token but the drawn one.

        Raises:
            ModelError: a row has no token that can be drawn, as its scores are NaN.
        """
        # Where a device has no float64, the noise is made on the CPU.
        logits = scores.cpu() if scores.device.type == "mps" else scores
        tokens, logits = self._candidates(logits)
        if bool(torch.isnan(logits[:, 0]).any()):
            raise ModelError(
                f"`{self.name}` gave scores that are NaN: run it with `model.dtype=float32`, or check its weights"
            )
        if self.sampling.temperature > 0:
            logits = logits + gumbel_noise(self.seeds.to(logits.device), self.step, tokens)
        drawn = tokens.gather(1, logits.argmax(dim=-1, keepdim=True))
        self.step += 1
        return torch.full_like(scores, -math.inf).scatter_(1, drawn.to(scores.device), 0.0)

    def _candidates(
        self, scores: Float[Tensor, "rows vocabulary"]
    ) -> tuple[Int[Tensor, "rows candidates"], Float[Tensor, "rows candidates"]]:
        """Return the tokens that may be drawn, and their log-probabilities; minus infinity for those that may not."""
        vocabulary = scores.shape[-1]
        if self.sampling.temperature == 0:
            likeliest = scores.max(dim=-1, keepdim=True)
            return likeliest.indices, likeliest.values
        logits = torch.log_softmax(scores / self.sampling.temperature, dim=-1)
        if self.sampling.top_p == 1:
            return torch.arange(vocabulary, device=scores.device).expand_as(scores), logits.double()
        for width in (*_WIDTHS, vocabulary):
            best = logits.topk(min(width, vocabulary), dim=-1)
            summed = best.values.double().exp().cumsum(dim=-1)
            if width >= vocabulary or bool((summed[:, -1] >= self.sampling.top_p).all()):
                break
        # What is likelier adds up to less than `top_p`: so the likeliest token is always in.
        kept: Bool[Tensor, "rows candidates"] = torch.cat(
            [torch.ones_like(summed[:, :1], dtype=torch.bool), summed[:, :-1] < self.sampling.top_p], dim=1
        )
        return best.indices, best.values.double().masked_fill(~kept, -math.inf)


def gumbel_noise(
    seeds: Int[Tensor, "rows"], step: int, tokens: Int[Tensor, "rows candidates"]
) -> Float[Tensor, "rows candidates"]:
    """Return a standard Gumbel variate for each token: a function of its row's seed, the step and the token alone.

    The bits are those of SplitMix64: one stream for each seed and step, and in it a number for each token.
    """
    streams = mix64(mix64(seeds) + signed((step + 1) * GOLDEN))
    bits = mix64(streams[:, None] + (tokens + 1) * GOLDEN)
    uniform = (shift_right(bits, 12).double() + 0.5) / 2**52
    return -torch.log(-torch.log(uniform))
