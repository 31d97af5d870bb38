"""How likely a model finds completions that were made with it edited."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from neurosieve.errors import ModelError
from neurosieve.models.hooks import evaluation_mode
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import memory_errors

__all__ = ["keeps_logits", "log_probabilities"]

_LOGITS = 2**27
"""At most so many logits are held at once: half a gibibyte."""


def keeps_logits(module: Any) -> bool:
    """Return whether a model can be told which logits to keep: some bring code of their own, which cannot."""
    return "logits_to_keep" in inspect.signature(module.forward).parameters


def log_probabilities(model: LanguageModel, prompt: Sequence[int], completions: Sequence[Sequence[int]]) -> list[float]:
    """Return the log-probability of each completion of a prompt, in nats: the sum over its tokens.

    The prompt is read once for all of them.

    Raises:
        ModelError: they do not fit into memory.
    """
    longest = max(map(len, completions), default=0)
    found = torch.zeros(len(completions), dtype=torch.float64)
    if not longest:
        return [0.0] * len(completions)
    module, device = model.module, model.device
    # Padded on the right and causal: no token sees the padding.
    ids = torch.zeros(len(completions), longest, dtype=torch.int64)
    made = torch.zeros(len(completions), longest, dtype=torch.bool)
    for row, completion in enumerate(completions):
        ids[row, : len(completion)] = torch.tensor(completion, dtype=torch.int64)
        made[row, : len(completion)] = True
    vocabulary = int(model.config.get_text_config().vocab_size)
    piece = max(1, _LOGITS // (len(completions) * vocabulary))
    last = {"logits_to_keep": 1} if keeps_logits(module) else {}
    try:
        with torch.inference_mode(), memory_errors(), evaluation_mode(module):
            read = module(input_ids=torch.tensor([list(prompt)], device=device), use_cache=True, **last)
            cache = read.past_key_values
            cache.batch_repeat_interleave(len(completions))
            found += _taken(read.logits[:, -1:].expand(len(completions), -1, -1), ids[:, :1], made[:, :1])
            for start in range(0, longest - 1, piece):
                behind = min(start + piece, longest - 1)
                given = ids[:, start:behind].to(device)
                logits = module(input_ids=given, past_key_values=cache, use_cache=True).logits
                found += _taken(logits, ids[:, start + 1 : behind + 1], made[:, start + 1 : behind + 1])
    except MemoryError as error:
        raise ModelError(
            f"{len(completions):,} completions of {longest:,} tokens do not fit into the memory of {device} at once: "
            "make fewer (`samples`, `controls`) or shorter ones (`sampling.max_new_tokens`)"
        ) from error
    return [float(one) for one in found]


def _taken(logits: Tensor, expected: Tensor, made: Tensor) -> Tensor:
    """Return, for each row, the log-probability of the tokens that were made."""
    rows = []
    for row, wanted, here in zip(logits, expected, made, strict=True):  # Row by row: a vocabulary is large.
        taken = row.float().log_softmax(dim=-1).gather(1, wanted[:, None].to(row.device))[:, 0].double().cpu()
        rows.append(taken[here].sum())
    return torch.stack(rows)
