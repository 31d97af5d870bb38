"""Batches through Hugging Face's `generate`, which knows each architecture's cache and positions."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from neurosieve.errors import ModelError
from neurosieve.generation.requests import Completion, Edits, Finish, Row
from neurosieve.generation.sampling import Sampler, Sampling
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import in_halves, memory_errors
from neurosieve.models.reading_hooks import evaluation_mode

__all__ = ["complete_with_transformers"]


def complete_with_transformers(
    model: LanguageModel,
    rows: Sequence[Row],
    sampling: Sampling,
    rows_per_batch: int,
    finish: Finish,
    announce: Callable[..., None],
    edits: Edits | None,
) -> Iterator[Completion]:
    """Yield the completion of every row, batch by batch; `finish` is called the moment that a row ends.

    Raises:
        ModelError: a single row does not fit into memory, or the model gives no numbers, or cannot generate.
    """
    if not hasattr(model.module, "generate"):
        raise ModelError(
            f"`{model.name}` is a {type(model.module).__name__}, which has no head to generate with: hand over a model "
            "for causal language modelling, as `AutoModelForCausalLM` loads it"
        )
    # Prompts of like length need little padding; the longest first, so that what does not fit shows at once.
    ordered = sorted(rows, key=lambda row: -len(row.prompt))
    progress = _Progress(len(rows) * sampling.max_new_tokens, announce)
    ended: list[Completion] = []
    unfinished: list[Row] = []

    def run(batch: Sequence[Row]) -> None:
        running = _Batch(model, batch, sampling, finish, progress)
        try:
            running.run(edits)
        except MemoryError:
            unfinished[:] = running.unfinished()
            raise
        finally:
            ended.extend(running.completions)

    pieces = in_halves(
        [ordered[start : start + rows_per_batch] for start in range(0, len(ordered), rows_per_batch)],
        run,
        model.device,
        lambda row: (
            f"the prompt of `{row.request.id}`, {len(row.prompt):,} tokens, and its completion do not fit into the "
            f"memory of {model.device}: lower `sampling.max_new_tokens`, or take a smaller dtype or model"
        ),
        # The rows that had not ended begin again: a completion does not depend on its batch.
        lambda _: list(unfinished),
    )
    for _ in pieces:
        yield from ended
        ended.clear()
    yield from ended  # Memory may run out when all rows of the last batch have ended.


class _Progress:
    """How many tokens were made, of those that can still come."""

    def __init__(self, total: int, announce: Callable[..., None]) -> None:
        self.done, self.total, self.announce = 0, total, announce

    def add(self, made: int, spared: int) -> None:
        """Add tokens that were made, and those that will not be, as their rows have ended."""
        self.done, self.total = self.done + made, self.total - spared
        self.announce("stage_progressed", stage="generating", done=self.done, total=self.total, unit="tokens")


class _Batch:
    """Some rows that go through the model at once, and a stopping criterion of `generate`, which sees each token."""

    def __init__(
        self, model: LanguageModel, rows: Sequence[Row], sampling: Sampling, finish: Finish, progress: _Progress
    ) -> None:
        self.model, self.rows, self.sampling = model, rows, sampling
        self.finish, self.progress = finish, progress
        self.tokens: list[list[int]] = [[] for _ in rows]
        self.running = [True] * len(rows)
        self.completions: list[Completion] = []
        self.ends = _ends(model)
        # A token stands for a byte at least: a text that ends with the newest token lies in so many.
        self.reach = max((len(stop.encode()) for stop in sampling.stop), default=0) + 4

    def run(self, edits: Edits | None) -> None:
        """Complete the rows.

        Raises:
            MemoryError: they do not fit into memory; those that had ended are among `completions`.
        """
        module, device = self.model.module, self.model.device
        width = max(len(row.prompt) for row in self.rows)
        pad = self.ends[0] if self.ends else 0
        ids = torch.full((len(self.rows), width), pad, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(self.rows):
            ids[number, width - len(row.prompt) :] = torch.tensor(row.prompt)
            mask[number, width - len(row.prompt) :] = 1
        seeds = [row.seed for row in self.rows]
        if edits is not None:
            special = frozenset(self.model.tokenizer.all_special_ids)
            edits.begin(seeds, [width - len(row.prompt) + _leading(row.prompt, special) for row in self.rows])
        with torch.inference_mode(), memory_errors(), evaluation_mode(module), self._settings(pad) as settings:
            module.generate(
                ids.to(device),
                attention_mask=mask.to(device),
                generation_config=settings,
                logits_processor=[Sampler(self.sampling, seeds, self.model.name)],
                stopping_criteria=[self],
            )

    def unfinished(self) -> list[Row]:
        """Return the rows that have not ended; the tokens that were made for them are made again."""
        self.progress.done -= sum(len(self.tokens[number]) for number, runs in enumerate(self.running) if runs)
        return [row for row, runs in zip(self.rows, self.running, strict=True) if runs]

    @contextmanager
    def _settings(self, pad: int) -> Iterator[Any]:
        """Give the settings of `generate`, and keep out the model's own, which would fill in what these leave open."""
        from transformers import GenerationConfig

        module = self.model.module
        own = module.generation_config
        module.generation_config = GenerationConfig()
        try:
            yield GenerationConfig(
                do_sample=False,
                max_new_tokens=self.sampling.max_new_tokens,
                eos_token_id=list(self.ends) or None,
                pad_token_id=pad,
            )
        finally:
            module.generation_config = own

    def __call__(self, input_ids: Int[Tensor, "rows tokens"], scores: Any, **_: Any) -> Bool[Tensor, "rows"]:
        """Add the newest token of each row, and return which rows have ended."""
        made = spared = 0
        for number, token in enumerate(input_ids[:, -1].tolist()):
            if not self.running[number]:
                continue
            made += 1
            ended = token in self.ends
            tokens = self.tokens[number]
            if not ended:
                tokens.append(token)
                ended = self._stopped(tokens)
            if ended or len(tokens) == self.sampling.max_new_tokens:
                self.running[number] = False
                spared += self.sampling.max_new_tokens - len(tokens) - (token in self.ends)
                self.completions.append(self.finish(self.rows[number], tokens, ended))
        self.progress.add(made, spared)
        return torch.tensor([not running for running in self.running], device=input_ids.device)

    def _stopped(self, tokens: Sequence[int]) -> bool:
        if not self.sampling.stop:
            return False
        tail = str(self.model.tokenizer.decode(tokens[-self.reach :], clean_up_tokenization_spaces=False))
        return any(stop in tail for stop in self.sampling.stop)


def _ends(model: LanguageModel) -> tuple[int, ...]:
    """Return the tokens that end a text: those of the model's own settings, and that of its tokenizer."""
    ends = [model.module.generation_config.eos_token_id, model.tokenizer.eos_token_id]
    lists = [end if isinstance(end, list | tuple) else [end] for end in ends if end is not None]
    return tuple(dict.fromkeys(int(token) for tokens in lists for token in tokens))


def _leading(prompt: Sequence[int], special: frozenset[int]) -> int:
    """Return how many special tokens a prompt starts with."""
    return next((place for place, token in enumerate(prompt) if token not in special), len(prompt))
