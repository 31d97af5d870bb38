"""The log-probability of completions under the unedited model."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from neurosieve.errors import ModelError
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import memory_errors
from neurosieve.models.reading_hooks import evaluation_mode

__all__ = ["LOGITS", "keeps_logits", "log_probabilities"]

LOGITS = 2**27
"""At most so many logits are held at once: half a gibibyte."""


def keeps_logits(module: Any) -> bool:
    """Return whether a model can keep some logits alone: some bring code of their own, which cannot."""
    return "logits_to_keep" in inspect.signature(module.forward).parameters


def log_probabilities(model: LanguageModel, prompt: Sequence[int], completions: Sequence[Sequence[int]]) -> list[float]:
    """Return the log-probability of each completion of a prompt, in nats: the sum over its tokens.

    The prompt is read once for all of them.

    Raises:
        ModelError: they do not fit into memory.
    """
    longest = max(map(len, completions), default=0)
    log_p = torch.zeros(len(completions), dtype=torch.float64)
    if not longest:
        return [0.0] * len(completions)
    module, device = model.module, model.device
    # Padded on the right and causal: no token sees the padding.
    rows = [torch.tensor(completion, dtype=torch.int64) for completion in completions]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    real = torch.arange(longest) < torch.tensor([[len(row)] for row in rows])
    vocabulary = int(model.config.get_text_config().vocab_size)
    piece = max(1, LOGITS // (len(completions) * vocabulary))
    last = {"logits_to_keep": 1} if keeps_logits(module) else {}
    try:
        with torch.inference_mode(), memory_errors(), evaluation_mode(module):
            read = module(input_ids=torch.tensor([list(prompt)], device=device), use_cache=True, **last)
            cache = read.past_key_values
            cache.batch_repeat_interleave(len(completions))
            log_p += _log_p_of_tokens(read.logits[:, -1:].expand(len(completions), -1, -1), ids[:, :1], real[:, :1])
            for start in range(0, longest - 1, piece):
                end = min(start + piece, longest - 1)
                given = ids[:, start:end].to(device)
                logits = module(input_ids=given, past_key_values=cache, use_cache=True).logits
                log_p += _log_p_of_tokens(logits, ids[:, start + 1 : end + 1], real[:, start + 1 : end + 1])
    except MemoryError as error:
        raise ModelError(
            f"{len(completions):,} completions of {longest:,} tokens do not fit into the memory of {device} at once: "
            "make fewer (`samples`, `controls`) or shorter ones (`sampling.max_new_tokens`)"
        ) from error
    return log_p.tolist()


def _log_p_of_tokens(logits: Tensor, expected: Tensor, real: Tensor) -> Tensor:
    """Return, for each row, the log-probability of the expected tokens that are real and not padding."""
    sums = []
    for row, tokens, chosen in zip(logits, expected, real, strict=True):  # Row by row: a vocabulary is large.
        log_p = row.float().log_softmax(dim=-1).gather(1, tokens[:, None].to(row.device))[:, 0].double().cpu()
        sums.append(log_p[chosen].sum())
    return torch.stack(sums)
