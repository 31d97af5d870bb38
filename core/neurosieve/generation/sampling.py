"""How the next token is drawn: the same one for a prompt and a seed, whatever else is in the batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from neurosieve.errors import ConfigError, ModelError

__all__ = ["Sampler", "Sampling", "gumbel_noise"]

_WIDTHS = (256, 8192)
"""The likeliest tokens among which the top-p set is looked for, before all are sorted."""


@dataclass(frozen=True)
class Sampling:
    """How a completion is drawn from a model."""

    temperature: float = 0.4
    """Divides the logits; 0 always takes the likeliest token."""
    top_p: float = 0.92
    """A token is drawn from the smallest set of likeliest ones whose probabilities add up to this."""
    max_new_tokens: int = 1500
    """A completion that the model did not end by then is cut."""
    stop: tuple[str, ...] = ()
    """Texts that end a completion, besides those of the prompt; they are not part of it."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature!r}: give a number of at least 0; 0 draws nothing")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is {self.top_p!r}: give a share above 0, up to 1, which leaves out no token")
        if isinstance(self.max_new_tokens, bool) or not isinstance(self.max_new_tokens, int) or self.max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens is {self.max_new_tokens!r}: give a whole number, at least 1")
        if not all(isinstance(one, str) and one for one in self.stop):
            raise ConfigError(f"stop is {list(self.stop)!r}: give texts that hold something")


class Sampler:
    """A logits processor of Hugging Face's `generate`: leaves the drawn token alone, for a greedy search to take.

    A token is drawn by the Gumbel-max trick, with noise that is a function of the row's seed, the step and the token:
    it depends on nothing else in the batch, and a small change of the model changes few draws.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int], name: str) -> None:
        self.sampling = sampling
        self.seeds = torch.tensor([_signed(seed) for seed in seeds], dtype=torch.int64)
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

    The bits are those of SplitMix64 (Steele, Lea and Flood, 2014), a generator that can be asked for its n-th number:
    one stream for each seed and step, and in it a number for each token.
    """
    streams = _mixed(_mixed(seeds) + _signed((step + 1) * _GOLDEN))
    bits = _mixed(streams[:, None] + (tokens + 1) * _GOLDEN)
    uniform = (_shifted(bits, 12).double() + 0.5) / 2**52
    return -torch.log(-torch.log(uniform))


def _signed(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


_GOLDEN = _signed(0x9E3779B97F4A7C15)


def _mixed(value: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    value = (value ^ _shifted(value, 30)) * _signed(0xBF58476D1CE4E5B9)
    value = (value ^ _shifted(value, 27)) * _signed(0x94D049BB133111EB)
    mixed: Int[Tensor, "..."] = value ^ _shifted(value, 31)
    return mixed


def _shifted(value: Int[Tensor, "..."], bits: int) -> Int[Tensor, "..."]:
    """Return an integer shifted to the right as if it had no sign."""
    shifted: Int[Tensor, "..."] = (value >> bits) & (2 ** (64 - bits) - 1)
    return shifted
