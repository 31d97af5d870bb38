"""Rules of relevance propagation in place of the gradient, on the way back through a model.

On the way forward nothing changes. On the way back what makes a gradient misleading over a whole step is held fixed:
the denominators of norms, the attention patterns, and the slopes of activation functions; and what is a product of two
factors, a gated MLP, gives half to each.

Source: RelP, arXiv 2508.21258; Achtibat et al. (2024), AttnLRP, arXiv 2402.05602.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from neurosieve.errors import ModelError
from neurosieve.models.architectures import Atlas, atlas_of
from neurosieve.models.loading import LanguageModel

__all__ = ["propagation_rules"]

_SMALL = 1e-6
"""Nearer to 0 than this, an activation function is taken to pass on half of what it gets."""

_ROUNDINGS = 64
"""So many roundings of the largest number may a norm differ from a product of its input and a factor."""


@contextmanager
def propagation_rules(model: LanguageModel, atlas: Atlas) -> Iterator[None]:
    """Let gradients be taken by the rules while the context is entered.

    Raises:
        ModelError: there is no rule for a part of the model.
    """
    from transformers.activations import ACT2CLS

    functions = tuple({known[0] if isinstance(known, tuple) else known for known in ACT2CLS.values()})
    if model.bridge is not None:
        raise _no_rule(model, "a TransformerBridge, which computes norms and attention by code of its own")
    with ExitStack() as stack:
        stack.enter_context(_fixed_patterns(model))
        for path, module in model.module.named_modules():
            if type(module).__name__.endswith("Norm"):
                stack.callback(module.register_forward_hook(partial(_fixed_norm, model, path)).remove)
            elif isinstance(module, functions):
                stack.callback(module.register_forward_hook(_fixed_slope).remove)
            elif not _passes_gradients_as_it_is(module):
                stack.callback(module.register_forward_pre_hook(partial(_refused, model, path)).remove)
        mlps = atlas if atlas.kind == "mlp_post" else atlas_of(model)
        for layer in range(len(mlps.modules)):
            _halve_products(stack, model, mlps, layer, functions)
        yield


def _passes_gradients_as_it_is(module: nn.Module) -> bool:
    """Return whether a module has parts, whose rules are their own, or is linear in what it gets, or a table."""
    from transformers.pytorch_utils import Conv1D

    linear = (nn.Linear, nn.Embedding, nn.Dropout, nn.Identity, Conv1D)
    return (
        next(module.children(), None) is not None
        or isinstance(module, linear)
        or type(module).__name__.endswith("RotaryEmbedding")
    )


def _refused(model: LanguageModel, path: str, module: nn.Module, _: Any) -> None:
    raise _no_rule(model, f"a {type(module).__name__} (`{path}`)")


def _no_rule(model: LanguageModel, part: str) -> ModelError:
    return ModelError(
        f"`{model.name}` has {part}, for which relevance propagation has no rule here: take `method=gradient` of the "
        "reading"
    )


def _halve_products(
    stack: ExitStack, model: LanguageModel, mlps: Atlas, layer: int, functions: tuple[type[nn.Module], ...]
) -> None:
    """Let what enters the projection of a layer's MLP give half to each of two factors, where it is their product."""
    parent = model.module.get_submodule(_path(model, mlps, layer).rpartition(".")[0])
    is_gated = any("gate" in name for name, _ in parent.named_children())
    of_function: list[Tensor] = []

    def keep(_: Any, arguments: Any, out: Tensor) -> None:
        of_function[:] = [out.detach()]

    def halve(_: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        values, *others = arguments
        if of_function and of_function[0].shape == values.shape and torch.equal(of_function[0], values):
            return None
        if not of_function or not is_gated:
            raise _no_rule(model, f"an MLP of another form than those that are known (`{mlps.modules[layer]}`)")
        return (_with_gradient_of(values, values / 2), *others)

    for child in parent.children():
        if isinstance(child, functions):  # After the hook of its slope: what goes on from there.
            stack.callback(child.register_forward_hook(keep).remove)
    stack.callback(mlps.module(model, layer).register_forward_pre_hook(halve).remove)


def _path(model: LanguageModel, atlas: Atlas, layer: int) -> str:
    path = atlas.modules[layer]
    return path.removeprefix(f"{model.module.base_model_prefix}.") if model.has_no_head else path


def _fixed_slope(_: Any, arguments: tuple[Tensor, ...], out: Tensor) -> Tensor:
    values = arguments[0]
    slope = torch.where(values.abs() > _SMALL, out / values, 0.5).detach()
    return _with_gradient_of(out, values * slope)


def _fixed_norm(model: LanguageModel, path: str, module: Any, arguments: tuple[Tensor, ...], out: Tensor) -> Tensor:
    """Return what a norm gives, as a product of what it gets and a factor that does not depend on it.

    Raises:
        ModelError: it is no such product.
    """
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
        largest = torch.maximum(out.abs(), unbiased.abs()).double().amax(-1, keepdim=True)
        rounding = _ROUNDINGS * torch.finfo(out.dtype).eps
        if ((exact * factor - unbiased.double()).abs() > rounding * largest + _SMALL).any():
            raise _no_rule(
                model, f"a norm of another form than those that are known, {type(module).__name__} (`{path}`)"
            )
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
            "`attn_implementation='sdpa'`, or take `method=gradient` of the reading"
        )
    attend = ALL_ATTENTION_FUNCTIONS[name]

    fixed_patterns = 0

    def fixed(module: Any, query: Tensor, key: Tensor, *others: Any, **more: Any) -> Any:
        nonlocal fixed_patterns
        fixed_patterns += 1
        return attend(module, query.detach(), key.detach(), *others, **more)

    AttentionInterface.register(name, fixed)
    try:
        yield
        if not fixed_patterns:
            raise _no_rule(model, "attention that does not go by the function of its config")
    finally:
        AttentionInterface.register(name, attend)
