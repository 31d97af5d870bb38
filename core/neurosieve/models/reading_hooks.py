"""Reads the sites of a model, by plain PyTorch hooks on its modules: the model keeps its own fast attention."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve.data import Site
from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel
from neurosieve.models.memory import memory_errors
from neurosieve.models.pooling import RowReader, Units

__all__ = [
    "Hooks",
    "Stream",
    "Take",
    "TokenIds",
    "Tokens",
    "check_finite",
    "check_known",
    "evaluation_mode",
    "read",
    "start_reading",
    "stream_cells",
    "stream_sites",
]

TokenIds = Sequence[npt.NDArray[np.integer[Any]]]
"""The token ids of each document, from its first token to the last that must be read."""
Tokens = Sequence[npt.NDArray[np.int64]]
"""Which tokens of each document are read."""
Activations = dict[Site, Float[Tensor, "positions neurons"]]
Take = Callable[[Site, Float[Tensor, "positions neurons"]], None]
Hooks = Callable[[Callable[..., None]], AbstractContextManager[None]]
"""Sets hooks at the sites, which give each site and what is there, one tensor or several, of all tokens of a batch."""


Stream = Callable[..., None]
"""`stream_sites`, or what gives other cells by the same arguments."""


class _LastSiteReadError(Exception):
    """Raised inside the forward pass once the last site was read: nothing above it is computed."""


def read(model: LanguageModel, atlas: Atlas, sites: Sequence[Site], token_ids: TokenIds, tokens: Tokens) -> Activations:
    """Return the activations of some tokens of some documents, in one forward pass.

    They are on the CPU, in the model's dtype, document by document in the order of `tokens`. The model's weights are
    loaded now if they were not yet.

    Raises:
        ModelError: a site holds NaN or infinite activations, or is not what the atlas says.
        MemoryError: the batch does not fit into the device's memory.
    """
    return start_reading(model, atlas, sites, token_ids, tokens)()


def start_reading(
    model: LanguageModel,
    atlas: Atlas,
    sites: Sequence[Site],
    token_ids: TokenIds,
    tokens: Tokens,
    units: Units | None = None,
    stream: Stream | None = None,
) -> Callable[[], Activations]:
    """Start to `read`, and return what gives the activations: on a GPU, calling it waits until they have arrived.

    With `units`, a row is a unit of several of the tokens. `stream` gives what is read, if not the activations.
    """
    layers: dict[Site, int] = {}
    # One block for all sites: many that outlive the forward pass would leave the heap full of holes.
    block = torch.empty(0)

    def keep(site: Site, activations: Float[Tensor, "positions neurons"]) -> None:
        nonlocal block
        if not layers:
            block = activations.new_empty(len(sites), *activations.shape)
        layers[site] = len(layers)
        block[layers[site]].copy_(activations)

    (stream or stream_sites)(model, atlas, sites, token_ids, tokens, keep, units)
    with memory_errors():
        copy, wait = _copy_to_cpu(block)

    def finish() -> Activations:
        wait()
        activations = {site: copy[layers[site]] for site in sites}
        check_finite(model, activations)
        return activations

    return finish


def stream_sites(
    model: LanguageModel,
    atlas: Atlas,
    sites: Sequence[Site],
    token_ids: TokenIds,
    tokens: Tokens,
    take: Take,
    units: Units | None = None,
) -> None:
    """Give the activations of some tokens to `take`, site by site as the forward pass reaches it, on its device.

    The arguments and errors are those of `read`, but whether they are finite is not checked.
    """
    hooks = partial(_hooked, model, atlas, sites)
    stream_cells(model, atlas, sites, token_ids, tokens, take, units, hooks, lambda _, activations: activations)


def stream_cells(
    model: LanguageModel,
    atlas: Atlas,
    sites: Sequence[Site],
    token_ids: TokenIds,
    tokens: Tokens,
    take: Take,
    units: Units | None,
    hooks: Hooks,
    cells: Callable[..., Tensor],
) -> None:
    """Give cells of some tokens, or of units of them, to `take`, in one forward pass up to the last site.

    `hooks` give what is at a site, first the activations; `cells` makes cells of it at some of the tokens.
    """
    check_known(model, token_ids)
    length = max(map(len, token_ids))
    ids = np.zeros((len(token_ids), length), dtype=np.int64)
    for row, document in enumerate(token_ids):
        # Padded on the right and causal: no token sees the padding, so that no mask is needed.
        ids[row, : len(document)] = document
    rows = RowReader(tokens, units, atlas.neurons)
    reached: dict[Site, int] = {}

    def reach(site: Site, *parts: Tensor) -> None:
        # OPT flattens the batch before its MLP, and a bridge does not flatten the heads.
        parts = tuple(part.reshape(*ids.shape, -1) for part in parts)
        width = parts[0].shape[-1]
        expected = next(iter(reached.values()), width) if model.bridge is None else atlas.neurons
        atlas.check_width(model, site.layer, width, expected)
        reached[site] = width
        take(site, rows(lambda texts, at: cells(site, *(part[texts, at] for part in parts)), parts[0].device))
        if len(reached) == len(sites):
            raise _LastSiteReadError

    module = model.module
    with (
        torch.inference_mode(),
        hooks(reach),
        memory_errors(),
        evaluation_mode(module),
        suppress(_LastSiteReadError),
    ):
        # `base_model` leaves out the LM head.
        module.base_model(input_ids=torch.from_numpy(ids).to(model.device), use_cache=False)


def check_known(model: LanguageModel, token_ids: TokenIds) -> None:
    """Check that the model has an embedding of every token.

    Raises:
        ModelError: the tokenizer gives some that it has not.
    """
    known = len(model.module.get_input_embeddings().weight)
    largest = max(int(document.max(initial=0)) for document in token_ids)
    if largest >= known:
        raise ModelError(
            f"the tokenizer of `{model.name}` gives token {largest:,}, and the model knows {known:,} tokens, from 0: "
            "give the tokenizer that belongs to the model"
        )


def _copy_to_cpu(block: Tensor) -> tuple[Tensor, Callable[[], None]]:
    """Return a tensor on the CPU that will hold `block`, and what waits until it does.

    A GPU copies on a stream of its own while it computes what comes next.
    """
    if block.device.type != "cuda":
        return block.cpu(), lambda: None
    stream = torch.cuda.Stream(block.device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(block.device))
    with torch.cuda.stream(stream):
        copy = torch.empty(block.shape, dtype=block.dtype, pin_memory=True)
        copy.copy_(block, non_blocking=True)
        block.record_stream(stream)  # Its memory is not given to another tensor before the copy is done.
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record(stream)
    return copy, copied.synchronize


@contextmanager
def _hooked(model: LanguageModel, atlas: Atlas, sites: Sequence[Site], keep: Callable[..., None]) -> Iterator[None]:
    if model.bridge is not None:  # The names of a hook's arguments are TransformerLens's.
        listeners = [(atlas.hook(site.layer), lambda value, hook, site=site: keep(site, value)) for site in sites]
        with model.bridge.hooks(fwd_hooks=listeners):
            yield
        return

    def entering(_: Any, arguments: tuple[Any, ...], *, site: Site) -> None:
        keep(site, arguments[0])

    def leaving(_: Any, __: Any, left: Any, *, site: Site) -> None:
        keep(site, left[0] if isinstance(left, tuple) else left)  # Some layers give more than the residual stream.

    with ExitStack() as hooks:
        for site in sites:
            module = atlas.module(model, site.layer)
            hook = (
                module.register_forward_pre_hook(partial(entering, site=site))
                if atlas.what.enters
                else module.register_forward_hook(partial(leaving, site=site))
            )
            hooks.callback(hook.remove)
        yield


@contextmanager
def evaluation_mode(module: Any) -> Iterator[None]:
    """Turn dropout off, and leave a model that was handed over as it was."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def check_finite(model: LanguageModel, activations: dict[Site, Tensor]) -> None:
    """Check that all activations are finite.

    Raises:
        ModelError: some are not; the message says how many of which layers.
    """
    bad = {
        site.layer: (int(count), tensor.numel())
        for site, tensor in activations.items()
        # A sum is finite only if all of its terms are; it is far cheaper than looking at each.
        if not torch.isfinite(tensor.sum(dtype=torch.float64)) and (count := (~torch.isfinite(tensor)).sum())
    }
    if bad:
        listed = ", ".join(f"layer {layer}: {count:,} of {total:,}" for layer, (count, total) in bad.items())
        raise ModelError(
            f"`{model.name}` in {model.dtype_name} gave activations that are NaN or infinite "
            f"({listed}); nothing was scored: run it with `model.dtype=float32`, or check its weights"
        )
