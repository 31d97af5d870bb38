"""The same prompts completed with the same random draws, unedited and edited, and read by the unedited model."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from neurosieve.ablation.completion_likelihood import log_probabilities
from neurosieve.ablation.conditions import Condition
from neurosieve.ablation.editing_hooks import Edits, Proof
from neurosieve.ablation.settings import Ablate
from neurosieve.contracts import Grader
from neurosieve.data import Document, Problem, Skipped
from neurosieve.generation.completion import complete, prompt_tokens
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.requests import Completion, Request
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.trace_store import TraceStore
from neurosieve.models.loading import LanguageModel
from neurosieve.models.reading_hooks import evaluation_mode
from neurosieve.pipeline.reopening import Reopened

__all__ = ["Writing", "complete_each", "likelihoods"]


class Writing(NamedTuple):
    """What the model is given to write, how it draws, and who grades it."""

    documents: Iterable[Document | Skipped]
    """The texts of the run: their prompts are used where there are no problems."""
    problems: Iterable[Problem] | None
    prompt: Prompt
    sampling: Sampling
    grader: Grader | None


def complete_each(
    opened: Reopened,
    requests: Sequence[Request],
    sampling: Sampling,
    conditions: Sequence[Condition],
    settings: Ablate,
    announce: Callable[..., None],
) -> tuple[list[list[Completion]], Proof, int]:
    """Return the completions of the requests, unedited and then under each condition.

    With them come the proof of all edits, and how many completions the store held already.

    Raises:
        ModelError: an edit did not take place.
    """
    lm = opened.lm
    rows = settings.rows_per_batch or (16 if lm.device.type == "cpu" else 64)
    store = TraceStore(Path(settings.store) if settings.store else None)

    def completions(edits: Edits | None = None) -> list[Completion]:
        completed = complete(lm, requests, sampling, rows_per_batch=rows, announce=announce, edits=edits, traces=store)
        by_id = {completion.request.id: completion for completion in completed}
        return [by_id[request.id] for request in requests]

    written, proof = [completions()], Proof(0, 0, 0, 0.0)
    prompt = torch.tensor([prompt_tokens(lm.tokenizer, requests[0].prompt)], device=lm.device)
    for condition in conditions:
        with Edits(lm, opened.atlas, condition.edit) as edits:
            # Proved on a prompt before anything is kept: what a store holds already may need no run of the model.
            edits.begin([0], [0])
            with torch.inference_mode(), evaluation_mode(lm.module):
                lm.module.base_model(input_ids=prompt, use_cache=False)
            edits.proof()
            written.append(completions(edits))
        proof = proof.joined(edits.proof())
    return written, proof, store.found


def likelihoods(
    model: LanguageModel,
    prompts: Sequence[str],
    samples: int,
    written: Sequence[Sequence[Completion]],
    announce: Callable[..., None],
) -> list[list[float]]:
    """Return the log-probability of each completion under the unedited model.

    Args:
        samples: how many completions each prompt has, one after the other.
        written: under each condition, the completions of all prompts.
    """
    likelihood: list[list[float]] = [[] for _ in written]
    for number, prompt in enumerate(prompts):
        ids = prompt_tokens(model.tokenizer, prompt)
        # One batch per prompt: its completions under all conditions, which share the cache of the prompt.
        of_prompt = [done for completions in written for done in completions[number * samples : (number + 1) * samples]]
        log_p = log_probabilities(model, ids, [completion.token_ids for completion in of_prompt])
        for condition, values in enumerate(likelihood):
            values += log_p[condition * samples : (condition + 1) * samples]
        announce("stage_progressed", stage="reading again", done=number + 1, total=len(prompts), unit="prompts")
    return likelihood
