"""The same prompts completed by the same draws, unedited and edited, and read again by the unedited model."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

from neurosieve.ablation.conditions import Condition
from neurosieve.ablation.editing import Edits, Proof
from neurosieve.ablation.settings import Ablate
from neurosieve.ablation.surprisal import log_probabilities
from neurosieve.contracts import Grader, Problems
from neurosieve.data import Document, Problem
from neurosieve.generation.completion import complete, prompt_tokens
from neurosieve.generation.prompts import Prompt
from neurosieve.generation.requests import Completion, Request
from neurosieve.generation.sampling import Sampling
from neurosieve.generation.trace_store import TraceStore
from neurosieve.models.architectures import Atlas
from neurosieve.models.hooks import evaluation_mode
from neurosieve.models.loading import LanguageModel
from neurosieve.registry import describe

__all__ = ["Writer", "Writing", "described_writing", "likelihoods"]


class Writing(NamedTuple):
    """What the model is given to write, how it draws, and who grades it."""

    documents: Iterable[Document]
    """The texts of the run: their prompts are given again where there are no problems."""
    problems: Iterable[Problem] | None
    prompt: Prompt
    sampling: Sampling
    grader: Grader | None


def described_writing(writing: Writing) -> dict[str, Any]:
    """Return what it takes to have the same written again."""
    problems, told = writing.problems, "problems handed over"
    return {
        "problems": None if problems is None else describe(problems) if isinstance(problems, Problems) else told,
        "prompt": asdict(writing.prompt),
        "sampling": asdict(writing.sampling),
        "grader": None if writing.grader is None else describe(writing.grader),
    }


class Writer:
    """Completes the same requests unedited and under edits."""

    def __init__(
        self,
        model: LanguageModel,
        atlas: Atlas,
        requests: Sequence[Request],
        sampling: Sampling,
        settings: Ablate,
        announce: Callable[..., None],
    ) -> None:
        self.model, self.atlas, self.requests, self.sampling = model, atlas, requests, sampling
        self.rows = settings.rows_per_batch or (16 if model.device.type == "cpu" else 64)
        self.announce = announce
        self.store = TraceStore(Path(settings.store) if settings.store else None)
        self.proofs: list[Proof] = []

    def unedited(self) -> list[Completion]:
        """Return the completion of each request."""
        return self._completed(None)

    def edited(self, condition: Condition) -> list[Completion]:
        """Return the completion of each request under an edit.

        Raises:
            ModelError: the edit did not take place.
        """
        edits = Edits(self.model, self.atlas, condition.edit)
        with edits:
            # Proved on a prompt before anything is kept: what a store holds already may need no run of the model.
            ids = prompt_tokens(self.model.tokenizer, self.requests[0].prompt)
            edits.begin([0], [0])
            with torch.inference_mode(), evaluation_mode(self.model.module):
                self.model.module.base_model(input_ids=torch.tensor([ids], device=self.model.device), use_cache=False)
            edits.proof()
            completions = self._completed(edits)
        self.proofs.append(edits.proof())
        return completions

    def proof(self) -> Proof:
        """Return the proof of all edits together."""
        calls, values, changed, deviations = zip(*self.proofs, strict=True)
        return Proof(sum(calls), sum(values), sum(changed), max(deviations))

    def _completed(self, edits: Edits | None) -> list[Completion]:
        found = complete(
            self.model,
            self.requests,
            self.sampling,
            rows_per_batch=self.rows,
            announce=self.announce,
            edits=edits,
            traces=self.store,
        )
        by_id = {one.request.id: one for one in found}
        return [by_id[request.id] for request in self.requests]


def likelihoods(
    model: LanguageModel,
    prompts: Sequence[str],
    samples: int,
    written: Sequence[Sequence[Completion]],
    announce: Callable[..., None],
) -> list[list[float]]:
    """Return the log-probability of each completion under the unedited model."""
    found: list[list[float]] = [[] for _ in written]
    for number, prompt in enumerate(prompts):
        ids = prompt_tokens(model.tokenizer, prompt)
        mine = [one for made in written for one in made[number * samples : (number + 1) * samples]]
        log_p = log_probabilities(model, ids, [one.token_ids for one in mine])
        for condition, made in enumerate(found):
            made += log_p[condition * samples : (condition + 1) * samples]
        announce("stage_progressed", stage="reading again", done=number + 1, total=len(prompts), unit="prompts")
    return found
