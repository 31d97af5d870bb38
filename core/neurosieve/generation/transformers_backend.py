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
from neurosieve.models.hooks import evaluating, memory_errors
from neurosieve.models.loading import LanguageModel

__all__ = ["generated"]


def generated(
    model: LanguageModel,
    rows: Sequence[Row],
    sampling: Sampling,
    rows_per_batch: int,
    finish: Finish,
    announce: Callable[..., None],
    edits: Edits | None,
) -> Iterator[Completion]:
    """Yield the completion of every row, batch by batch; `finish` hears of each the moment that it ends.

    Raises:
        ModelError: a single row does not fit into memory, or the model gives no numbers, or cannot generate.
    """
    if not hasattr(model.module, "generate"):
        raise ModelError(
            f"`{model.name}` is a {type(model.module).__name__}, which has no head to generate with: hand over a model "
            "for causal language modelling, as `AutoModelForCausalLM` loads it"
        )
    # Prompts of like length need little padding; the longest first, so that what does not fit shows at once.
    waiting = sorted(rows, key=lambda row: -len(row.prompt))
    progress = _Progress(len(rows) * sampling.max_new_tokens, announce)
    batches = [waiting[start : start + rows_per_batch] for start in range(0, len(waiting), rows_per_batch)]
    while batches:
        batch = _Batch(model, batches.pop(0), sampling, finish, progress)
        try:
            batch.run(edits)
        except MemoryError as error:
            left = [row for row, running in zip(batch.rows, batch.running, strict=True) if running]
            if left and len(batch.rows) == 1:
                raise ModelError(
                    f"the prompt of `{left[0].request.id}`, {len(left[0].prompt):,} tokens, and its completion do not "
                    f"fit into the memory of {model.device}: lower `sampling.max_new_tokens`, or take a smaller dtype "
                    "or model"
                ) from error
            progress.forget(sum(len(made) for made, running in zip(batch.made, batch.running, strict=True) if running))
            # The others go on in halves: a completion does not depend on its batch.
            halves = left[: len(left) // 2], left[len(left) // 2 :]
            batches[:0] = [half for half in halves if half]
            if model.device.type == "cuda":
                torch.cuda.empty_cache()
        yield from batch.completions


class _Progress:
    """How many tokens were made, of those that can still come."""

    def __init__(self, total: int, announce: Callable[..., None]) -> None:
        self.done, self.total, self.announce = 0, total, announce

    def tell(self, made: int, spared: int) -> None:
        """Add tokens that were made, and those that will not be, as their rows have ended."""
        self.done, self.total = self.done + made, self.total - spared
        self.announce("stage_progressed", stage="generating", done=self.done, total=self.total, unit="tokens")

    def forget(self, lost: int) -> None:
        """Take back tokens that will be made again."""
        self.done -= lost


class _Batch:
    """Some rows that go through the model at once, and a stopping criterion of `generate`, which sees each token."""

    def __init__(
        self, model: LanguageModel, rows: Sequence[Row], sampling: Sampling, finish: Finish, progress: _Progress
    ) -> None:
        self.model, self.rows, self.sampling = model, rows, sampling
        self.finish, self.progress = finish, progress
        self.made: list[list[int]] = [[] for _ in rows]
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
        with torch.inference_mode(), memory_errors(), evaluating(module), self._settings(pad) as settings:
            module.generate(
                ids.to(device),
                attention_mask=mask.to(device),
                generation_config=settings,
                logits_processor=[Sampler(self.sampling, seeds, self.model.name)],
                stopping_criteria=[self],
            )

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
        """Take the newest token of each row, and say which rows have ended."""
        made = spared = 0
        for number, token in enumerate(input_ids[:, -1].tolist()):
            if not self.running[number]:
                continue
            made += 1
            ended = token in self.ends
            if not ended:
                self.made[number].append(token)
                ended = self._stopped(self.made[number])
            if ended or len(self.made[number]) == self.sampling.max_new_tokens:
                self.running[number] = False
                spared += self.sampling.max_new_tokens - len(self.made[number]) - (token in self.ends)
                self.completions.append(self.finish(self.rows[number], self.made[number], ended))
        self.progress.tell(made, spared)
        return torch.tensor([not running for running in self.running], device=input_ids.device)

    def _stopped(self, made: Sequence[int]) -> bool:
        if not self.sampling.stop:
            return False
        tail = str(self.model.tokenizer.decode(made[-self.reach :], clean_up_tokenization_spaces=False))
        return any(stop in tail for stop in self.sampling.stop)


def _ends(model: LanguageModel) -> tuple[int, ...]:
    """Return the tokens that end a text: those of the model's own settings, and that of its tokenizer."""
    named = [model.module.generation_config.eos_token_id, model.tokenizer.eos_token_id]
    flat = [one for some in named if some is not None for one in (some if isinstance(some, list | tuple) else [some])]
    return tuple(dict.fromkeys(int(one) for one in flat))


def _leading(prompt: Sequence[int], special: frozenset[int]) -> int:
    """Return how many special tokens a prompt starts with."""
    return next((place for place, token in enumerate(prompt) if token not in special), len(prompt))
