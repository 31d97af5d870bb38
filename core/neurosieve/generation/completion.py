"""From prompts to completions: each drawn as if it were alone, each on disk the moment it ends."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import torch

from neurosieve.errors import ConfigError
from neurosieve.generation.requests import Completion, Edits, Request, Row
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.trace_store import StoredCompletion, TraceStore, trace_key
from neurosieve.generation.transformers_backend import complete_with_transformers
from neurosieve.generation.vllm_backend import complete_with_vllm
from neurosieve.models.loading import LanguageModel

__all__ = ["complete", "prompt_tokens"]


def complete(
    model: LanguageModel,
    requests: Sequence[Request],
    sampling: Sampling,
    *,
    rows_per_batch: int,
    announce: Callable[..., None],
    edits: Edits | None = None,
    traces: TraceStore | None = None,
    backend: Literal["transformers", "vllm"] = "transformers",
) -> Iterator[Completion]:
    """Yield the completion of every request, in any order.

    A completion does not depend on the batch that it is made in, but for how a device rounds. It is stored in `traces`,
    if that is given, the moment it ends; what is there already is not made again.

    Raises:
        ConfigError: a prompt does not fit into the model's context, or holds no token; or vLLM cannot be used.
        ModelError: a single row does not fit into memory, or the model gives no numbers, or cannot generate.
        StoreError: a completion cannot be written.
    """
    if edits is not None and backend == "vllm":
        raise ConfigError("vLLM runs a model that cannot be edited: take `backend=transformers`")
    tokens = {prompt: prompt_tokens(model.tokenizer, prompt) for prompt in {request.prompt for request in requests}}
    prompts = [(request, tokens[request.prompt]) for request in requests]
    rows = [Row(request, prompt, trace_key(prompt, request.seed)) for request, prompt in prompts]
    _check_prompts(model, rows)
    space = traces.space(_made_with(model, sampling, edits, backend), model.name) if traces is not None else None
    missing = []
    for row in rows:
        stored = space.find(row.key) if space is not None else None
        if stored is None:
            missing.append(row)
        else:
            yield Completion(row.request, *stored)

    def finish(row: Row, tokens: Sequence[int], ended: bool) -> Completion:
        text = _text(model.tokenizer, row.prompt, tokens, sampling.stop, ended)
        stored = StoredCompletion(text, tuple(tokens), ended)
        if space is not None:
            space.add(row.key, stored)
        return Completion(row.request, *stored)

    try:
        if not missing:
            return
        if backend == "vllm" or _learns_positions(model.module):
            _check_lengths(model, missing, sampling)
        if backend == "vllm":
            yield from complete_with_vllm(model, missing, sampling, rows_per_batch, finish, announce)
        else:
            yield from complete_with_transformers(model, missing, sampling, rows_per_batch, finish, announce, edits)
    finally:
        if space is not None:
            space.close()


def prompt_tokens(tokenizer: Any, prompt: str) -> tuple[int, ...]:
    """Return the token ids of a prompt: with one token that begins a text, where there is such a token, and no end."""
    ids = list(tokenizer(prompt, verbose=False)["input_ids"])
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    if begin is not None and len(ids) > 1 and ids[0] == ids[1] == begin:  # The prompt brought its own.
        ids = ids[1:]
    if end not in (None, begin) and ids and ids[-1] == end and not prompt.endswith(tokenizer.eos_token):
        ids = ids[:-1]
    return tuple(ids)


def _text(tokenizer: Any, prompt: Sequence[int], tokens: Sequence[int], stop: Sequence[str], ended: bool) -> str:
    # Decoded behind its prompt: some tokenizers drop the space that a text begins with.
    before, whole = _decoded(tokenizer, prompt), _decoded(tokenizer, [*prompt, *tokens])
    text = whole[len(before) :] if whole.startswith(before) else _decoded(tokenizer, tokens)
    if stops := [place for stopping in stop if (place := text.find(stopping)) >= 0]:
        return text[: min(stops)]
    return text if ended else text.rstrip("\ufffd")  # A character whose last bytes did not come.


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _made_with(model: LanguageModel, sampling: Sampling, edits: Edits | None, backend: str) -> dict[str, Any]:
    """Return what decides a completion, besides its prompt and its seed."""
    return {
        "weights": model.fingerprint,
        "dtype": model.dtype_name,
        "backend": backend,
        "sampling": {
            "temperature": float(sampling.temperature),
            "top_p": float(sampling.top_p),
            "max_new_tokens": sampling.max_new_tokens,
            "stop": sorted(set(sampling.stop)),
        },
        "edits": edits.address if edits is not None else None,
    }


def _check_prompts(model: LanguageModel, rows: Sequence[Row]) -> None:
    context = getattr(model.config, "max_position_embeddings", None)
    for row in rows:
        if not row.prompt:
            raise ConfigError(f"the prompt of `{row.request.id}` holds no token: give it a text")
        if context is not None and len(row.prompt) >= context:
            raise ConfigError(
                f"the prompt of `{row.request.id}` has {len(row.prompt):,} tokens, and the context of `{model.name}` "
                f"holds {context:,}: leave the problem out, shorten the prompt, or take another model"
            )


def _check_lengths(model: LanguageModel, rows: Sequence[Row], sampling: Sampling) -> None:
    """Raise where a completion could go past the last position that the model has."""
    context = getattr(model.config, "max_position_embeddings", None)
    longest = max(rows, key=lambda row: len(row.prompt))
    if context is not None and len(longest.prompt) + sampling.max_new_tokens > context:
        raise ConfigError(
            f"the prompt of `{longest.request.id}` has {len(longest.prompt):,} tokens, and `{model.name}` cannot go "
            f"past {context:,}: set `sampling.max_new_tokens={context - len(longest.prompt)}` or less"
        )


def _learns_positions(module: Any) -> bool:
    """Return whether the model has an embedding for each position, and so none for those past the last."""
    return any(
        isinstance(part, torch.nn.Embedding) and ("wpe" in name or "position" in name)
        for name, part in module.named_modules()
    )
