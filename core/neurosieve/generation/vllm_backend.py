"""Completions by vLLM, for owners of a GPU: many rows at once, a new one in the place of each that ends."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from neurosieve.errors import ConfigError
from neurosieve.generation.requests import Completion, Finish, Row
from neurosieve.generation.sampling import Sampling
from neurosieve.models.loading import LanguageModel

__all__ = ["complete_with_vllm"]


def complete_with_vllm(
    model: LanguageModel,
    rows: Sequence[Row],
    sampling: Sampling,
    rows_at_once: int,
    finish: Finish,
    announce: Callable[..., None],
) -> Iterator[Completion]:
    """Yield the completion of every row as it ends.

    Each row has a seed of its own, but vLLM's draws are not those of the other backend; and by its documentation they
    are the same in another batch where `VLLM_BATCH_INVARIANT=1` is set.

    Raises:
        ConfigError: vLLM is not installed, or the model was handed over.
    """
    by_id = {str(number): row for number, row in enumerate(rows)}
    engine = _engine(model, by_id, sampling, rows_at_once)
    lengths, total = dict.fromkeys(by_id, 0), len(rows) * sampling.max_new_tokens
    while engine.has_unfinished_requests():
        ended = []
        for output in engine.step():
            [sample] = output.outputs
            lengths[output.request_id] = len(sample.token_ids)
            if output.finished:
                total -= sampling.max_new_tokens - len(sample.token_ids)
                stopped = sample.finish_reason == "stop"
                # A token that ended the text is the last of its tokens; a text that ended it is `stop_reason`.
                by_token = stopped and not isinstance(sample.stop_reason, str)
                tokens = list(sample.token_ids)[: -1 if by_token else None]
                ended.append(finish(by_id[output.request_id], tokens, stopped))
        announce("stage_progressed", stage="generating", done=sum(lengths.values()), total=total, unit="tokens")
        yield from ended


def _engine(model: LanguageModel, rows: Mapping[str, Row], sampling: Sampling, rows_at_once: int) -> Any:
    """Return vLLM's engine, with a request for each row."""
    try:
        from vllm import EngineArgs, LLMEngine, SamplingParams
        from vllm.inputs import TokensPrompt
    except ImportError as error:
        raise ConfigError(
            f"the backend `vllm` cannot be imported ({error}): `pip install neurosieve[vllm]`, "
            "or take `backend=transformers`"
        ) from error
    if model.origin is None:
        raise ConfigError(
            f"vLLM loads a model by itself, and `{model.name}` was handed over or built in code: give its name or "
            "folder, or take `backend=transformers`"
        )
    arguments = EngineArgs(**model.origin, dtype=model.dtype_name, max_num_seqs=rows_at_once, disable_log_stats=True)
    engine = LLMEngine.from_engine_args(arguments)
    for number, row in rows.items():
        # vLLM adds the tokens that end a text: it reads the model's own settings for them alone.
        parameters = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=row.seed,
            max_tokens=sampling.max_new_tokens,
            stop=list(sampling.stop),
            skip_special_tokens=False,
            spaces_between_special_tokens=False,
        )
        engine.add_request(number, TokensPrompt(prompt_token_ids=list(row.prompt)), parameters)
    return engine
