"""The same prompts completed with the same random draws, unedited and edited, and read by the unedited model."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from neurosieve.ablation.conditions import Condition
from neurosieve.ablation.hooks import Edits, Proof
from neurosieve.ablation.likelihood import log_probabilities
from neurosieve.ablation.settings import Ablate
from neurosieve.contracts import Grader
from neurosieve.data import Document, Problem
from neurosieve.generation.completion import complete, prompt_tokens
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.requests import Completion, Request
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.trace_store import TraceStore
from neurosieve.models.hooks import evaluation_mode
from neurosieve.models.loading import LanguageModel
from neurosieve.pipeline.reopening import Reopened

__all__ = ["Writer", "Writing", "likelihoods"]


class Writing(NamedTuple):
    """What the model is given to write, how it draws, and who grades it."""

    documents: Iterable[Document]
    """The texts of the run: their prompts are used where there are no problems."""
    problems: Iterable[Problem] | None
    prompt: Prompt
    sampling: Sampling
    grader: Grader | None


class Writer:
    """Completes the same requests unedited and under edits."""

    def __init__(
        self,
        opened: Reopened,
        requests: Sequence[Request],
        sampling: Sampling,
        settings: Ablate,
        announce: Callable[..., None],
    ) -> None:
        self.model, self.atlas, self.requests, self.sampling = opened.held, opened.atlas, requests, sampling
        self.rows = settings.rows_per_batch or (16 if self.model.device.type == "cpu" else 64)
        self.announce = announce
        self.store = TraceStore(Path(settings.store) if settings.store else None)
        self.proof = Proof(0, 0, 0, 0.0)
        """Of all edits together."""

    def edited(self, condition: Condition) -> list[Completion]:
        """Return the completion of each request under an edit.

        Raises:
            ModelError: the edit did not take place.
        """
        with Edits(self.model, self.atlas, condition.edit) as edits:
            # Proved on a prompt before anything is kept: what a store holds already may need no run of the model.
            ids = prompt_tokens(self.model.tokenizer, self.requests[0].prompt)
            edits.begin([0], [0])
            with torch.inference_mode(), evaluation_mode(self.model.module):
                self.model.module.base_model(input_ids=torch.tensor([ids], device=self.model.device), use_cache=False)
            edits.proof()
            completions = self.complete(edits)
        self.proof = self.proof.joined(edits.proof())
        return completions

    def complete(self, edits: Edits | None = None) -> list[Completion]:
        """Return the completion of each request, unedited or under edits that are in place."""
        completions = complete(
            self.model,
            self.requests,
            self.sampling,
            rows_per_batch=self.rows,
            announce=self.announce,
            edits=edits,
            traces=self.store,
        )
        by_id = {completion.request.id: completion for completion in completions}
        return [by_id[request.id] for request in self.requests]


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
