"""The modules of whole layers, and what runs in their place for a while."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel

__all__ = ["block_of", "replaced_forwards"]


def block_of(model: LanguageModel, atlas: Atlas, layer: int) -> Any:
    """Return the module of a whole layer."""
    path, module = atlas.modules[layer], model.module
    if model.has_no_head:  # Where all others keep such a model under this name, this one is that model.
        path = path.removeprefix(f"{module.base_model_prefix}.")
    number = f".{layer}."
    return module.get_submodule(path[: path.index(number) + len(number) - 1])


@contextmanager
def replaced_forwards(blocks: Sequence[Any], forwards: Sequence[Callable[..., Any]]) -> Iterator[None]:
    """Let each block run another function in place of its own forward; its hooks still run."""
    # What an object holds hides the method of its class; libraries such as accelerate do the same. A bridge would hand
    # an assignment on to what it wraps.
    own = [vars(block).get("forward") for block in blocks]
    for block, forward in zip(blocks, forwards, strict=True):
        vars(block)["forward"] = forward
    try:
        yield
    finally:
        for block, forward in zip(blocks, own, strict=True):
            del vars(block)["forward"]
            if forward is not None:
                vars(block)["forward"] = forward
