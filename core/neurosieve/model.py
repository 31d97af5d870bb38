"""Where a model keeps its MLP neurons, and how they are read.

TransformerLens is the atlas: its architecture adapters say where any architecture keeps its MLPs. Plain PyTorch
pre-hooks on the modules that it names do the reading, so that the model keeps its own fast attention.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve.data import Site
from neurosieve.errors import ModelError
from neurosieve.loading import LanguageModel

__all__ = ["Atlas", "atlas_of", "evaluating", "memory_errors", "read"]


class Atlas(NamedTuple):
    """Where a model keeps its MLP neurons."""

    down_projections: tuple[str, ...]
    """The module path of each layer's down projection; its input is the layer's neurons."""
    neurons: int
    """The neurons of one layer, as the config gives it."""
    context: int | None
    """The longest text that the model can read at all, in tokens; None where position is not learned by number."""
    norms_after_mlp: tuple[str, ...] = ()
    """The module path of the norm that each layer's MLP output passes on its way to the residual stream, if any."""
    final_norm: str | None = None
    """The module path of the norm between the residual stream and the unembedding, if any."""

    @property
    def sites(self) -> tuple[Site, ...]:
        """Every site of the model, from the bottom up."""
        return tuple(Site(layer) for layer in range(len(self.down_projections)))


def atlas_of(model: LanguageModel) -> Atlas:
    """Return where `model` keeps its neurons, by its config alone: no weights are loaded.

    Raises:
        ModelError: TransformerLens does not know the architecture, or its MLPs are no plain ones.
    """
    adapter = _adapter(model)
    try:
        blocks = adapter.component_mapping["blocks"]
        mlp = blocks.submodules["mlp"]
        out = mlp.submodules["out"]
    except KeyError as error:
        raise ModelError(
            f"`{model.name}` keeps no plain MLP in its layers (a mixture of experts, perhaps): "
            "neurosieve reads models with one down projection a layer"
        ) from error
    within = ".".join(name for name in (mlp.name, out.name) if name)  # Some architectures have no module for the MLP.
    paths = tuple(f"{blocks.name}.{layer}.{within}" for layer in range(adapter.cfg.n_layers))
    by_number = "pos_embed" in adapter.component_mapping
    context = model.config.max_position_embeddings if by_number else None
    after_mlp, final = blocks.submodules.get("ln2_post"), adapter.component_mapping.get("ln_final")
    layers = range(adapter.cfg.n_layers if after_mlp is not None else 0)
    norms = tuple(f"{blocks.name}.{layer}.{after_mlp.name}" for layer in layers)
    return Atlas(paths, int(adapter.cfg.d_mlp), context, norms, None if final is None else final.name)


def _adapter(model: LanguageModel) -> Any:
    # The two names below are private to TransformerLens; tests/core/test_model.py fails if they move.
    import logging

    quiet = logging.getLogger("transformers").level
    from transformer_lens.factories.architecture_adapter_factory import ArchitectureAdapterFactory
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_config_from_hf

    logging.getLogger("transformers").setLevel(quiet)  # TransformerLens silences it for the whole process.
    architecture = (model.config.architectures or ["unknown"])[0]
    try:
        config = build_bridge_config_from_hf(model.config, architecture, model_name=model.name, dtype=model.dtype)
        return ArchitectureAdapterFactory.select_architecture_adapter(config)
    except (ValueError, AttributeError, KeyError) as error:
        raise ModelError(
            f"TransformerLens does not know the architecture `{architecture}` of `{model.name}` ({error}): "
            "take a decoder-only language model that it lists"
        ) from error


class _LastSiteReadError(Exception):
    """Raised inside the forward pass once the last site was read: nothing above it is computed."""


