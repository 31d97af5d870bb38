"""Rules of relevance propagation in place of the gradient, on the way back through a model.

On the way forward nothing changes. On the way back what makes a gradient misleading over a whole step is held fixed:
the denominators of norms, the attention patterns, and the slopes of activation functions; and what is a product of two
factors, a gated MLP, gives half to each.

Source: RelP, arXiv 2508.21258; Achtibat et al. (2024), AttnLRP, arXiv 2402.05602.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas
from neurosieve.models.loading import LanguageModel

__all__ = ["propagation_rules"]

_SMALL = 1e-6
"""Nearer to 0 than this, an activation function is taken to pass on half of what it gets."""


@contextmanager
def propagation_rules(model: LanguageModel, atlas: Atlas) -> Iterator[None]:
    """Let gradients be taken by the rules while the context is entered."""
    from transformers.activations import ACT2CLS

    functions = tuple({known[0] if isinstance(known, tuple) else known for known in ACT2CLS.values()})
    with ExitStack() as stack:
        stack.enter_context(_fixed_patterns(model))
        for module in model.module.modules():
            if type(module).__name__.endswith("Norm"):
                stack.callback(module.register_forward_hook(_fixed_norm).remove)
            elif isinstance(module, functions):
                stack.callback(module.register_forward_hook(_fixed_slope).remove)
        for layer in range(len(atlas.modules)):
            if _is_gated(model, atlas, layer):
                projection = atlas.module(model, layer)
                stack.callback(projection.register_forward_pre_hook(_halved).remove)
        yield


def _is_gated(model: LanguageModel, atlas: Atlas, layer: int) -> bool:
    """Return whether what enters the projection of a layer is a product of two factors."""
    parent = model.module.get_submodule(atlas.modules[layer].rpartition(".")[0])
    return atlas.kind == "mlp_post" and any("gate" in name for name, _ in parent.named_children())


def _halved(_: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    values, *others = arguments
    return (_with_gradient_of(values, values / 2), *others)


def _fixed_slope(_: Any, arguments: tuple[Tensor, ...], out: Tensor) -> Tensor:
    values = arguments[0]
    slope = torch.where(values.abs() > _SMALL, out / values, 0.5).detach()
    return _with_gradient_of(out, values * slope)


def _fixed_norm(module: Any, arguments: tuple[Tensor, ...], out: Tensor) -> Tensor:
    """Return what a norm gives, as a product of what it gets and a factor that does not depend on it."""
    values, unbiased = arguments[0], out
    if isinstance(module, nn.LayerNorm):
        values = values - values.mean(dim=-1, keepdim=True)
        scaled = values if module.weight is None else values * module.weight
        unbiased = out if module.bias is None else out - module.bias
    else:  # Whatever it does with its weight: of a vector of ones, whose norm is 1, it gives the weight.
        with torch.no_grad():
            weight = _plain(module, torch.ones_like(values.flatten(0, -2)[:1]))[0]
        scaled = values * weight.clone()
    with torch.no_grad():
        exact = scaled.double()
        # Of a vector of zeros a norm gives zeros, whatever the factor.
        size = exact.square().sum(-1, keepdim=True)
        factor = torch.where(size > 0, (unbiased.double() * exact).sum(-1, keepdim=True) / size, 0)
    return _with_gradient_of(out, scaled * factor.to(scaled.dtype))


def _plain(module: Any, values: Tensor) -> Tensor:
    """Return what a module gives without its hooks."""
    out: Tensor = type(module).forward(module, values)
    return out


def _with_gradient_of(values: Tensor, other: Tensor) -> Tensor:
    """Return `values`, which pass gradients on as `other` does."""
    return other + (values - other).detach()


@contextmanager
def _fixed_patterns(model: LanguageModel) -> Iterator[None]:
    """Let no gradient pass through queries and keys: what attention looks at is held fixed."""
    from transformers import AttentionInterface
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    name = model.module.config.get_text_config()._attn_implementation
    if name not in ALL_ATTENTION_FUNCTIONS:
        raise ModelError(
            f"`{model.name}` attends by code of its own (`{name}`), whose patterns cannot be held fixed: load it with "
            "`attn_implementation='sdpa'`, or take `reading.method=gradient`"
        )
    attend = ALL_ATTENTION_FUNCTIONS[name]

    def fixed(module: Any, query: Tensor, key: Tensor, *others: Any, **more: Any) -> Any:
        return attend(module, query.detach(), key.detach(), *others, **more)

    AttentionInterface.register(name, fixed)
    try:
        yield
    finally:
        AttentionInterface.register(name, attend)
