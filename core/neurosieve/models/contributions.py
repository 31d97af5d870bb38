"""What each MLP neuron adds to the residual stream, as a share of all that its layer's MLP adds.

A neuron of activation `a` adds `a` times its row of the down projection, of size `|a| * norm(row)`. Its share is that
over the norm of the projection's output at the same token, with its bias: before any norm that the model may have
behind its MLP, as Gemma 2 and 3 do. Shares do not sum to 1, for what neurons add points in many directions.

Source: CETT of H-Neurons, Gao et al. (2025), arXiv 2512.01797.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from neurosieve.data import Site
from neurosieve.errors import ConfigError
from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel
from neurosieve.models.output_weights import output_weights
from neurosieve.models.pooling import Units
from neurosieve.models.reading_hooks import Take, TokenIds, Tokens, stream_cells

__all__ = ["stream_contributions"]


def stream_contributions(
    model: LanguageModel,
    atlas: Atlas,
    sites: Sequence[Site],
    token_ids: TokenIds,
    tokens: Tokens,
    take: Take,
    units: Units | None = None,
) -> None:
    """Give the neurons' shares at some tokens to `take`, in float32, as `stream_sites` gives activations.

    Raises:
        ConfigError: the sites are not MLP neurons.
        ModelError: the weights of a down projection are quantized.
    """
    if atlas.kind != "mlp_post":
        raise ConfigError(
            f"a contribution is a share of the output of an MLP, and `site={atlas.kind}` reads {atlas.what.neurons}: "
            "take `site=mlp_post`, or `reading=activation`"
        )
    norms = {site: _norms(model, atlas, site) for site in sites}

    def cells(site: Site, activations: Tensor, output: Tensor) -> Tensor:
        return _shares(activations, norms[site].to(activations.device), output)

    stream_cells(model, atlas, sites, token_ids, tokens, take, units, partial(_hooked, model, atlas, sites), cells)


def _norms(model: LanguageModel, atlas: Atlas, site: Site) -> Float[Tensor, "neurons"]:
    """Return the norm of what each neuron adds when it is 1."""
    weights = output_weights(model, atlas, site.layer, "the contributions")
    with torch.inference_mode():
        norms: Tensor = torch.linalg.vector_norm(weights, dim=1, dtype=torch.float32)
    return norms


def _shares(
    activations: Float[Tensor, "*tokens neurons"],
    norms: Float[Tensor, "neurons"],
    output: Float[Tensor, "*tokens width"],
) -> Float[Tensor, "*tokens neurons"]:
    """Return each neuron's share; 0 where it adds nothing, and nan where the output is not finite."""
    added = activations.float().abs() * norms
    total: Tensor = torch.linalg.vector_norm(output, dim=-1, keepdim=True, dtype=torch.float32)
    # A neuron that adds nothing has no share, also where nothing at all is added. Infinite outputs would hide as 0.
    return torch.where(added == 0, added, added / total) + 0 * total


@contextmanager
def _hooked(model: LanguageModel, atlas: Atlas, sites: Sequence[Site], keep: Callable[..., None]) -> Iterator[None]:
    def leaving(_: Any, arguments: tuple[Any, ...], output: Any, *, site: Site) -> None:
        keep(site, arguments[0], output)

    with ExitStack() as hooks:
        for site in sites:
            module = atlas.module(model, site.layer)
            hooks.callback(module.register_forward_hook(partial(leaving, site=site)).remove)
        yield