def read(
    model: LanguageModel,
    atlas: Atlas,
    sites: Sequence[Site],
    token_ids: Sequence[npt.NDArray[np.int64]],
    tokens: Sequence[npt.NDArray[np.int64]],
) -> dict[Site, Float[Tensor, "positions neurons"]]:
    """Return the activations of some tokens of some documents, in one forward pass.

    Args:
        model: the model; its weights are loaded now if they were not yet.
        atlas: where it keeps its neurons.
        sites: which layers to read.
        token_ids: the ids of each document, from its first token to the last that must be read.
        tokens: which tokens of each document to return.

    Returns:
        For each site the activations on the CPU, in the model's dtype, document by document in the order of `tokens`.

    Raises:
        ModelError: a site holds NaN or infinite activations, or is no plain MLP.
        MemoryError: the batch does not fit into the device's memory.
    """
    length = max(map(len, token_ids))
    ids = np.zeros((len(token_ids), length), dtype=np.int64)
    for row, document in enumerate(token_ids):
        # Padded on the right and causal: no token sees the padding, so that no mask is needed.
        ids[row, : len(document)] = document
    rows = torch.from_numpy(np.repeat(np.arange(len(tokens)), [len(wanted) for wanted in tokens])).to(model.device)
    columns = torch.from_numpy(np.concatenate(list(tokens))).to(model.device)
    found: dict[Site, Tensor] = {}
    # One block for all sites: many that outlive the forward pass would leave the heap full of holes.
    block = torch.empty(0)

    def keep(site: Site, activations: Tensor) -> None:
        nonlocal block
        if activations.ndim == 2:  # OPT flattens the batch before its MLP.
            activations = activations.view(*ids.shape, -1)
        if not found:
            block = activations.new_empty(len(sites), len(rows), activations.shape[-1])
        found[site] = block[len(found)]
        found[site].copy_(activations[rows.to(activations.device), columns.to(activations.device)])
        if len(found) == len(sites):
            raise _LastSiteReadError

    module = model.module
    with torch.inference_mode(), _hooked(model, atlas, sites, keep), memory_errors(), evaluating(module):
        with suppress(_LastSiteReadError):
            # `base_model` leaves out the LM head.
            module.base_model(input_ids=torch.from_numpy(ids).to(model.device), use_cache=False)
        on_cpu = {site: found[site].cpu() for site in sites}
    _refuse_non_finite(model, on_cpu)
    return on_cpu


@contextmanager
def _hooked(
    model: LanguageModel, atlas: Atlas, sites: Sequence[Site], keep: Callable[[Site, Tensor], None]
) -> Iterator[None]:
    if model.bridge is not None:

        def listener(site: Site) -> Callable[..., None]:
            def listen(activations: Tensor, hook: Any) -> None:
                # Where an architecture has no plain MLP, `hook_post` may silently be another place.
                if activations.shape[-1] != atlas.neurons:
                    raise ModelError(
                        f"layer {site.layer} of `{model.name}` is {activations.shape[-1]} wide where its config says "
                        f"{atlas.neurons} neurons: this is no plain MLP, and cannot be read"
                    )
                keep(site, activations)

            return listen

        with model.bridge.hooks(fwd_hooks=[(f"blocks.{site.layer}.mlp.hook_post", listener(site)) for site in sites]):
            yield
        return

    def pre_hook(site: Site) -> Callable[[Any, tuple[Any, ...]], None]:
        return lambda _, arguments: keep(site, arguments[0])

    with ExitStack() as hooks:
        for site in sites:
            projection = model.module.get_submodule(atlas.down_projections[site.layer])
            hooks.callback(projection.register_forward_pre_hook(pre_hook(site)).remove)
        yield


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Turn dropout off, and leave a model that was handed over as it was."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn each device's way of saying that memory is out into a MemoryError."""
    try:
        yield
    except RuntimeError as error:
        if (
            isinstance(error, torch.OutOfMemoryError)
            or "can't allocate memory" in str(error)
            or "out of memory" in str(error)
        ):
            raise MemoryError(str(error).partition("\n")[0]) from error
        raise


def _refuse_non_finite(model: LanguageModel, activations: dict[Site, Tensor]) -> None:
    bad = {
        site.layer: (int(count), tensor.numel())
        for site, tensor in activations.items()
        # A sum is finite only if all of its terms are; it is far cheaper than looking at each.
        if not torch.isfinite(tensor.sum(dtype=torch.float64)) and (count := (~torch.isfinite(tensor)).sum())
    }
    if bad:
        listed = ", ".join(f"layer {layer}: {count:,} of {total:,}" for layer, (count, total) in bad.items())
        raise ModelError(
            f"`{model.name}` in {str(model.dtype).removeprefix('torch.')} gave activations that are NaN or infinite "
            f"({listed}); nothing was scored: run it with `model.dtype=float32`, or check its weights"
        )
