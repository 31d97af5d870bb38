"""Passes that start in the middle of a model: what leaves the layers below was kept, and is not computed again.

The model's own code still makes its masks and positions, and runs its final norm and LM head.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neurosieve.models.architectures import Atlas
from neurosieve.models.blocks import block_of, replaced_forwards
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import memory_errors
from neurosieve.models.reading_hooks import evaluation_mode

__all__ = ["kept_below", "layers_to_start_at", "started_at"]

TokenIds = npt.NDArray[np.integer[Any]]

_TEXT = 32
"""The test of a model reads so many tokens."""


@contextmanager
def kept_below(model: LanguageModel, atlas: Atlas, layers: Collection[int]) -> Iterator[dict[int, Any]]:
    """Give a dictionary that each pass fills: by layer, a copy of what leaves the layer below it, of the first row."""
    kept: dict[int, Any] = {}

    def keeping(layer: int, forward: Any, *arguments: Any, **more: Any) -> Any:
        output = forward(*arguments, **more)
        # A copy: the layers above may work in place.
        kept[layer] = _each_tensor(output, lambda tensor: tensor[:1].clone())
        return output

    blocks = [block_of(model, atlas, layer - 1) for layer in layers]
    forwards = [partial(keeping, layer, block.forward) for layer, block in zip(layers, blocks, strict=True)]
    with replaced_forwards(blocks, forwards):
        yield kept


@contextmanager
def started_at(model: LanguageModel, atlas: Atlas, layer: int, below: Any, rows: int) -> Iterator[None]:
    """Let passes over some rows of the same text start at a layer, from what was kept below it."""

    def skipped(*arguments: Any, **more: Any) -> Any:
        entering = arguments[0] if arguments else more["hidden_states"]
        return (entering, *below[1:]) if isinstance(below, tuple) else entering

    def last_skipped(*_: Any, **__: Any) -> Any:
        # A copy: the layers above may work in place.
        return _each_tensor(below, lambda tensor: tensor.expand(rows, *tensor.shape[1:]).clone())

    blocks = [block_of(model, atlas, number) for number in range(layer)]
    with replaced_forwards(blocks, [skipped] * (layer - 1) + [last_skipped]):
        yield


def layers_to_start_at(
    model: LanguageModel, atlas: Atlas, layers: Collection[int], token_ids: TokenIds
) -> frozenset[int]:
    """Return those of some layers where a pass can start, and 0: what leaves the model is what a whole pass gives.

    It is tested on the model: layers may use more of the ones below than what leaves them, such as their keys and
    values, and code or hooks may expect every layer to run.
    """
    above_first = sorted({layer for layer in layers if layer > 0})
    if not above_first:
        return frozenset({0})
    ids = torch.from_numpy(token_ids[:_TEXT]).long().to(model.device).expand(2, -1)
    run = partial(model.module.base_model, input_ids=ids, use_cache=False)  # Without the LM head.
    with torch.inference_mode(), evaluation_mode(model.module):
        try:
            with memory_errors(), kept_below(model, atlas, above_first) as kept:
                whole = run()[0]
        except MemoryError:  # What reads the texts in whole passes says so of the first that does not fit.
            return frozenset({0})
        agreeing = [layer for layer in above_first if _agree(whole, _started(model, atlas, layer, kept[layer], run))]
    return frozenset({0, *agreeing})


def _started(model: LanguageModel, atlas: Atlas, layer: int, below: Any, run: Callable[[], Any]) -> Tensor | None:
    """Return what leaves the model where its passes start at a layer; None where its code needs the layers below."""
    try:
        with started_at(model, atlas, layer, below, rows=2):
            output: Tensor = run()[0]
    except Exception:  # Any code may fail in any way without the layers below: none may be left out then.
        return None
    return output


def _agree(whole: Tensor, started: Tensor | None) -> bool:
    """Return whether two outputs of the same computation differ by rounding alone."""
    if started is None or whole.shape != started.shape:
        return False
    tolerance = torch.finfo(whole.dtype).eps ** 0.75 * float(whole.abs().max())
    return bool((whole - started).abs().max() <= tolerance)


def _each_tensor(output: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return what a layer gives with its tensors changed; some give more than one, or None in some places."""
    if isinstance(output, Tensor):
        return change(output)
    return tuple(_each_tensor(part, change) for part in output) if isinstance(output, tuple) else output
