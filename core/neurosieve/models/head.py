"""The LM head of a model, run apart from the layers below it: a vocabulary is large."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurosieve.errors import ModelError
from neurosieve.models.loading import LanguageModel

__all__ = ["before_head", "gradients_at_head", "head_of", "log_p_at_head"]

_LOGITS = 2**26
"""At most so many logits are held at once as a text is read: a quarter of a gibibyte."""


def head_of(model: LanguageModel) -> Any:
    """Return the LM head of a model, which gives the probabilities of tokens; its weights are loaded.

    Raises:
        ModelError: it ends with its last layer.
    """
    head = None if model.has_no_head else model.module.get_output_embeddings()
    if head is None:
        raise ModelError(
            f"`{model.name}` has no LM head, and gives no probabilities of tokens: take a model that was saved with "
            "its head, or load it with `AutoModelForCausalLM`"
        )
    return head


def before_head(
    model: LanguageModel, ids: Int[Tensor, "rows positions"], before: Int[Tensor, "rows units length"]
) -> Float[Tensor, "rows units length width"]:
    """Run the model up to its LM head, and return what would enter that at some positions.

    A vocabulary is large: nothing of the head is kept for the way back.

    Raises:
        ModelError: it has no LM head, or does not run it as a module.
    """
    entering: list[Tensor] = []

    def reach(_: Any, arguments: tuple[Tensor, ...]) -> None:
        places = before.flatten(1).to(arguments[0].device)
        gathered = arguments[0].gather(1, places[..., None].expand(-1, -1, arguments[0].shape[-1]))
        entering.append(gathered.view(*before.shape, -1))
        raise _HeadReachedError

    with _head_hook(model, reach), suppress(_HeadReachedError):
        model.module(input_ids=ids, use_cache=False)
    if not entering:
        raise ModelError(
            f"`{model.name}` gives probabilities of tokens without running its LM head as a module, where they are "
            "read and differentiated: take the model as `AutoModelForCausalLM` loads it"
        )
    return entering[0]


class _HeadReachedError(Exception):
    """Raised inside the forward pass before the LM head."""


def gradients_at_head(
    model: LanguageModel,
    hidden: Float[Tensor, "units length width"],
    log_probabilities: Callable[[Float[Tensor, "units length vocabulary"], slice], Float[Tensor, "units"]],
    at_once: int,
) -> Float[Tensor, "units length width"]:
    """Return the gradient of each unit's log-probability by what enters the head for it, `at_once` units at a time.

    `log_probabilities` gives those of some of the units from their logits. Units do not depend on each other here.
    """
    entering: list[Tensor] = []

    def replace(_: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (entering[0], *arguments[1:])

    gradients = torch.empty_like(hidden)
    # The model's own code does what it does behind the head, such as capping logits; of the text it needs nothing.
    any_token = torch.zeros(1, 1, dtype=torch.int64, device=model.device)
    with _head_hook(model, replace):
        for start in range(0, len(hidden), at_once):
            part = slice(start, start + at_once)
            places = hidden[part].detach()
            entering[:] = [places.flatten(0, 1)[None].requires_grad_()]
            logits = model.module(input_ids=any_token, use_cache=False).logits
            [gradient] = torch.autograd.grad(
                log_probabilities(logits.view(*places.shape[:2], -1), part).sum(), entering
            )
            gradients[part] = gradient.view(places.shape)
    return gradients


def log_p_at_head(
    model: LanguageModel, hidden: Float[Tensor, "tokens width"], following: Int[Tensor, "tokens"]
) -> Float[Tensor, "tokens"]:
    """Return the log-probability of the token that follows each token, in nats, from what enters the head for it.

    The head is run on some tokens at a time, so that the logits of a whole text are never held.
    """
    entering: list[Tensor] = []

    def replace(_: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (entering[0], *arguments[1:])

    log_p = torch.empty(len(hidden), dtype=torch.float32)
    at_once = max(1, _LOGITS // int(model.config.get_text_config().vocab_size))
    # The model's own code does what it does behind the head, such as capping logits; of the text it needs nothing.
    any_token = torch.zeros(1, 1, dtype=torch.int64, device=model.device)
    with _head_hook(model, replace):
        for start in range(0, len(hidden), at_once):
            part = slice(start, start + at_once)
            entering[:] = [hidden[part][None]]
            logits = model.module(input_ids=any_token, use_cache=False).logits[0].float()
            expected = following[part, None].to(logits.device)
            log_p[part] = logits.log_softmax(dim=-1).gather(1, expected)[:, 0].cpu()
    return log_p


@contextmanager
def _head_hook(model: LanguageModel, hook: Any) -> Iterator[None]:
    handle = head_of(model).register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()
